"""Authorization codes (RFC 6749 section 4.1.2: redeemable once)."""

from dataclasses import asdict

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from deputize.authority.storage.engine import Database
from deputize.authority.storage.grants import add_grant, use_consents
from deputize.authority.storage.statements import insert_if_absent, won
from deputize.authority.storage.tables import CODES, GRANTS, REFRESH_TOKENS
from deputize.oauth.records.store import AuthorizationCode, Grant, RefreshToken

_BY_DIGEST = select(CODES).where(CODES.c.digest == bindparam("digest"))


class SqlCodes:
    """`oauth.ports.Codes` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_code(self, code: AuthorizationCode, grant: Grant) -> bool:
        """Remember a code and the grant it stands for; durable before this returns.

        False, and nothing changed, if there is a code with its digest.
        """

        def work(connection: Connection) -> bool:
            add_grant(connection, grant)
            if not insert_if_absent(connection, CODES, asdict(code)):
                connection.execute(delete(GRANTS).where(GRANTS.c.id == grant.id))
                return False
            use_consents(connection, grant.id, grant.created_at)
            return True

        return await self._database.write(work)

    async def find_code(self, digest: str) -> AuthorizationCode | None:
        """The code with that digest, redeemed or not, expired or not."""
        rows = await self._database.rows(_BY_DIGEST, {"digest": digest})
        return AuthorizationCode(*rows[0]) if rows else None

    async def redeem_code(self, digest: str, now: float, refresh: RefreshToken | None) -> bool:
        """Mark the code redeemed if nobody did and it is in time, and start its refresh token.

        Durable before this returns.
        """

        def work(connection: Connection) -> bool:
            unredeemed = (
                (CODES.c.digest == digest) & CODES.c.redeemed_at.is_(None) & (CODES.c.expires_at > now)
            )
            if not won(connection, update(CODES).where(unredeemed).values(redeemed_at=now)):
                return False
            if refresh is not None:
                connection.execute(insert(REFRESH_TOKENS).values(asdict(refresh)))
            return True

        return await self._database.write(work)
