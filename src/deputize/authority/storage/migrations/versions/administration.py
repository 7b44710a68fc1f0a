"""What pages of an administrator's lists need: roles of users, when objects came and changed, and indexes."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

from deputize.oauth.usernames import comparison_form

revision = "0016"
down_revision = "0015"
_INSTANT: TypeEngine[Any] = sa.Double()
_USERS = sa.table("users", sa.column("id", sa.String()), sa.column("username"), sa.column("username_form"))


def upgrade() -> None:
    """Add columns and indexes; nobody knows when what is there came, and nobody has a role yet."""
    for name in ("created_at", "changed_at"):
        op.add_column("directory_objects", sa.Column(name, _INSTANT, nullable=True))
    for name in ("roles", "username_form"):
        op.add_column("users", sa.Column(name, sa.Text(), server_default="", nullable=False))
    connection = op.get_bind()
    users = connection.execute(sa.select(_USERS.c.id, _USERS.c.username)).all()
    if users:
        form = sa.update(_USERS).where(_USERS.c.id == sa.bindparam("user"))
        connection.execute(
            form.values(username_form=sa.bindparam("form")),
            [{"user": each.id, "form": comparison_form(each.username)} for each in users],
        )
    op.create_index(
        "ix_users_environment_id_users_username_form", "users", ["environment_id", "username_form"]
    )
    op.create_index(
        "ix_sessions_environment_id_sessions_created_at_sessions_id",
        "sessions",
        ["environment_id", "created_at", "id"],
    )
    op.create_index(
        "ix_consents_environment_id_consents_client_id", "consents", ["environment_id", "client_id"]
    )
