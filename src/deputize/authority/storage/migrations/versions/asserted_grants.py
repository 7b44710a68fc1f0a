"""Grants of identity assertions."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add whether an assertion stands for the sign-on; until now none did."""
    column = sa.Column("asserted", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("grants", column)
