"""Initial access tokens (RFC 7591 section 3), with which programs register themselves; kept as digests."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select, update

from deputize.authority.storage.engine import Database, wins
from deputize.authority.storage.tables import INITIAL_ACCESS_TOKENS

_COLUMNS = INITIAL_ACCESS_TOKENS.c


@dataclass(frozen=True, slots=True)
class InitialAccessToken:
    """What is known of a token that an administrator drew."""

    id: str
    environment_id: str
    digest: str
    created_at: float
    expires_at: float
    uses_left: int
    """How many programs may still register with it."""


class SqlInitialAccessTokens:
    """The initial access tokens in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: InitialAccessToken) -> None:
        """Remember a token."""
        row = asdict(token)
        await self._database.write(
            lambda connection: connection.execute(insert(INITIAL_ACCESS_TOKENS).values(row))
        )

    async def find(self, environment_id: str, digest: str, now: float) -> InitialAccessToken | None:
        """The environment's token with this digest, if it is in time and has a use left."""
        mine = (_COLUMNS.environment_id == environment_id) & (_COLUMNS.digest == digest)
        rows = await self._database.rows(select(INITIAL_ACCESS_TOKENS).where(mine), {})
        token = InitialAccessToken(*rows[0]) if rows else None
        return token if token and token.expires_at > now and token.uses_left > 0 else None

    async def list(self, environment_id: str, now: float) -> Sequence[InitialAccessToken]:
        """The environment's tokens that still admit somebody, the newest first."""
        mine = (_COLUMNS.environment_id == environment_id) & (_COLUMNS.uses_left > 0)
        usable = select(INITIAL_ACCESS_TOKENS).where(mine & (_COLUMNS.expires_at > now))
        rows = await self._database.rows(usable.order_by(_COLUMNS.created_at.desc(), _COLUMNS.id), {})
        return [InitialAccessToken(*row) for row in rows]

    async def use(self, token_id: str, now: float) -> bool:
        """Take one of the token's uses; false when it has none left, or is over. Durable."""
        usable = (_COLUMNS.id == token_id) & (_COLUMNS.uses_left > 0) & (_COLUMNS.expires_at > now)
        taken = update(INITIAL_ACCESS_TOKENS).where(usable).values(uses_left=_COLUMNS.uses_left - 1)
        return await self._database.write(lambda connection: wins(connection, taken))

    async def withdraw(self, environment_id: str, token_id: str) -> bool:
        """Remove the token; whether there was one."""
        mine = (_COLUMNS.environment_id == environment_id) & (_COLUMNS.id == token_id)
        return await self._database.write(
            lambda connection: connection.execute(delete(INITIAL_ACCESS_TOKENS).where(mine)).rowcount == 1
        )
