"""Sign-on interactions under way. An ended flow stays as a tombstone until it expires, so that a late tab cannot revive it."""

from sqlalchemy import bindparam, false, select, update

from deputize.authority.storage.engine import Database
from deputize.authority.storage.statements import upsert, won
from deputize.authority.storage.tables import FLOWS
from deputize.kernel.values import JsonObject

_UNDER_WAY = select(FLOWS.c.state).where(
    (FLOWS.c.digest == bindparam("digest")) & (FLOWS.c.ended == false()) & (FLOWS.c.expires_at > bindparam("now"))
)


class SqlFlows:
    """`oauth.ports.Flows` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_flow(self, digest: str, state: JsonObject, expires_at: float) -> bool:
        """Remember or replace a flow's state; false, and nothing changes, if that flow has ended."""
        row = {"digest": digest, "state": state, "expires_at": expires_at, "ended": False}
        return await self._database.write(lambda connection: upsert(connection, FLOWS, row, only_if=FLOWS.c.ended == false()))

    async def find_flow(self, digest: str, now: float) -> JsonObject | None:
        """The state of a flow that has neither ended nor expired."""
        rows = await self._database.rows(_UNDER_WAY, {"digest": digest, "now": now})
        return rows[0].state if rows else None

    async def end_flow(self, digest: str) -> bool:
        """End a flow if nobody did. Durable before this returns; an ended flow never comes back."""
        under_way = (FLOWS.c.digest == digest) & (FLOWS.c.ended == false())
        return await self._database.write(lambda connection: won(connection, update(FLOWS).where(under_way).values(ended=True)))
