"""People."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.sql import Select

from deputize.authority.storage.engine import Database
from deputize.authority.storage.statements import upsert
from deputize.authority.storage.tables import USERS
from deputize.kernel.ids import new_term
from deputize.oauth.records.store import User

_OF_ENVIRONMENT = select(USERS).where(USERS.c.environment_id == bindparam("environment"))
_IDS_ELSEWHERE = select(USERS.c.id).where(USERS.c.environment_id != bindparam("environment"))
_BY_NAME = _OF_ENVIRONMENT.where(USERS.c.username == bindparam("username"))
_BY_ID = _OF_ENVIRONMENT.where(USERS.c.id == bindparam("id"))


class SqlUsers:
    """`oauth.ports.Users` in a database, and how administrators change them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_user(self, environment_id: str, username: str) -> User | None:
        """The user with exactly that name."""
        if "\x00" in username:  # PostgreSQL refuses to look for it
            return None
        return await self._one(_BY_NAME, {"environment": environment_id, "username": username})

    async def find_user_by_id(self, environment_id: str, user_id: str) -> User | None:
        """The user with that id."""
        return await self._one(_BY_ID, {"environment": environment_id, "id": user_id})

    async def users_of(self, environment_id: str) -> tuple[User, ...]:
        """Every user of an environment, by username."""
        rows = await self._database.rows(
            _OF_ENVIRONMENT.order_by(USERS.c.username), {"environment": environment_id}
        )
        return tuple(user_of(row) for row in rows)

    async def user_ids_elsewhere(self, environment_id: str) -> frozenset[str]:
        """The ids of every other environment's users."""
        rows = await self._database.rows(_IDS_ELSEWHERE, {"environment": environment_id})
        return frozenset(row.id for row in rows)

    async def put_user(self, user: User) -> None:
        """Add the user, or replace the one with that id."""
        await self._database.write(lambda connection: put_user(connection, user))

    async def remove_user(self, environment_id: str, user_id: str) -> None:
        """Remove the user with their sessions and consents; their tokens stop working."""
        await self._database.write(lambda connection: remove_user(connection, environment_id, user_id))

    async def _one(self, statement: Select[Any], parameters: dict[str, object]) -> User | None:
        rows = await self._database.rows(statement, parameters)
        return user_of(rows[0]) if rows else None


def put_user(connection: Connection, user: User) -> None:
    """Add the user, or replace the one with that id.

    A new term begins when they are new, disabled, enabled or have a new password.
    """
    before = connection.execute(
        _BY_ID.with_for_update(), {"environment": user.environment_id, "id": user.id}
    ).first()
    kept = before is not None and (before.enabled, before.password_hash) == (user.enabled, user.password_hash)
    term = before.term if kept and before is not None else new_term()
    upsert(
        connection, USERS, {**{column.name: getattr(user, column.name) for column in USERS.c}, "term": term}
    )


def remove_user(connection: Connection, environment_id: str, user_id: str) -> None:
    """Remove the user; the database removes their sessions and consents."""
    connection.execute(
        delete(USERS).where((USERS.c.environment_id == environment_id) & (USERS.c.id == user_id))
    )


def user_of(columns: Sequence[Any]) -> User:
    """The user in columns as `tables.USERS` orders them, which is the record's own order."""
    return User(*columns)
