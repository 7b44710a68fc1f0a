"""Authorization codes (RFC 6749 section 4.1.2: redeemable once)."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from deputize.authority.storage.engine import Database
from deputize.authority.storage.refresh_tokens import add_family, authentication_columns, authentication_of, remember_issued
from deputize.authority.storage.statements import insert_if_absent
from deputize.authority.storage.tables import CODES
from deputize.oauth.ports import IssuedToken
from deputize.oauth.records.store import AuthorizationCode, RefreshToken

_BY_DIGEST = select(CODES).where(CODES.c.digest == bindparam("digest"))


class SqlCodes:
    """`oauth.ports.Codes` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_code(self, code: AuthorizationCode) -> bool:
        """Remember a code; durable before this returns. False, and nothing changed, if there is one with its digest."""
        return await self._database.write(lambda connection: insert_if_absent(connection, CODES, _row(code)))

    async def find_code(self, digest: str) -> AuthorizationCode | None:
        """The code with that digest, redeemed or not, expired or not."""
        rows = await self._database.rows(_BY_DIGEST, {"digest": digest})
        return _code(rows[0]) if rows else None

    async def redeem_code(self, digest: str, now: float, issued: IssuedToken, refresh: RefreshToken | None) -> bool:
        """Mark the code redeemed if nobody did, and keep what was issued for it. Durable before this returns."""

        def work(connection: Connection) -> bool:
            unredeemed = (CODES.c.digest == digest) & CODES.c.redeemed_at.is_(None) & (CODES.c.expires_at > now)
            family_id = connection.scalar(update(CODES).where(unredeemed).values(redeemed_at=now).returning(CODES.c.family_id))
            if family_id is None:
                return False
            remember_issued(connection, family_id, issued)
            if refresh is not None:
                add_family(connection, refresh)
            return True

        return await self._database.write(work)


def _row(code: AuthorizationCode) -> dict[str, object]:
    return {
        "digest": code.digest,
        "environment_id": code.environment_id,
        "client_id": code.client_id,
        "redirect_uri": code.redirect_uri,
        "code_challenge": code.code_challenge,
        "resource_id": code.resource_id,
        "scopes": list(code.scopes),
        "nonce": code.nonce,
        "expires_at": code.expires_at,
        "family_id": code.family_id,
        **authentication_columns(code.authentication),
    }


def _code(row: Row[Any]) -> AuthorizationCode:
    return AuthorizationCode(
        digest=row.digest,
        environment_id=row.environment_id,
        client_id=row.client_id,
        redirect_uri=row.redirect_uri,
        code_challenge=row.code_challenge,
        resource_id=row.resource_id,
        scopes=tuple(row.scopes),
        authentication=authentication_of(row),
        nonce=row.nonce,
        expires_at=row.expires_at,
        family_id=row.family_id,
        redeemed_at=row.redeemed_at,
    )
