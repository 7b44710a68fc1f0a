"""What authority and gateways recorded, for people to search."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0015"
down_revision = "0014"
_INSTANT: TypeEngine[Any] = sa.Double()
_AGENT_ID = sa.String(length=36).with_variant(sa.String(length=1024), "postgresql")
_ID = sa.String(length=36)


def _prefixed(length: int) -> TypeEngine[Any]:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables; nothing that happened before is in them."""
    op.create_table(
        "activities",
        sa.Column("id", _ID, nullable=False),
        sa.Column("environment_id", _ID, nullable=False),
        sa.Column("happened_at", _INSTANT, nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("event", _prefixed(64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("user_id", _ID, nullable=True),
        sa.Column("agent_ids", sa.JSON(), nullable=False),
        sa.Column("acting_id", _AGENT_ID, nullable=True),
        sa.Column("resource_id", _ID, nullable=True),
        sa.Column("method", sa.String(length=64), nullable=True),
        sa.Column("tool", _prefixed(256), nullable=True),
        sa.Column("session_id", _ID, nullable=True),
        sa.Column("grant_id", _ID, nullable=True),
        sa.Column("jti", sa.String(length=320), nullable=True),
        sa.Column("transaction_id", _prefixed(128), nullable=False),
        sa.Column("caller_transaction_id", sa.String(length=128), nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name="fk_activities_environment_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_activities_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_activities"),
    )
    op.create_index("ix_activities_time", "activities", ["environment_id", "happened_at", "id"])
    for name in ("event", "outcome", "transaction_id"):
        op.create_index(f"ix_activities_{name}", "activities", ["environment_id", name, "happened_at", "id"])
    for name in ("resource_id", "tool", "jti", "caller_transaction_id", "user_id"):
        first = [] if name == "user_id" else ["environment_id"]
        op.create_index(f"ix_activities_{name}", "activities", [*first, name, "happened_at", "id"])
    _add_parts_and_totals()


def _add_parts_and_totals() -> None:
    op.create_table(
        "activity_agents",
        sa.Column("environment_id", _ID, nullable=False),
        sa.Column("agent_id", _AGENT_ID, nullable=False),
        sa.Column("happened_at", _INSTANT, nullable=False),
        sa.Column("activity_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name="fk_activity_agents_environment_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["activity_id"], ["activities.id"], name="fk_activity_agents_activity_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "agent_id", "happened_at", "activity_id", name="pk_activity_agents"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_activity_agents_activity_id", "activity_agents", ["activity_id"])
    op.create_table(
        "activity_totals",
        sa.Column("environment_id", _ID, nullable=False),
        sa.Column("agent_id", _AGENT_ID, nullable=False),
        sa.Column("resource_id", _ID, nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
        sa.Column("tool", sa.String(length=256), nullable=False),
        sa.Column("permitted", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("first_at", _INSTANT, nullable=False),
        sa.Column("last_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name="fk_activity_totals_environment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id",
            "agent_id",
            "resource_id",
            "event",
            "method",
            "tool",
            name="pk_activity_totals",
        ),
        sqlite_with_rowid=False,
    )
