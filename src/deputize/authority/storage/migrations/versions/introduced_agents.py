"""Agents whose ids are URLs, and tokens with which programs register themselves."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0008"
down_revision = "0007"
_INSTANT: TypeEngine[Any] = sa.Double()
_WIDER = (
    ("directory_objects", "id"),
    ("directory_objects", "name"),
    ("secrets", "owner_id"),
    ("consents", "client_id"),
    ("grants", "client_id"),
)


def upgrade() -> None:
    """Make room for the ids, except in SQLite, which heeds no lengths; and add the table."""
    if op.get_bind().dialect.name != "sqlite":
        for table, column in _WIDER:
            op.alter_column(table, column, type_=sa.String(length=1024))
    op.create_index("ix_grants_client_id", "grants", ["client_id"])
    op.create_table(
        "initial_access_tokens",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("environment_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name="fk_initial_access_tokens_environment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_initial_access_tokens"),
        sa.UniqueConstraint("digest", name="uq_initial_access_tokens_digest"),
    )
    op.create_index("ix_initial_access_tokens_expires_at", "initial_access_tokens", ["expires_at"])
