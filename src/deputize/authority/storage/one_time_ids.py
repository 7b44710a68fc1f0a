"""Ids that count once, kept as digests until nobody would take them any more."""

from deputize.authority.storage.engine import Database, insert_if_absent
from deputize.authority.storage.tables import ONE_TIME_IDS


class SqlOneTimeIds:
    """`oauth.ports.OneTimeIds` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def use(self, environment_id: str, purpose: str, id_digest: str, kept_until: float) -> bool:
        """Use up an id: true for one caller, false for everybody after. Durable before this returns."""
        row = {
            "environment_id": environment_id,
            "purpose": purpose,
            "id_digest": id_digest,
            "kept_until": kept_until,
        }
        return await self._database.write(lambda connection: insert_if_absent(connection, ONE_TIME_IDS, row))
