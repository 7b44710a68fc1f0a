"""Codes and refresh tokens that are bound to a key."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the thumbprint of the key; those issued before are bound to none."""
    for table in ("codes", "refresh_tokens"):
        op.add_column(table, sa.Column("dpop_jkt", sa.String(length=43), nullable=True))
