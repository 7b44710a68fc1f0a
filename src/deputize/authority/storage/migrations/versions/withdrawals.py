"""From which agents users withdrew, and when in the order of their withdrawals grants were made."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns; until now nobody withdrew from an agent that another one passed to."""
    op.add_column("users", sa.Column("withdrawals", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("grants", sa.Column("withdrawn", sa.Integer(), server_default="0", nullable=False))
