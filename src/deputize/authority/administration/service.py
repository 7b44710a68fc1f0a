"""The service: what administrators change and read, each change judged, made and recorded as a whole."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from pydantic import BaseModel

from deputize.authority.administration.operators import Operator
from deputize.authority.administration.reader import ObjectReader, StoredObject
from deputize.authority.administration.references import referrers
from deputize.authority.administration.views import (
    Changed,
    EtagMismatch,
    InUse,
    ListPage,
    ListQuery,
    NoSuchObject,
    ObjectKind,
    ObjectView,
    view_of_user,
)
from deputize.authority.directory.changes import end_previous_secrets, replace_secret
from deputize.authority.directory.objects import LISTS, OBJECTS, UserObject
from deputize.authority.environment_file.application import (
    Applied,
    EnvironmentChange,
    file_of,
    make_change,
)
from deputize.authority.environment_file.plan import Difference, Hashing, NewSecret
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.environment_file.reading import parse_value
from deputize.authority.storage import DirectoryConflict, ObjectRow, SecretRow, Store
from deputize.kernel.clock import Clock
from deputize.kernel.errors import ConfigurationError, DeputizeError, Position
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.records.store import User

ATTEMPTS: Final = 4
"""How often a change is made anew that others were faster with."""
_LISTS: Mapping[str, str] = {**LISTS, "user": "users"}
_SECRETS: Final = frozenset({"id", "secret", "password", "password_hash"})
"""What stays where a whole entry leaves it out: readers never see it."""


class Recorder(Protocol):
    """Takes what is recorded of a change."""

    def __call__(
        self, name: str, environment: str | None, reason: str | None, members: Mapping[str, JsonValue]
    ) -> None:
        """Record that `name` happened, or was refused for a `reason`."""
        ...


class Refreshing(Protocol):
    """The part of `directory.service` that follows a change."""

    async def refresh(self) -> bool:
        """Replace the snapshot if the directory changed; whether it was replaced."""
        ...


class Administration:
    """What administrators do. Every method takes who does it, and raises `NotPermitted` unless he may.

    Names of kinds, members and errors are those of environment files. What is stored by other processes
    meanwhile is never overwritten: a change is made anew on what they stored, or refused.
    """

    def __init__(
        self,
        store: Store,
        passwords: Hashing,
        clock: Clock,
        record: Recorder,
        directory: Refreshing | None = None,
    ) -> None:
        """`directory` is the snapshot of this process that follows each change; commands have none."""
        self._store = store
        self._reader = ObjectReader(store, clock)
        self._passwords = passwords
        self._clock = clock
        self._record = record
        self._directory = directory

    async def change(  # noqa: PLR0913 - each says one thing about how it is meant
        self,
        operator: Operator,
        environment_id: str,
        kind: ObjectKind,
        entry: BaseModel | JsonObject,
        *,
        object_id: str | None = None,
        replaces: bool = False,
        expected: str | None = None,
        creates: bool | None = None,
        dry_run: bool = False,
    ) -> Changed:
        """Create an object or change one, as a file with that entry would.

        `entry` is the file's. The object is the one with `object_id`, else with the entry's id or name. With
        `replaces` members that the entry does not name get their default, ids and secrets excepted; without
        it they stay. `expected` is the etag of what it changes; `creates` tells whether it has to be new, or
        must not be.

        Raises `EnvironmentFileInvalid` with JSON pointers into the entry, `NoSuchObject`, `EtagMismatch`,
        `DirectoryConflict`.
        """
        members = (
            entry.model_dump(mode="json", exclude_unset=True) if isinstance(entry, BaseModel) else dict(entry)
        )
        name = members.get("username" if kind == "user" else "name")

        async def attempt() -> Changed:
            found = await self._reader.find_stored(environment_id, kind, object_id or members.get("id"), name)
            self._require_change(operator, found, members)
            if found.view is None and (creates is False or (object_id and creates is None and not replaces)):
                raise NoSuchObject(f"there is no {kind} {object_id or name!r}")
            if found.view is not None and creates:
                raise DirectoryConflict(f"there is a {kind} {found.view.name!r} already")
            if expected is not None and (found.view is None or found.view.etag != expected):
                raise EtagMismatch(found.view.etag if found.view else "")
            written = _complete(kind, members, found, object_id, replaces=replaces)
            return await self._apply_entry(operator, found, kind, written, dry_run=dry_run)

        return await self._carry_out(operator, environment_id, attempt, dry_run=dry_run)

    async def remove(
        self,
        operator: Operator,
        environment_id: str,
        kind: ObjectKind,
        object_id: str,
        *,
        expected: str | None = None,
        dry_run: bool = False,
    ) -> Changed:
        """Remove an object, and all that rests on it.

        Raises `NoSuchObject`, `EtagMismatch`, `DirectoryConflict`, and `InUse` while others refer to it.
        """

        async def attempt() -> Changed:
            found = await self._reader.find_stored(environment_id, kind, object_id, None)
            self._require_change(operator, found, {})
            operator.require_administrator()
            if found.view is None:
                raise NoSuchObject(f"there is no {kind} {object_id!r}")
            if expected is not None and found.view.etag != expected:
                raise EtagMismatch(found.view.etag)
            users = referrers(found.rows, found.environment, found.stored)
            if users:
                raise InUse(f"the {kind} {found.view.name!r}", users)
            content: JsonObject = {"environment": found.environment.name, "id": found.environment.id}
            applied = await self._make(found, content, frozenset({object_id}), dry_run=dry_run)
            return Changed(None, applied.differences, applied.warnings, dry_run=dry_run)

        return await self._carry_out(operator, environment_id, attempt, dry_run=dry_run)

    async def new_secret(
        self,
        operator: Operator,
        environment_id: str,
        kind: ObjectKind,
        object_id: str,
        *,
        keep_previous: float = 0.0,
    ) -> Changed:
        """Draw a new secret of a resource or an agent; the ones so far work `keep_previous` seconds more.

        Raises `NoSuchObject`, `DirectoryConflict`, and `EnvironmentFileInvalid` where a secret would prove
        nothing.
        """

        async def attempt() -> Changed:
            found, row, valid = await self._find_secrets(operator, environment_id, kind, object_id)
            now = self._clock.now()
            changes, issued = replace_secret(row, valid, now, keep_previous=keep_previous)
            await self._store.directory_rows.change(changes, found.rows.version)
            difference = NewSecret(row.kind, row.id, row.name, is_given=False)
            return Changed(found.view, (difference,), secrets=(issued,))

        return await self._carry_out(operator, environment_id, attempt)

    async def end_previous_secrets(
        self, operator: Operator, environment_id: str, kind: ObjectKind, object_id: str
    ) -> Changed:
        """End all secrets of a resource or an agent but the newest now. Raises as `new_secret` does."""

        async def attempt() -> Changed:
            found, row, valid = await self._find_secrets(operator, environment_id, kind, object_id)
            changes = end_previous_secrets(valid, self._clock.now())
            if not changes:
                return Changed(found.view)
            await self._store.directory_rows.change(changes, found.rows.version)
            before, after = ({"name": row.name, "secrets": count} for count in (len(valid), 1))
            return Changed(found.view, (Difference(row.kind, row.id, row.name, before, after),))

        return await self._carry_out(operator, environment_id, attempt)

    async def find(
        self, operator: Operator, environment_id: str, kind: ObjectKind, object_id: str
    ) -> ObjectView | None:
        """The object with this id, if there is one that the operator may see."""
        return await self._reader.find(operator, environment_id, kind, object_id)

    async def list(
        self, operator: Operator, environment_id: str, kind: ObjectKind, query: ListQuery | None = None
    ) -> ListPage[ObjectView]:
        """A page of the objects of a kind that the operator may see, by name. Raises `CursorInvalid`."""
        return await self._reader.page(operator, environment_id, kind, query or ListQuery())

    async def _find_secrets(
        self, operator: Operator, environment_id: str, kind: ObjectKind, object_id: str
    ) -> tuple[StoredObject, ObjectRow, Sequence[SecretRow]]:
        """What is stored of a resource or an agent, and its secrets that work, the newest first."""
        found = await self._reader.find_stored(environment_id, kind, object_id, None)
        self._require_change(operator, found, {})
        if not isinstance(found.stored, ObjectRow) or kind not in {"resource", "agent"}:
            raise NoSuchObject(f"there is no {kind} {object_id!r} with a secret")
        if found.agent and not found.agent.needs_secret:
            reason = f"it authenticates by {found.agent.client_auth}: a secret would prove nothing"
            place = Position(f"the agent {found.agent.name!r}", "/client_auth")
            raise EnvironmentFileInvalid([ConfigurationError(place, reason)])
        now = self._clock.now()
        mine = [
            each
            for each in found.rows.secrets
            if (each.environment_id, each.owner_id) == (environment_id, object_id)
        ]
        valid = [each for each in mine if each.expires_at is None or each.expires_at > now]
        return found, found.stored, sorted(valid, key=lambda each: each.created_at, reverse=True)

    def _require_change(self, operator: Operator, found: StoredObject, members: JsonObject) -> None:
        """Raise `NotPermitted` unless the operator may set these members of what was found.

        Of what he may not see he is not told that it is there.
        """
        if not operator.reads_all and not (found.agent and operator.owns(found.agent)):
            operator.require_any_role()
            raise NoSuchObject("there is no such agent")
        operator.require_change(found.agent, members)

    async def _apply_entry(
        self, operator: Operator, found: StoredObject, kind: ObjectKind, written: JsonObject, *, dry_run: bool
    ) -> Changed:
        environment, stored = found.environment, found.stored
        content: dict[str, JsonValue] = {"environment": environment.name, "id": environment.id}
        content[_LISTS[kind]] = [written]
        try:
            if found.view is not None and not operator.reads_all:
                effect = await self._make(found, content, dry_run=True)
                operator.require_effect(found.view.id, effect.differences)
            applied = await self._make(found, content, dry_run=dry_run)
        except EnvironmentFileInvalid as error:
            raise _relative_to_entry(error, f"/{_LISTS[kind]}/0") from error
        warnings = applied.warnings if operator.reads_all else ()
        name = str(written["username" if kind == "user" else "name"])
        changed = Changed(None, applied.differences, warnings, applied.secrets, dry_run)
        if not dry_run:  # as it is stored: terms are drawn there
            known = found.view.id if found.view else written.get("id")
            return replace(
                changed, view=(await self._reader.find_stored(environment.id, kind, known, name)).view
            )
        if kind == "user":
            user = next((each for each in applied.users if each.username == name), stored)
            after = view_of_user(user) if isinstance(user, User) else None
        else:
            row = next(row for row in applied.objects if (row.kind, row.name) == (kind, name))
            after = (await self._reader.views(environment.id, [row]))[0]
        is_drawn = after is not None and stored is None and "id" not in written
        return replace(changed, view=replace(after, id="") if after and is_drawn else after)

    async def _make(
        self,
        found: StoredObject,
        content: JsonObject,
        removals: frozenset[str] = frozenset(),
        *,
        dry_run: bool,
    ) -> Applied:
        parsed = parse_value(content, found.environment.name)
        change = EnvironmentChange(file_of(parsed, found.environment.name), parsed, removals, dry_run=dry_run)
        return await make_change(change, found.rows, self._store, self._passwords, self._clock.now())

    async def _carry_out(
        self,
        operator: Operator,
        environment_id: str,
        attempt: Callable[[], Awaitable[Changed]],
        *,
        dry_run: bool = False,
    ) -> Changed:
        """Make a change, anew where others were faster, have the snapshot follow, and record it."""
        members: dict[str, JsonValue] = {"operator": operator.record()}
        try:
            changed = await _repeat(attempt)
        except DeputizeError as error:
            if not dry_run:
                reason = "; ".join(str(error).splitlines())
                self._record("environment changed", environment_id, reason, members)
            raise
        if not dry_run and changed.differences:
            if self._directory is not None:
                await self._directory.refresh()
            members["changes"] = [each.record() for each in changed.differences]
            self._record("environment changed", environment_id, None, members)
        return changed


async def _repeat(attempt: Callable[[], Awaitable[Changed]]) -> Changed:
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(DirectoryConflict):
            return await attempt()
    return await attempt()


def _complete(
    kind: ObjectKind,
    members: Mapping[str, JsonValue],
    found: StoredObject,
    object_id: str | None,
    *,
    replaces: bool,
) -> dict[str, JsonValue]:
    """The entry as a file would write it: with its name and id, and where it replaces, with all members."""
    model = UserObject if kind == "user" else OBJECTS[kind]
    written = dict(members)
    if found.view is not None:
        written.setdefault("username" if kind == "user" else "name", found.view.name)
        written["id"] = found.view.id
    elif object_id is not None:
        written["id"] = object_id
    if replaces:
        unnamed = model.model_fields.keys() - written.keys() - _SECRETS
        written |= {name: None for name in unnamed if not model.model_fields[name].is_required()}
    return written


def _relative_to_entry(error: EnvironmentFileInvalid, pointer: str) -> EnvironmentFileInvalid:
    """The same errors, with JSON pointers into the entry at `pointer`; what stands elsewhere is at none."""
    moved: list[ConfigurationError] = []
    for each in error.errors:
        inner = each.position.pointer
        inside = inner.removeprefix(pointer) if inner.startswith(pointer) else ""
        moved.append(ConfigurationError(Position("the entry", inside), each.reason, each.fix))
    return EnvironmentFileInvalid(moved)
