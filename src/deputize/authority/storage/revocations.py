"""Single access tokens that were revoked before they expired (RFC 7009)."""

from deputize.authority.storage.engine import Database
from deputize.authority.storage.statements import upsert
from deputize.authority.storage.tables import REVOKED_TOKENS


class SqlRevocations:
    """`oauth.ports.Revocations` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revoke_token(self, jti: str, kept_until: float) -> None:
        """Refuse that token and what came of it, for as long as any of them might live.

        Durable before this returns.
        """
        row = {"jti": jti, "kept_until": kept_until}
        await self._database.write(lambda connection: upsert(connection, REVOKED_TOKENS, row))
