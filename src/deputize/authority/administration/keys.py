"""The keys that sign an environment's tokens: read, rotated, forgotten."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from deputize.authority.administration.operators import Operator
from deputize.authority.administration.reader import ObjectReader
from deputize.authority.administration.runner import ChangeRunner
from deputize.authority.administration.views import Changed, ListPage, ObjectView, etag_of, moment
from deputize.authority.directory.assemble import key_ring
from deputize.authority.directory.changes import retire_key, rotate_keys
from deputize.authority.environment_file.plan import difference_between
from deputize.authority.storage import DirectoryRows, RowChange, SigningKeyRow, Store
from deputize.jose import SigningKey, outlived_at
from deputize.kernel.clock import Clock
from deputize.kernel.values import JsonObject, JsonValue

Planned: TypeAlias = tuple[list[RowChange], Sequence[SigningKey]]
"""What to change, and the keys as they are afterwards."""


class Keys:
    """The key rings of environments."""

    def __init__(self, store: Store, clock: Clock, runner: ChangeRunner, reader: ObjectReader) -> None:
        self._store = store
        self._clock = clock
        self._runner = runner
        self._reader = reader

    async def list(self, operator: Operator, environment_id: str) -> ListPage[ObjectView]:
        """All keys, never their private parts: which sign, which wait, and until when retired ones verify.

        Raises `NotPermitted`, `NoSuchObject` and `KeyInvalid`.
        """
        operator.require_reader()
        rows, environment = await self._reader.read(environment_id)
        return ListPage(tuple(map(_view_of_key, key_ring(_keys_of(rows, environment.id)).keys)))

    async def rotate(
        self, operator: Operator, environment_id: str, algorithms: Sequence[str] = ()
    ) -> Changed:
        """Let the next key of each algorithm sign from now on; fresh ones wait, former ones still verify.

        `algorithms` are by default all that the environment has keys of. Raises `NotPermitted`,
        `NoSuchObject`, `DirectoryConflict` and `KeyInvalid`.
        """

        def plan(keys: Sequence[SigningKeyRow]) -> Planned:
            changes, ring = rotate_keys(environment_id, keys, self._clock.now(), algorithms)
            return changes, ring.keys

        return await self._change(operator, environment_id, plan)

    async def retire(self, operator: Operator, environment_id: str, kid: str) -> Changed:
        """Forget a retired key before its time: every token that it signed ends at once.

        Raises as `rotate` does, `KeyInvalid` for any other key.
        """

        def plan(keys: Sequence[SigningKeyRow]) -> Planned:
            changes = retire_key(environment_id, keys, kid)
            left = [key for key in key_ring(keys).keys if key.kid != kid]
            return changes, left

        return await self._change(operator, environment_id, plan)

    async def _change(
        self, operator: Operator, environment_id: str, plan: Callable[[Sequence[SigningKeyRow]], Planned]
    ) -> Changed:
        async def attempt() -> Changed:
            operator.require_administrator()
            rows, environment = await self._reader.read(environment_id)
            keys = _keys_of(rows, environment.id)
            changes, after = await asyncio.to_thread(plan, keys)  # making an RSA key takes 0.1 s
            await self._store.directory_rows.change(changes, rows.version)
            name: Mapping[str, JsonValue] = {"name": environment.name}
            before: JsonObject = {**_states(key_ring(keys).keys), **name}
            difference = difference_between("keys", environment.id, before, {**_states(after), **name})
            return Changed(None, (difference,) if difference else ())

        return await self._runner.run(operator, environment_id, attempt)


def _keys_of(rows: DirectoryRows, environment_id: str) -> list[SigningKeyRow]:
    return [row for row in rows.signing_keys if row.environment_id == environment_id]


def _states(keys: Sequence[SigningKey]) -> Mapping[str, JsonValue]:
    return {key.kid: key.state for key in keys}


def _view_of_key(key: SigningKey) -> ObjectView:
    facts: JsonObject = {
        "algorithm": key.algorithm,
        "state": key.state,
        "created_at": moment(key.created_at),
        "retired_at": moment(key.retired_at),
        "verifies_until": moment(outlived_at(key)),
    }
    return ObjectView("key", key.kid, key.kid, {}, etag_of(key.kid, facts), facts)
