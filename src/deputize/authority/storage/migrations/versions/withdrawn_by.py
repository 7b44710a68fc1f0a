"""Who withdrew a consent: the user, or an administrator in the user's place; unknown of older ones."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("consents", sa.Column("withdrawn_by", sa.Text(), nullable=True))
    op.add_column("acceptances", sa.Column("withdrawn_by", sa.Text(), nullable=True))
