"""Random keys that one environment's servers share."""

from sqlalchemy import Connection, bindparam, select

from deputize.authority.storage.engine import Database, insert_if_absent
from deputize.authority.storage.tables import SERVER_KEYS
from deputize.kernel.ids import new_token

_COLUMNS = SERVER_KEYS.c
_KEY = select(_COLUMNS.key).where(
    (_COLUMNS.environment_id == bindparam("environment")) & (_COLUMNS.purpose == bindparam("purpose"))
)


class SqlServerKeys:
    """`oauth.ports.ServerKeys` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def server_key(self, environment_id: str, purpose: str) -> bytes:
        """The 256-bit key for `purpose` (such as `refresh-token` or `cookie`), as URL-safe text in bytes."""
        named = {"environment": environment_id, "purpose": purpose}
        rows = await self._database.rows(_KEY, named)
        if rows:
            return rows[0][0].encode()

        def make(connection: Connection) -> str:
            row = {"environment_id": environment_id, "purpose": purpose, "key": new_token()}
            insert_if_absent(connection, SERVER_KEYS, row)
            # Another server may have been first.
            return connection.execute(_KEY, named).scalar_one()

        return (await self._database.write(make)).encode()
