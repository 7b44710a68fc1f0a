"""Sign-on sessions."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from deputize.authority.storage.engine import Database
from deputize.authority.storage.statements import won
from deputize.authority.storage.tables import SESSIONS
from deputize.oauth.records.store import Session

_BY_COOKIE = select(SESSIONS).where(
    (SESSIONS.c.environment_id == bindparam("environment"))
    & (SESSIONS.c.cookie_digest == bindparam("cookie"))
)
_UNENDED = (
    select(SESSIONS)
    .where((SESSIONS.c.environment_id == bindparam("environment")) & SESSIONS.c.ended_at.is_(None))
    .order_by(SESSIONS.c.created_at)
)


class SqlSessions:
    """`oauth.ports.Sessions` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_session(self, session: Session) -> None:
        """Remember a session."""
        await self._database.write(
            lambda connection: connection.execute(insert(SESSIONS).values(_row(session)))
        )

    async def find_session(self, environment_id: str, cookie_digest: str) -> Session | None:
        """The session a browser's cookie stands for, ended or not."""
        rows = await self._database.rows(_BY_COOKIE, {"environment": environment_id, "cookie": cookie_digest})
        return session_of(rows[0]) if rows else None

    async def sessions_of(self, environment_id: str) -> tuple[Session, ...]:
        """An environment's sessions that were not ended, lapsed ones included, by when they began."""
        rows = await self._database.rows(_UNENDED, {"environment": environment_id})
        return tuple(session_of(row) for row in rows)

    async def renew_session(self, session: Session) -> bool:
        """Give the session of that id a new cookie digest, sign-on time and expiry.

        False if it ended or is of an earlier term.
        """
        mine = (
            (SESSIONS.c.id == session.id)
            & (SESSIONS.c.user_id == session.user_id)
            & (SESSIONS.c.user_term == session.user_term)
        )
        live = mine & SESSIONS.c.ended_at.is_(None)
        renewed = {
            name: getattr(session, name)
            for name in ("cookie_digest", "auth_time", "expires_at", "last_used_at")
        }
        return await self._database.write(
            lambda connection: won(connection, update(SESSIONS).where(live).values(renewed))
        )

    async def touch_session(self, session_id: str, now: float) -> None:
        """Remember that it was used now."""
        earlier = (SESSIONS.c.id == session_id) & (SESSIONS.c.last_used_at < now)
        await self._database.write(
            lambda connection: connection.execute(update(SESSIONS).where(earlier).values(last_used_at=now))
        )

    async def end_session(self, session_id: str, now: float) -> None:
        """End a session: every token and refresh token with that `sid` stops working.

        Durable before this returns.
        """
        live = (SESSIONS.c.id == session_id) & SESSIONS.c.ended_at.is_(None)
        await self._database.write(
            lambda connection: connection.execute(update(SESSIONS).where(live).values(ended_at=now))
        )


def session_of(columns: Sequence[Any]) -> Session:
    """The session in columns as `tables.SESSIONS` orders them, which is the record's own order."""
    return Session(*columns)


def _row(session: Session) -> dict[str, object]:
    return {column.name: getattr(session, column.name) for column in SESSIONS.c}
