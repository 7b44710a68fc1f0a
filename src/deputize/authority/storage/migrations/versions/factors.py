"""What users have beside their passwords, what sessions were proved with, and how grants say so."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0013"
down_revision = "0012"

_INSTANT: TypeEngine[Any] = sa.Double()


def upgrade() -> None:
    """Add table and columns; until now every session of a browser was proved with a password."""
    op.create_table(
        "factors",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("environment_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("material", sa.Text(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("last_used_at", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="fk_factors_environment_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_factors_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_factors"),
        sa.UniqueConstraint("environment_id", "kind", "key", name="uq_factors_environment_id_kind_key"),
    )
    op.create_index("ix_factors_user_id", "factors", ["user_id"])
    op.add_column("grants", sa.Column("amr", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("sessions", sa.Column("factors", sa.JSON(), server_default="{}", nullable=False))
    make = "json_build_object" if op.get_bind().dialect.name == "postgresql" else "json_object"
    op.execute(sa.text(f"UPDATE sessions SET factors = {make}('password', auth_time)"))  # noqa: S608 - one of two names
