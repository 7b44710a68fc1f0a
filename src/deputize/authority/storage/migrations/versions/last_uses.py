"""Indexes by which the last use of an agent is found, however many users signed on to it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
_AGENT_ID = sa.String(length=36).with_variant(sa.String(length=1024), "postgresql")


def upgrade() -> None:
    """Let refresh tokens name environment and client of their grants, and make the indexes."""
    op.add_column(
        "refresh_tokens", sa.Column("environment_id", sa.String(length=36), server_default="", nullable=False)
    )
    op.add_column("refresh_tokens", sa.Column("client_id", _AGENT_ID, server_default="", nullable=False))
    op.execute(
        "UPDATE refresh_tokens SET"
        " environment_id = (SELECT environment_id FROM grants WHERE grants.id = refresh_tokens.grant_id),"
        " client_id = (SELECT client_id FROM grants WHERE grants.id = refresh_tokens.grant_id)"
    )
    op.create_index(
        "ix_refresh_tokens_last_use",
        "refresh_tokens",
        ["environment_id", "client_id", "rotated_at"],
    )
    op.drop_index("ix_grants_client_id", "grants")
    op.create_index("ix_grants_last_use", "grants", ["environment_id", "client_id", "created_at"])
