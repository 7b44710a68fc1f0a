"""Answers of the management API to requests that may be repeated."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0014"
down_revision = "0013"
_INSTANT: TypeEngine[Any] = sa.Double()


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "idempotent_requests",
        sa.Column("key_digest", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("begun_at", _INSTANT, nullable=False),
        sa.Column("kept_until", _INSTANT, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("fields", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key_digest", name="pk_idempotent_requests"),
    )
    op.create_index("ix_idempotent_requests_kept_until", "idempotent_requests", ["kept_until"])
