"""Forgets what can no longer matter, so that the database does not grow for ever."""

from sqlalchemy import delete, exists

from deputize.authority.storage.engine import Database
from deputize.authority.storage.tables import (
    CODES,
    GRANTS,
    REVOKED_TOKENS,
    SECRETS,
    SESSIONS,
    SIGN_ON_FAILURES,
)
from deputize.jose.key_ring import MAX_TOKEN_LIFETIME
from deputize.oauth.lineage import MAX_SEGMENTS

# How long after its expiry a row still answers "already used" or "revoked" rather than "unknown".
KEPT_SECONDS = 3600.0
# A token exchanged for another may outlive it where its resource says so, so the last one of a grant may live
# this much longer.
TOKENS_SECONDS = MAX_SEGMENTS * MAX_TOKEN_LIFETIME
_UNUSED = ~exists().where(GRANTS.c.session_id == SESSIONS.c.id)


async def purge(database: Database, now: float) -> int:
    """Delete what expired more than an hour before `now`; how many rows went."""
    before = now - KEPT_SECONDS
    deletions = (
        delete(CODES).where(CODES.c.expires_at < before),
        # Refresh tokens go with their grant. A session that lapsed is kept for the grants that rest on it.
        delete(GRANTS).where(GRANTS.c.expires_at < before - TOKENS_SECONDS),
        delete(SESSIONS).where((SESSIONS.c.expires_at < before) & _UNUSED),
        delete(REVOKED_TOKENS).where(REVOKED_TOKENS.c.kept_until < before),
        delete(SIGN_ON_FAILURES).where(SIGN_ON_FAILURES.c.expires_at < now),
        delete(SECRETS).where(SECRETS.c.expires_at < before),
    )
    return await database.write(
        lambda connection: sum(connection.execute(each).rowcount for each in deletions)
    )
