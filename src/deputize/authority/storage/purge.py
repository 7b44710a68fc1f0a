"""Forgets what can no longer matter, so that the database does not grow for ever."""

from sqlalchemy import Connection, delete

from deputize.authority.storage.engine import Database
from deputize.authority.storage.tables import CODES, FLOWS, ISSUED_TOKENS, REFRESH_TOKENS, SECRETS, SESSIONS, SIGN_ON_FAILURES

# How long after its expiry a row still answers "already used" or "revoked" rather than "unknown".
KEPT_SECONDS = 3600.0
_EXPIRIES = (
    CODES.c.expires_at,
    REFRESH_TOKENS.c.family_expires_at,
    ISSUED_TOKENS.c.expires_at,
    SESSIONS.c.expires_at,
    FLOWS.c.expires_at,
    SIGN_ON_FAILURES.c.expires_at,
    SECRETS.c.expires_at,
)


async def purge(database: Database, now: float) -> int:
    """Delete what expired more than an hour before `now`; how many rows went."""

    def work(connection: Connection) -> int:
        return sum(connection.execute(delete(expiry.table).where(expiry < now - KEPT_SECONDS)).rowcount for expiry in _EXPIRIES)

    return await database.write(work)
