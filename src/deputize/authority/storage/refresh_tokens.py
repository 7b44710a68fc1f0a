"""Refresh token families: rotation, replay, revocation (RFC 9700 section 4.14)."""

from typing import Any

from sqlalchemy import Connection, Row, Update, bindparam, insert, select, update

from deputize.authority.storage.engine import Database
from deputize.authority.storage.statements import insert_if_absent, won
from deputize.authority.storage.tables import ISSUED_TOKENS, REFRESH_TOKENS, SPENT_REFRESH_TOKENS
from deputize.oauth.ports import IssuedToken
from deputize.oauth.records.store import Authentication, RefreshToken

_LIVE_OR_PREVIOUS = select(REFRESH_TOKENS).where(
    (REFRESH_TOKENS.c.digest == bindparam("digest")) | (REFRESH_TOKENS.c.previous_digest == bindparam("digest"))
)
_SPENT = select(SPENT_REFRESH_TOKENS.c.family_id).where(SPENT_REFRESH_TOKENS.c.digest == bindparam("digest"))


class SqlRefreshTokens:
    """`oauth.ports.RefreshTokens` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_refresh_token(self, digest: str) -> RefreshToken | None:
        """The family whose current or previous digest this is."""
        rows = await self._database.rows(_LIVE_OR_PREVIOUS, {"digest": digest})
        return _family(rows[0]) if rows else None

    async def find_replayed_family(self, digest: str) -> str | None:
        """The id of the family in which that digest was current two or more generations ago."""
        rows = await self._database.rows(_SPENT, {"digest": digest})
        return rows[0].family_id if rows else None

    async def rotate_refresh_token(self, successor: RefreshToken, issued: IssuedToken) -> bool:
        """Make `successor` current if its family still is at `successor.generation - 1` and not revoked. Durable."""
        return await self._database.write(lambda connection: _rotate(connection, successor, issued))

    async def record_issued(self, family_id: str, issued: IssuedToken) -> bool:
        """Remember one more access token of a family; false if the family was revoked meanwhile."""

        def work(connection: Connection) -> bool:
            # An update that changes nothing: it takes the row's lock, so that a revocation comes wholly before or after.
            touch = _unrevoked(family_id).values(generation=REFRESH_TOKENS.c.generation)
            if not won(connection, touch):
                return False
            remember_issued(connection, family_id, issued)
            return True

        return await self._database.write(work)

    async def revoke_family(self, family_id: str, now: float) -> None:
        """End the family's refresh token and every access token remembered for it (also those of its code)."""

        def work(connection: Connection) -> None:
            connection.execute(_unrevoked(family_id).values(revoked_at=now))
            connection.execute(update(ISSUED_TOKENS).where(ISSUED_TOKENS.c.family_id == family_id).values(revoked=True))

        await self._database.write(work)


def add_family(connection: Connection, token: RefreshToken) -> None:
    """Start a family with its first refresh token."""
    connection.execute(insert(REFRESH_TOKENS).values(_row(token)))


def remember_issued(connection: Connection, family_id: str, issued: IssuedToken) -> None:
    """Remember that an access token belongs to a family."""
    row = {"jti": issued.jti, "expires_at": issued.expires_at, "family_id": family_id, "revoked": False}
    connection.execute(insert(ISSUED_TOKENS).values(row))


def authentication_columns(authentication: Authentication) -> dict[str, object]:
    """The columns that tell who signed on, when and how."""
    return {
        "user_id": authentication.user_id,
        "session_id": authentication.session_id,
        "auth_time": authentication.auth_time,
        "acr": authentication.acr,
    }


def authentication_of(row: Row[Any]) -> Authentication:
    """Who signed on, when and how, from those columns."""
    return Authentication(row.user_id, row.session_id, row.auth_time, row.acr)


def _rotate(connection: Connection, successor: RefreshToken, issued: IssuedToken) -> bool:
    columns = REFRESH_TOKENS.c
    parent = (columns.family_id == successor.family_id) & columns.revoked_at.is_(None) & (columns.generation == successor.generation - 1)
    oldest = connection.execute(select(columns.previous_digest).where(parent).with_for_update()).first()
    if oldest is None or not won(connection, update(REFRESH_TOKENS).where(parent).values(_row(successor))):
        return False
    if oldest.previous_digest is not None:
        insert_if_absent(connection, SPENT_REFRESH_TOKENS, {"digest": oldest.previous_digest, "family_id": successor.family_id})
    remember_issued(connection, successor.family_id, issued)
    return True


def _unrevoked(family_id: str) -> Update:
    return update(REFRESH_TOKENS).where((REFRESH_TOKENS.c.family_id == family_id) & REFRESH_TOKENS.c.revoked_at.is_(None))


def _row(token: RefreshToken) -> dict[str, object]:
    return {
        "family_id": token.family_id,
        "environment_id": token.environment_id,
        "client_id": token.client_id,
        "digest": token.digest,
        "previous_digest": token.previous_digest,
        "generation": token.generation,
        "rotated_at": token.rotated_at,
        "expires_at": token.expires_at,
        "family_expires_at": token.family_expires_at,
        "resource_id": token.resource_id,
        "scopes": list(token.scopes),
        "nonce": token.nonce,
        "revoked_at": token.revoked_at,
        **authentication_columns(token.authentication),
    }


def _family(row: Row[Any]) -> RefreshToken:
    return RefreshToken(
        family_id=row.family_id,
        environment_id=row.environment_id,
        client_id=row.client_id,
        digest=row.digest,
        previous_digest=row.previous_digest,
        generation=row.generation,
        rotated_at=row.rotated_at,
        expires_at=row.expires_at,
        family_expires_at=row.family_expires_at,
        resource_id=row.resource_id,
        scopes=tuple(row.scopes),
        authentication=authentication_of(row),
        nonce=row.nonce,
        revoked_at=row.revoked_at,
    )
