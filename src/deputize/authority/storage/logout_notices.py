"""Which agents are still to be told that a session ended (OpenID Connect Back-Channel Logout 1.0).

A notice is written in the transaction that ends the session, whoever ends it, so that none is lost and
nothing waits for an agent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, bindparam, delete, select, update

from deputize.authority.storage.engine import Database, insert_if_absent, wins
from deputize.authority.storage.tables import GRANTS, LOGOUT_NOTICES, SESSIONS

_COLUMNS = LOGOUT_NOTICES.c
_DUE = (
    select(LOGOUT_NOTICES)
    .where(_COLUMNS.due_at <= bindparam("now"))
    .order_by(_COLUMNS.due_at)
    .limit(bindparam("most"))
)
AT_ONCE: Final = 0.0


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """What one agent is to be told: this session of this user ended."""

    environment_id: str
    session_id: str
    client_id: str
    user_id: str
    attempts: int
    """Those that were begun."""
    due_at: float
    """When the next attempt is due, in seconds since the epoch."""


class SqlLogoutNotices:
    """The notices in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_attempts(self, now: float, waits: Sequence[float], most: int) -> tuple[LogoutNotice, ...]:
        """Take up to `most` notices that are due, each for this caller alone; an attempt counts as begun.

        `waits` are the seconds after which the attempt that follows the first, second … is due, unless
        `settle` is called before.
        """
        due = [
            LogoutNotice(*row) for row in await self._database.rows(_DUE, {"now": now, "most": most})
        ]  # a read alone, nearly always

        def work(connection: Connection) -> tuple[LogoutNotice, ...]:
            taken: list[LogoutNotice] = []
            for each in due:
                next_due = now + waits[min(each.attempts, len(waits) - 1)]
                taking = update(LOGOUT_NOTICES).where(_is(each) & (_COLUMNS.attempts == each.attempts))
                if wins(connection, taking.values(attempts=each.attempts + 1, due_at=next_due)):
                    begun = (each.environment_id, each.session_id, each.client_id, each.user_id)
                    taken.append(LogoutNotice(*begun, each.attempts + 1, next_due))
            return tuple(taken)

        return await self._database.write(work) if due else ()

    async def settle(self, notice: LogoutNotice) -> None:
        """Forget a notice: it was delivered, or never will be."""
        await self._database.write(
            lambda connection: connection.execute(delete(LOGOUT_NOTICES).where(_is(notice)))
        )


def note_logouts(connection: Connection, ending: ColumnElement[bool]) -> None:
    """Write a notice for each agent that has a grant of the sessions that are `ending`.

    Whether it wants to know is seen when the notice is delivered.
    """
    names = ("environment_id", "session_id", "client_id", "user_id")
    rested = (
        select(*(GRANTS.c[name] for name in names))
        .join(SESSIONS, SESSIONS.c.id == GRANTS.c.session_id)
        .where(ending)
        .distinct()
    )
    for row in connection.execute(rested).all():
        notice = {**dict(zip(names, row, strict=True)), "attempts": 0, "due_at": AT_ONCE}
        insert_if_absent(connection, LOGOUT_NOTICES, notice)


def _is(notice: LogoutNotice) -> ColumnElement[bool]:
    return (
        (_COLUMNS.environment_id == notice.environment_id)
        & (_COLUMNS.session_id == notice.session_id)
        & (_COLUMNS.client_id == notice.client_id)
    )
