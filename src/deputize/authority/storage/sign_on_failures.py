"""Wrong passwords, counted by the name typed, which is kept as a digest: it may be a password."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, case, delete, select, update
from sqlalchemy.sql import ColumnElement

from deputize.authority.storage.engine import Database, insert_if_absent
from deputize.authority.storage.tables import SIGN_ON_FAILURES
from deputize.kernel.digests import digest
from deputize.oauth.ports import Throttle
from deputize.oauth.usernames import comparison_form

_COLUMNS = SIGN_ON_FAILURES.c


class SqlSignOnFailures:
    """`oauth.ports.SignOnFailures` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_attempt(
        self, environment_id: str, username: str, throttles: Mapping[str, Throttle], now: float
    ) -> float | None:
        """Count an attempt as a failure of each source, or say until when one of them has to wait.

        Where one has to wait, nothing is counted. Sources are looked at in their order, and no row is made
        for one behind another that has to wait.
        """
        name = {"environment_id": environment_id, "username_digest": digest(comparison_form(username))}

        def work(connection: Connection) -> float | None:
            counted: dict[str, tuple[int, float]] = {}
            for source in throttles:
                key = {**name, "source_digest": digest(source)}
                insert_if_absent(connection, SIGN_ON_FAILURES, {**key, "failures": 0, "expires_at": now})
                # Locked, so that parallel attempts are all counted.
                row = connection.execute(select(SIGN_ON_FAILURES).filter_by(**key).with_for_update()).one()
                if row.locked_until is not None and row.locked_until > now:
                    return row.locked_until
                if row.expires_at <= now:
                    counted[source] = (1, now + throttles[source].memory)
                else:
                    counted[source] = (row.failures + 1, row.expires_at)
            for source, (failures, expires_at) in counted.items():
                wait = throttles[source].wait(failures)
                values = {
                    "failures": failures,
                    "locked_until": now + wait if wait else None,
                    "expires_at": max(expires_at, now + wait),
                }
                mine = _of(environment_id, username) & (_COLUMNS.source_digest == digest(source))
                connection.execute(update(SIGN_ON_FAILURES).where(mine).values(values))
            return None

        return await self._database.write(work)

    async def take_back_attempt(
        self, environment_id: str, username: str, throttles: Mapping[str, Throttle]
    ) -> None:
        """Uncount an attempt that was not made after all."""

        def work(connection: Connection) -> None:
            for source, throttle in throttles.items():
                mine = (
                    _of(environment_id, username)
                    & (_COLUMNS.source_digest == digest(source))
                    & (_COLUMNS.failures > 0)
                )
                locked_until = case((_COLUMNS.failures > throttle.free, _COLUMNS.locked_until), else_=None)
                connection.execute(
                    update(SIGN_ON_FAILURES)
                    .where(mine)
                    .values(failures=_COLUMNS.failures - 1, locked_until=locked_until)
                )

        await self._database.write(work)

    async def forget_attempts(self, environment_id: str, username: str, sources: Collection[str]) -> None:
        """Forget what those sources did wrong."""
        mine = _of(environment_id, username) & _COLUMNS.source_digest.in_(
            [digest(source) for source in sources]
        )
        await self._database.write(
            lambda connection: connection.execute(delete(SIGN_ON_FAILURES).where(mine))
        )

    async def clear_failures(self, environment_id: str, username: str) -> None:
        """Forget what anybody did wrong with that name."""
        mine = _of(environment_id, username)
        await self._database.write(
            lambda connection: connection.execute(delete(SIGN_ON_FAILURES).where(mine))
        )


def _of(environment_id: str, username: str) -> ColumnElement[bool]:
    """The rows of that name, from any source."""
    username_digest = digest(comparison_form(username))
    return (_COLUMNS.environment_id == environment_id) & (_COLUMNS.username_digest == username_digest)
