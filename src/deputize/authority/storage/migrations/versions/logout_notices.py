"""Which agents are still to be told that a session ended."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0007"
down_revision = "0006"

_INSTANT: TypeEngine[Any] = sa.Double()


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "logout_notices",
        sa.Column("environment_id", sa.String(length=36), nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name="fk_logout_notices_environment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("environment_id", "session_id", "client_id", name="pk_logout_notices"),
    )
    op.create_index("ix_logout_notices_due_at", "logout_notices", ["due_at"])
