"""Sign-on interactions under way: what was asked for, until it expires. Reloading a page or going back finds them again."""

from sqlalchemy import bindparam, select

from deputize.authority.storage.engine import Database
from deputize.authority.storage.statements import upsert
from deputize.authority.storage.tables import FLOWS
from deputize.kernel.values import JsonObject

_UNDER_WAY = select(FLOWS.c.state).where((FLOWS.c.digest == bindparam("digest")) & (FLOWS.c.expires_at > bindparam("now")))


class SqlFlows:
    """`oauth.ports.Flows` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_flow(self, digest: str, state: JsonObject, expires_at: float) -> None:
        """Remember or replace a flow's state."""
        row = {"digest": digest, "state": state, "expires_at": expires_at}
        await self._database.write(lambda connection: upsert(connection, FLOWS, row))

    async def find_flow(self, digest: str, now: float) -> JsonObject | None:
        """The state of a flow that has not expired."""
        rows = await self._database.rows(_UNDER_WAY, {"digest": digest, "now": now})
        return rows[0].state if rows else None
