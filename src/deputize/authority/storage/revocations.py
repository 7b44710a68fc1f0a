"""Single access tokens that were revoked before they expired (RFC 7009)."""

from deputize.authority.storage.engine import Database
from deputize.authority.storage.statements import upsert
from deputize.authority.storage.tables import ISSUED_TOKENS
from deputize.oauth.ports import IssuedToken


class SqlRevocations:
    """`oauth.ports.Revocations` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revoke_token(self, issued: IssuedToken) -> None:
        """Refuse that token from now until it expires. Durable before this returns."""
        row = {"jti": issued.jti, "expires_at": issued.expires_at, "revoked": True}
        await self._database.write(lambda connection: upsert(connection, ISSUED_TOKENS, row))
