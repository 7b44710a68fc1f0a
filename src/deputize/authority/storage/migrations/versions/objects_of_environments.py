"""Objects are their environment's: the id of an agent by a metadata document is the same in all of them."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0009"
down_revision = "0008"

_INSTANT: TypeEngine[Any] = sa.Double()


def upgrade() -> None:
    """Make the environment a part of the objects' key, and of what secrets refer to.

    SQLite cannot change keys, so both tables are made anew; what they hold is read before, for there is
    little of it.
    """
    connection, metadata = op.get_bind(), sa.MetaData()
    is_sqlite = connection.dialect.name == "sqlite"
    agent_id, object_name = (sa.String(length if is_sqlite else 1024) for length in (36, 256))
    sa.Table("environments", metadata, sa.Column("id", sa.String(36), primary_key=True))
    objects = sa.Table(
        "directory_objects",
        metadata,
        sa.Column("id", agent_id, nullable=False),
        sa.Column("environment_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", object_name, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("term", sa.String(8), nullable=False),
        sa.Column("history", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name="fk_directory_objects_environment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", "environment_id", name="pk_directory_objects"),
        sa.UniqueConstraint(
            "environment_id", "kind", "name", name="uq_directory_objects_environment_id_kind_name"
        ),
    )
    secrets = sa.Table(
        "secrets",
        metadata,
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("environment_id", sa.String(36), nullable=False),
        sa.Column("owner_id", agent_id, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="fk_secrets_environment_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "owner_id"],
            ["directory_objects.environment_id", "directory_objects.id"],
            name="fk_secrets_environment_id_owner_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_secrets"),
        sa.Index("ix_secrets_owner_id", "owner_id"),
    )
    kept = [(each, connection.execute(sa.select(each)).mappings().all()) for each in (objects, secrets)]
    secrets.drop(connection)  # first, for a table that goes takes along what refers to it
    objects.drop(connection)
    for table, rows in kept:
        table.create(connection)
        if rows:
            connection.execute(sa.insert(table), [dict(row) for row in rows])
