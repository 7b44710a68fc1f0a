"""Requests that are answered once, and again with the same when they are repeated."""

from dataclasses import asdict, dataclass

from sqlalchemy import delete, select, update

from deputize.authority.storage.engine import Database, insert_if_absent, wins
from deputize.authority.storage.tables import IDEMPOTENT_REQUESTS
from deputize.kernel.values import JsonObject

_COLUMNS = IDEMPOTENT_REQUESTS.c


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request under a key that its sender chose."""

    key_digest: str
    """Of the key, and of who sent it."""
    fingerprint: str
    """A digest of all that was asked for: another request under the key is refused."""
    begun_at: float
    kept_until: float
    status: int | None = None
    """Of its answer; `None` while there is none."""
    fields: JsonObject | None = None
    """Of the answer's header, by name."""
    body: str | None = None
    """Of the answer, without secrets."""


class SqlIdempotentRequests:
    """The requests in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, request: IdempotentRequest, overdue: float) -> IdempotentRequest | None:
        """Take the key for this request: `None` for one caller, for others what has it.

        One that began before `overdue` and was never answered, because its server stopped, is taken over. So
        is one that is kept no longer. Durable.
        """
        row = asdict(request)
        mine = _COLUMNS.key_digest == request.key_digest
        is_over = (_COLUMNS.status.is_(None) & (_COLUMNS.begun_at < overdue)) | (
            _COLUMNS.kept_until < request.begun_at
        )
        taken = await self._database.write(
            lambda connection: (
                insert_if_absent(connection, IDEMPOTENT_REQUESTS, row)
                or wins(connection, update(IDEMPOTENT_REQUESTS).where(mine & is_over).values(row))
            )
        )
        return None if taken else await self._find(request.key_digest)

    async def finish(self, request: IdempotentRequest) -> None:
        """Keep the answer of a request that began, unless it was taken over."""
        mine = (_COLUMNS.key_digest == request.key_digest) & (_COLUMNS.begun_at == request.begun_at)
        answered = update(IDEMPOTENT_REQUESTS).where(mine).values(asdict(request))
        await self._database.write(lambda connection: wins(connection, answered))

    async def give_up(self, request: IdempotentRequest) -> None:
        """Free the key of a request that began and changed nothing."""
        mine = (_COLUMNS.key_digest == request.key_digest) & (_COLUMNS.begun_at == request.begun_at)
        await self._database.write(
            lambda connection: connection.execute(delete(IDEMPOTENT_REQUESTS).where(mine))
        )

    async def _find(self, key_digest: str) -> IdempotentRequest | None:
        mine = select(IDEMPOTENT_REQUESTS).where(_COLUMNS.key_digest == key_digest)
        rows = await self._database.rows(mine, {})
        return IdempotentRequest(*rows[0]) if rows else None
