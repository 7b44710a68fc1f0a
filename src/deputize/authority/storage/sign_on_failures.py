"""Wrong passwords, counted by the name typed. Names are kept as digests: what people type there may be a password."""

from sqlalchemy import Connection, bindparam, case, delete, select, update

from deputize.authority.storage.engine import Database
from deputize.authority.storage.statements import insert_if_absent
from deputize.authority.storage.tables import SIGN_ON_FAILURES
from deputize.kernel.digests import digest
from deputize.oauth.ports import Lockout

_COLUMNS = SIGN_ON_FAILURES.c
_LOCKED = select(_COLUMNS.locked_until).where(
    (_COLUMNS.environment_id == bindparam("environment"))
    & (_COLUMNS.username_digest == bindparam("username"))
    & (_COLUMNS.locked_until > bindparam("now"))
)


class SqlSignOnFailures:
    """`oauth.ports.SignOnFailures` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record_failure(self, environment_id: str, username: str, now: float, lockout: Lockout) -> None:
        """Count one more. Failures older than `lockout.seconds` are forgotten; the last allowed one locks."""
        await self._database.write(lambda connection: _record(connection, (environment_id, digest(username)), now, lockout))

    async def clear_failures(self, environment_id: str, username: str) -> None:
        """Forget them all, and unlock."""
        mine = (_COLUMNS.environment_id == environment_id) & (_COLUMNS.username_digest == digest(username))
        await self._database.write(lambda connection: connection.execute(delete(SIGN_ON_FAILURES).where(mine)))

    async def locked_until(self, environment_id: str, username: str, now: float) -> float | None:
        """When the name may try again, or `None` if it may now."""
        rows = await self._database.rows(_LOCKED, {"environment": environment_id, "username": digest(username), "now": now})
        return rows[0].locked_until if rows else None


def _record(connection: Connection, key: tuple[str, str], now: float, lockout: Lockout) -> None:
    environment_id, username_digest = key
    end = now + lockout.seconds
    none = {"environment_id": environment_id, "username_digest": username_digest, "failures": 0, "expires_at": end}
    insert_if_absent(connection, SIGN_ON_FAILURES, none)
    # One statement, so that parallel guesses are all counted.
    failures = case((_COLUMNS.expires_at <= now, 1), else_=_COLUMNS.failures + 1)
    locked_until = case((failures >= lockout.failures, end), else_=_COLUMNS.locked_until)
    mine = (_COLUMNS.environment_id == environment_id) & (_COLUMNS.username_digest == username_digest)
    connection.execute(update(SIGN_ON_FAILURES).where(mine).values(failures=failures, locked_until=locked_until, expires_at=end))
