"""Ids that count once."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0004"
down_revision = "0003"
_INSTANT: TypeEngine[Any] = sa.Double()


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "one_time_ids",
        sa.Column("environment_id", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("id_digest", sa.String(length=64), nullable=False),
        sa.Column("kept_until", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "purpose", "id_digest", name="pk_one_time_ids"),
    )
    op.create_index("ix_one_time_ids_kept_until", "one_time_ids", ["kept_until"])
