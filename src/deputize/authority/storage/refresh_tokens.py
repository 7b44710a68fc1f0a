"""Refresh tokens of grants: rotation and replay (RFC 9700 section 4.14)."""

from dataclasses import asdict

from sqlalchemy import Connection, bindparam, exists, select, update

from deputize.authority.storage.engine import Database
from deputize.authority.storage.grants import use_consents
from deputize.authority.storage.statements import insert_if_absent, won
from deputize.authority.storage.tables import GRANTS, REFRESH_TOKENS, SPENT_REFRESH_TOKENS
from deputize.oauth.records.store import RefreshToken

_LIVE_OR_PREVIOUS = select(REFRESH_TOKENS).where(
    (REFRESH_TOKENS.c.digest == bindparam("digest"))
    | (REFRESH_TOKENS.c.previous_digest == bindparam("digest"))
)
_SPENT = select(SPENT_REFRESH_TOKENS.c.grant_id).where(SPENT_REFRESH_TOKENS.c.digest == bindparam("digest"))


class SqlRefreshTokens:
    """`oauth.ports.RefreshTokens` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_refresh_token(self, digest: str) -> RefreshToken | None:
        """The refresh token whose current or previous digest this is."""
        rows = await self._database.rows(_LIVE_OR_PREVIOUS, {"digest": digest})
        return RefreshToken(*rows[0]) if rows else None

    async def find_spent_grant(self, digest: str) -> str | None:
        """The id of the grant in which that digest was current two or more generations ago."""
        rows = await self._database.rows(_SPENT, {"digest": digest})
        return rows[0].grant_id if rows else None

    async def rotate_refresh_token(self, successor: RefreshToken) -> bool:
        """Make `successor` current if its grant has not ended and is at `successor.generation - 1`.

        Durable.
        """
        return await self._database.write(lambda connection: _rotate(connection, successor))


def _rotate(connection: Connection, successor: RefreshToken) -> bool:
    columns = REFRESH_TOKENS.c
    unended = exists().where((GRANTS.c.id == successor.grant_id) & GRANTS.c.ended_at.is_(None))
    parent = (
        (columns.grant_id == successor.grant_id) & (columns.generation == successor.generation - 1) & unended
    )
    oldest = connection.execute(select(columns.previous_digest).where(parent).with_for_update()).first()
    if oldest is None or not won(connection, update(REFRESH_TOKENS).where(parent).values(asdict(successor))):
        return False
    if oldest.previous_digest is not None:
        insert_if_absent(
            connection,
            SPENT_REFRESH_TOKENS,
            {"digest": oldest.previous_digest, "grant_id": successor.grant_id},
        )
    use_consents(connection, successor.grant_id, successor.rotated_at)
    return True
