"""The service: what administrators change and read, each change judged, made and recorded as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from pydantic import BaseModel

from deputize.authority.administration.administrators import AdministratorInvitations
from deputize.authority.administration.environments import Environments
from deputize.authority.administration.keys import Keys
from deputize.authority.administration.operators import Operator
from deputize.authority.administration.people import AdministeredConsents, AdministeredSessions
from deputize.authority.administration.reader import ObjectReader, StoredObject
from deputize.authority.administration.references import after_renaming, referrers
from deputize.authority.administration.registration import Invitations
from deputize.authority.administration.runner import ChangeRunner, Recorder, Refreshing
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
from deputize.authority.directory.objects import (
    ADMINISTRATORS,
    LISTS,
    OBJECTS,
    AgreementHistory,
    UserObject,
)
from deputize.authority.directory.objects.agreement import EarlierWording
from deputize.authority.directory.objects.introduction import is_introduced
from deputize.authority.environment_file.administrator_checks import LAST_ADMINISTRATOR, administers
from deputize.authority.environment_file.application import (
    Applied,
    EnvironmentChange,
    file_of,
    make_change,
)
from deputize.authority.environment_file.plan import (
    Difference,
    Hashing,
    NewSecret,
    difference_between,
)
from deputize.authority.environment_file.problems import EnvironmentFileInvalid, relative_to_entry
from deputize.authority.environment_file.reading import parse_value
from deputize.authority.storage import DirectoryConflict, ObjectRow, Put, Remove, SecretRow, Store
from deputize.kernel.clock import Clock
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.records.store import User

_LISTS: Mapping[str, str] = {**LISTS, "user": "users"}
_SECRETS: Final = frozenset({"id", "secret", "password", "password_hash"})
"""What stays where a whole entry leaves it out: readers never see it."""


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
        base_url: str | None = None,
    ) -> None:
        """`directory` is the snapshot of this process that follows each change; commands have none.

        `base_url` is where users and agents reach this authority; `None` where nobody serves.
        """
        runner, reader = ChangeRunner(record, directory), ObjectReader(store, clock)
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self._runner = runner
        self._reader = reader
        self.environments = Environments(store, passwords, clock, runner, reader, base_url)
        self.sessions = AdministeredSessions(store, clock, runner)
        self.consents = AdministeredConsents(store, clock, runner)
        self.keys = Keys(store, clock, runner, reader)
        self.invitations = Invitations(store, clock, runner, reader)
        self.administrators = AdministratorInvitations(store, passwords, clock, runner, base_url)

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
            row = found.stored
            if isinstance(row, ObjectRow) and is_introduced(row):
                return await self._change_introduced(found, row, members, dry_run=dry_run)
            if isinstance(row, ObjectRow) and kind == "agent" and members == {"enabled": False}:
                return await self._switch(found, row, enabled=False, dry_run=dry_run)
            if (
                isinstance(row, User)
                and members.keys() == {"enabled"}
                and isinstance(enabled := members["enabled"], bool)
            ):
                return await self._switch(found, row, enabled=enabled, dry_run=dry_run)
            written = _complete(kind, members, found, object_id, replaces=replaces)
            return await self._apply_entry(operator, found, kind, written, dry_run=dry_run)

        return await self._runner.run(operator, environment_id, attempt, dry_run=dry_run)

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
            now = self._clock.now()
            ends = await self._store.listings.ends_with(environment_id, kind, object_id, now)
            if isinstance(found.stored, ObjectRow) and is_introduced(found.stored):
                name = found.view.name  # no file names it, so no rule has anything to say of it
                if not dry_run:
                    removal = [Remove(found.stored)]
                    await self._store.directory_rows.change(removal, found.rows.version)
                gone = Difference(kind, object_id, name, {"name": name}, None)
                return Changed(None, (gone,), dry_run=dry_run, ends=ends)
            content: JsonObject = {"environment": found.environment.name, "id": found.environment.id}
            applied = await self._make(found, content, frozenset({object_id}), dry_run=dry_run)
            return Changed(None, applied.differences, applied.warnings, dry_run=dry_run, ends=ends)

        return await self._runner.run(operator, environment_id, attempt, dry_run=dry_run)

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

        Raises `NoSuchObject`, `NotPermitted`, `DirectoryConflict`, and `EnvironmentFileInvalid` where a
        secret would prove nothing.
        """

        async def attempt() -> Changed:
            found, row, valid = await self._find_secrets(operator, environment_id, kind, object_id)
            operator.require_credentials(found.agent, found.environment.name)
            now = self._clock.now()
            changes, issued = replace_secret(row, valid, now, keep_previous=keep_previous)
            await self._store.directory_rows.change(changes, found.rows.version)
            difference = NewSecret(row.kind, row.id, row.name, is_given=False)
            return Changed(found.view, (difference,), secrets=(issued,))

        return await self._runner.run(operator, environment_id, attempt)

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
            difference = Difference(row.kind, row.id, row.name, before, after)
            return Changed(found.view, (difference,), ends={"secrets": len(changes)})

        return await self._runner.run(operator, environment_id, attempt)

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

    async def find_named(
        self, operator: Operator, environment_id: str, kind: ObjectKind, name: str
    ) -> ObjectView | None:
        """The object with this id, else with this name, if there is one that the operator may see."""
        found = await self._reader.find_stored(environment_id, kind, name, None)
        if found.view is None:
            found = await self._reader.find_stored(environment_id, kind, None, name)
        return found.view and await self._reader.find(operator, environment_id, kind, found.view.id)

    async def earlier_wordings(
        self, operator: Operator, environment_id: str, agreement_id: str
    ) -> tuple[EarlierWording, ...]:
        """Wordings that an agreement had before, the newest last. Raises `NoSuchObject`."""
        found = await self._reader.find_stored(environment_id, "agreement", agreement_id, None)
        if not isinstance(found.stored, ObjectRow) or not operator.reads_all:
            raise NoSuchObject(f"there is no agreement {agreement_id!r}")
        return AgreementHistory.model_validate(found.stored.history).earlier

    async def unlock(self, operator: Operator, environment_id: str, user_id: str) -> Changed:
        """Forget the wrong passwords typed for a user. Raises `NotPermitted` and `NoSuchObject`."""

        async def attempt() -> Changed:
            operator.require_administrator()
            found = await self._reader.find_stored(environment_id, "user", user_id, None)
            if found.view is None:
                raise NoSuchObject(f"there is no user {user_id!r}")
            await self._store.sign_on_failures.clear_failures(environment_id, found.view.name)
            before, after = ({"name": found.view.name, "locked": state} for state in (True, False))
            difference = Difference("user", user_id, found.view.name, before, after)
            return Changed(found.view, (difference,))

        return await self._runner.run(operator, environment_id, attempt)

    async def reset_factors(
        self, operator: Operator, environment_id: str, user_id: str, *, dry_run: bool = False
    ) -> Changed:
        """Forget a user's passkeys, authenticator app, connected accounts and recovery codes; their sessions
        and tokens end.

        Raises `NotPermitted` and `NoSuchObject`.
        """

        async def attempt() -> Changed:
            operator.require_administrator()
            found = await self._reader.find_stored(environment_id, "user", user_id, None)
            if found.view is None:
                raise NoSuchObject(f"there is no user {user_id!r}")
            ends = await self._store.listings.ends_with(environment_id, "user", user_id, self._clock.now())
            factors = self._store.factors
            known = len(await factors.factors_of(environment_id, user_id))
            forgotten = known if dry_run else await factors.reset_factors(environment_id, user_id)
            before, after = ({"name": found.view.name, "factors": count} for count in (forgotten, 0))
            difference = Difference("user", user_id, found.view.name, before, after)
            ends = {**ends, "factors": forgotten}
            return Changed(found.view, (difference,), dry_run=dry_run, ends=ends)

        return await self._runner.run(operator, environment_id, attempt, dry_run=dry_run)

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
        return found, found.stored, sorted(valid, key=lambda each: each.age, reverse=True)

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
        if isinstance(stored, ObjectRow):
            content |= after_renaming(found.rows, environment, stored, written)
        now = self._clock.now()
        ends: Mapping[str, int] = {}
        if found.view is not None and written.get("enabled") is False:
            ends = await self._store.listings.ends_with(environment.id, kind, found.view.id, now)
        try:
            if found.view is not None and not operator.is_administrator:
                effect = await self._make(found, content, dry_run=True)
                operator.require_effect(found.view.id, found.agent, environment.name, effect.differences)
            applied = await self._make(found, content, dry_run=dry_run)
        except EnvironmentFileInvalid as error:
            raise relative_to_entry(error, f"/{_LISTS[kind]}/0") from error
        warnings = applied.warnings if operator.reads_all else ()
        name = str(written["username" if kind == "user" else "name"])
        changed = Changed(None, applied.differences, warnings, applied.secrets, dry_run, ends)
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

    async def _change_introduced(
        self, found: StoredObject, row: ObjectRow, members: JsonObject, *, dry_run: bool
    ) -> Changed:
        """Enable or disable an agent that introduced itself; whoever enables one that waits approves it."""
        kept = {"name": row.name, "id": row.id}
        wrong = [name for name in members if name != "enabled" and members[name] != kept.get(name)]
        enabled = members.get("enabled", row.document.get("enabled"))
        if wrong or not isinstance(enabled, bool):
            reason = "of an agent that introduced itself only enabled can be set, to true or false"
            fix = "change what all of them are at most: registration, in the environment's settings"
            places = [Position("the entry", f"/{name}") for name in wrong or ["enabled"]]
            raise EnvironmentFileInvalid([ConfigurationError(place, reason, fix) for place in places])
        return await self._switch(found, row, enabled=enabled, dry_run=dry_run)

    async def _switch(
        self, found: StoredObject, row: ObjectRow | User, *, enabled: bool, dry_run: bool
    ) -> Changed:
        """Enable or disable an agent or a user, whatever else may be wrong in the environment."""
        now = self._clock.now()
        if isinstance(row, User):
            if not enabled and found.environment.name == ADMINISTRATORS:
                users = await self._store.users.users_of(row.environment_id)
                others = any(administers(user) for user in users if user.id != row.id)
                if administers(row) and not others:
                    place = Position("the entry", "/enabled")
                    raise EnvironmentFileInvalid([ConfigurationError(place, *LAST_ADMINISTRATOR)])
            kind: ObjectKind = "user"
            changed, name = replace(row, enabled=enabled), row.username
            before: JsonObject = {"name": name, "enabled": row.enabled}
            after: JsonObject = {"name": name, "enabled": enabled}
        else:
            kind, name = "agent", row.name
            document = {each: value for each, value in row.document.items() if each != "waiting"}
            changed = replace(row, document={**document, "enabled": enabled}, changed_at=now)
            before = {"name": name, "enabled": row.document.get("enabled", True) is True}
            after = {"name": name, "enabled": enabled}
            if row.document.get("waiting") is True:
                before, after = {**before, "waiting": True}, {**after, "waiting": False}
        difference = difference_between(kind, row.id, before, after)
        listings, environment_id = self._store.listings, row.environment_id
        ends = {} if enabled else await listings.ends_with(environment_id, kind, row.id, now)
        if difference and not dry_run:
            await self._store.directory_rows.change([Put(changed)], found.rows.version)
        if isinstance(changed, User):
            view = view_of_user(changed)
        else:
            (view,) = await self._reader.views(environment_id, [changed])
        if not dry_run:  # as it is stored: terms are drawn there
            view = (await self._reader.find_stored(environment_id, kind, row.id, None)).view or view
        return Changed(view, (difference,) if difference else (), dry_run=dry_run, ends=ends)

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
