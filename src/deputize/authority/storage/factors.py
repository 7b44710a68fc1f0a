"""What users have beside their passwords: passkeys, authenticator apps, recovery codes, other providers."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.sql import Select

from deputize.authority.storage.engine import Database, insert_if_absent, wins
from deputize.authority.storage.people import note_user_logouts
from deputize.authority.storage.tables import FACTORS, USERS
from deputize.kernel.ids import new_term
from deputize.oauth.records.store import Factor, FactorKind, User

_COLUMNS = FACTORS.c
# The columns are in the order of the record, so that a row makes a record.
_FACTORS_OF = (
    select(FACTORS)
    .where((_COLUMNS.environment_id == bindparam("environment")) & (_COLUMNS.user_id == bindparam("user")))
    .order_by(_COLUMNS.created_at, _COLUMNS.id)
)
_FACTOR_BY_KEY = select(FACTORS).where(
    (_COLUMNS.environment_id == bindparam("environment"))
    & (_COLUMNS.kind == bindparam("kind"))
    & (_COLUMNS.key == bindparam("key"))
)


class SqlFactors:
    """`oauth.ports.Factors` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def factors_of(self, environment_id: str, user_id: str) -> tuple[Factor, ...]:
        """All of a user, the oldest first."""
        parameters = {"environment": environment_id, "user": user_id}
        return tuple(Factor(*row) for row in await self._database.rows(_FACTORS_OF, parameters))

    async def find_factor(self, environment_id: str, kind: FactorKind, key: str) -> Factor | None:
        """The one of that kind with that key."""
        parameters = {"environment": environment_id, "kind": kind, "key": key}
        rows = await self._database.rows(_FACTOR_BY_KEY, parameters)
        return Factor(*rows[0]) if rows else None

    async def add_factor(self, factor: Factor, most: int) -> bool:
        """Remember a factor of a user who has fewer than `most` of its kind.

        False if they have as many, or somebody has one with its kind and key. Durable before this returns.
        """
        of_kind = _of(factor.environment_id, factor.user_id) & (_COLUMNS.kind == factor.kind)

        def work(connection: Connection) -> bool:
            # The user's row is locked, so that parallel additions are counted one after the other.
            if connection.execute(_lock(factor.environment_id, factor.user_id)).first() is None:
                return False
            count = connection.scalar(select(func.count()).select_from(FACTORS).where(of_kind)) or 0
            return count < most and insert_if_absent(connection, FACTORS, asdict(factor))

        return await self._database.write(work)

    async def use_factor(self, factor: Factor, counter: int, now: float) -> bool:
        """Remember that it was used now, and its new counter.

        False if it is gone or no longer has the counter of `factor`: so of two who use one code, one wins.
        Durable before this returns.
        """
        same = (_COLUMNS.id == factor.id) & (_COLUMNS.counter == factor.counter)
        use = update(FACTORS).where(same).values(counter=counter, last_used_at=now)
        return await self._database.write(lambda connection: wins(connection, use))

    async def remove_factor(self, factor: Factor) -> bool:
        """Forget it; false if it was forgotten already: so a recovery code counts once.

        Durable before this returns.
        """
        mine = _of(factor.environment_id, factor.user_id) & (_COLUMNS.id == factor.id)
        return await self._database.write(
            lambda connection: connection.execute(delete(FACTORS).where(mine)).rowcount == 1
        )

    async def replace_recovery_codes(self, user: User, codes: Collection[Factor]) -> None:
        """Put these recovery codes in the place of all that the user has. Durable before this returns."""
        former = _of(user.environment_id, user.id) & (_COLUMNS.kind == "recovery_code")

        def work(connection: Connection) -> None:
            connection.execute(_lock(user.environment_id, user.id))
            connection.execute(delete(FACTORS).where(former))
            if codes:
                connection.execute(insert(FACTORS), [asdict(each) for each in codes])

        await self._database.write(work)

    async def reset_factors(self, environment_id: str, user_id: str) -> int:
        """Forget all that the user has, and end their sessions and what rests on them; how many there were.

        Durable before this returns.
        """
        mine = (USERS.c.environment_id == environment_id) & (USERS.c.id == user_id)

        def work(connection: Connection) -> int:
            note_user_logouts(connection, user_id)
            connection.execute(update(USERS).where(mine).values(term=new_term()))
            return connection.execute(delete(FACTORS).where(_of(environment_id, user_id))).rowcount

        return await self._database.write(work)


def _of(environment_id: str, user_id: str) -> ColumnElement[bool]:
    return (_COLUMNS.environment_id == environment_id) & (_COLUMNS.user_id == user_id)


def _lock(environment_id: str, user_id: str) -> Select[Any]:
    return (
        select(USERS.c.id)
        .where((USERS.c.environment_id == environment_id) & (USERS.c.id == user_id))
        .with_for_update()
    )
