"""Invitations say whom they are for, and who made them.

Those that were made before say neither and are dropped: whoever has not taken one asks for another.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
_AGENT_ID = sa.String(length=36).with_variant(sa.String(length=1024), "postgresql")


def upgrade() -> None:
    """Add the columns."""
    op.execute("DELETE FROM invitations")
    op.add_column("invitations", sa.Column("username", sa.String(length=128), nullable=True))
    op.add_column("invitations", sa.Column("invited_by", _AGENT_ID, nullable=True))
    op.add_column(
        "invitations", sa.Column("invited_by_term", sa.String(length=8), server_default="", nullable=False)
    )
