"""Grants of sign-ons for a resource that requires delegation."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add what the sign-on's token is exchanged for; until now it never was."""
    op.add_column("grants", sa.Column("delegated_resource_id", sa.String(length=36), nullable=True))
    op.add_column("grants", sa.Column("delegated_scopes", sa.JSON(), server_default="[]", nullable=False))
