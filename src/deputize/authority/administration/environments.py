"""Environments: made, set up as a whole or by their settings, written out, removed."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel

from deputize.authority.administration.export import environment_file, settings_entry
from deputize.authority.administration.operators import Operator
from deputize.authority.administration.reader import ObjectReader
from deputize.authority.administration.runner import ChangeRunner
from deputize.authority.administration.views import (
    Changed,
    EtagMismatch,
    InUse,
    ListPage,
    ObjectView,
    etag_of,
)
from deputize.authority.directory.objects import ADMINISTRATORS, EnvironmentObject
from deputize.authority.environment_file.application import (
    Application,
    Applied,
    EnvironmentChange,
    apply,
    file_of,
    make_change,
)
from deputize.authority.environment_file.outcome import DEFAULT_BASE_URL
from deputize.authority.environment_file.plan import Difference, Hashing
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.environment_file.reading import parse_value
from deputize.authority.storage import (
    AgentFilter,
    DirectoryConflict,
    DirectoryRows,
    EnvironmentRow,
    Remove,
    Slice,
    Store,
)
from deputize.kernel.clock import Clock
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.values import JsonObject, JsonValue


class Environments:
    """The environments of the database."""

    def __init__(
        self,
        store: Store,
        passwords: Hashing,
        clock: Clock,
        runner: ChangeRunner,
        reader: ObjectReader,
        base_url: str | None,
    ) -> None:
        """`base_url` is that of whoever serves; `None` where nobody does."""
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self._runner = runner
        self._reader = reader
        self._base_url = base_url

    async def list(self, operator: Operator) -> ListPage[ObjectView]:
        """All environments by name; of these an owner sees the names of those where agents are his."""
        operator.require_any_role()
        rows = await self._store.directory_rows.load()
        views = [await self._view(operator, row) for row in rows.environments]
        seen = (each for each in views if each is not None)
        return ListPage(tuple(sorted(seen, key=lambda view: view.name)))

    async def find(self, operator: Operator, environment_id: str) -> ObjectView | None:
        """The environment with this id, as `list` shows it."""
        operator.require_any_role()
        rows = await self._store.directory_rows.load()
        row = next((row for row in rows.environments if row.id == environment_id), None)
        return await self._view(operator, row) if row else None

    async def create(
        self, operator: Operator, entry: BaseModel | JsonObject, *, dry_run: bool = False
    ) -> Changed:
        """Make an environment; `entry` is a file, which may hold objects as well.

        Raises `NotPermitted`, `EnvironmentFileInvalid`, and `DirectoryConflict` where the name is taken.
        """
        members = _members(entry)

        async def attempt() -> Changed:
            operator.require_administrator()
            rows = await self._store.directory_rows.load()
            given = (members.get("environment"), members.get("id"))
            if any(row.name in given or row.id in given for row in rows.environments):
                raise DirectoryConflict(f"there is an environment {members.get('environment')!r} already")
            return await self._apply(members, rows, dry_run=dry_run)

        return await self._runner.run(operator, None, attempt, dry_run=dry_run)

    async def change(
        self,
        operator: Operator,
        environment_id: str,
        entry: BaseModel | JsonObject,
        *,
        replaces: bool = False,
        expected: str | None = None,
        dry_run: bool = False,
    ) -> Changed:
        """Change an environment's settings; `replaces` and `expected` mean what they do for objects.

        Raises `NotPermitted`, `NoSuchObject`, `EtagMismatch`, `EnvironmentFileInvalid`, `DirectoryConflict`.
        """
        members = _members(entry)

        async def attempt() -> Changed:
            operator.require_administrator()
            rows, environment = await self._reader.read(environment_id)
            before = _view_of(environment)
            if expected is not None and expected != before.etag:
                raise EtagMismatch(before.etag)
            written: dict[str, JsonValue] = {"environment": environment.name, **members, "id": environment.id}
            unknown = written.keys() - EnvironmentObject.model_fields.keys()
            if unknown:
                errors = [
                    ConfigurationError(Position("the entry", f"/{name}"), f"{name!r} is no setting")
                    for name in sorted(unknown)
                ]
                raise EnvironmentFileInvalid(errors)
            if replaces:
                kept = {"environment", "id", "organization_id"}
                written |= dict.fromkeys(EnvironmentObject.model_fields.keys() - written.keys() - kept)
            return await self._apply(written, rows, dry_run=dry_run)

        return await self._runner.run(operator, environment_id, attempt, dry_run=dry_run)

    async def remove(
        self,
        operator: Operator,
        environment_id: str,
        *,
        expected: str | None = None,
        dry_run: bool = False,
    ) -> Changed:
        """Remove an environment with everything in it; `Changed.ends` says how much that is.

        Raises `NotPermitted`, `NoSuchObject`, `EtagMismatch`, `DirectoryConflict`, and `InUse` for that of
        the administrators.
        """

        async def attempt() -> Changed:
            operator.require_administrator()
            rows, environment = await self._reader.read(environment_id)
            before = _view_of(environment)
            if expected is not None and expected != before.etag:
                raise EtagMismatch(before.etag)
            if environment.name == ADMINISTRATORS:
                raise InUse("the environment of the administrators", ["all others, which it administers"])
            ends = await self._store.listings.content_of(environment_id, self._clock.now())
            if not dry_run:
                await self._store.directory_rows.change([Remove(environment)], rows.version)
            gone: JsonObject = {**before.entry, "name": environment.name}
            difference = Difference("environment", environment.id, environment.name, gone, None)
            return Changed(None, (difference,), dry_run=dry_run, ends=ends)

        return await self._runner.run(operator, environment_id, attempt, dry_run=dry_run)

    async def apply(self, operator: Operator, application: Application) -> Applied:
        """Apply a whole file. Raises `NotPermitted`, `EnvironmentFileInvalid`, `DirectoryConflict`."""
        found: list[Applied] = []
        if application.base_url is None:
            application = replace(application, base_url=self._base_url)

        async def attempt() -> Changed:
            operator.require_administrator()
            found[:] = [await apply(application, self._store, self._passwords, self._clock)]
            applied = found[0]
            view = _view_of(applied.environment)
            return Changed(view, applied.differences, applied.warnings, applied.secrets, application.dry_run)

        await self._runner.run(operator, None, attempt, dry_run=application.dry_run)
        return found[0]

    async def export(
        self, operator: Operator, environment_id: str, *, ids: bool = False, password_hashes: bool = False
    ) -> str:
        """The environment as the file that makes it: the same bytes however it came about.

        Secrets are in none; digests of passwords only where an administrator asks for them. Raises
        `NotPermitted` and `NoSuchObject`.
        """
        operator.require_reader()
        if password_hashes:
            operator.require_administrator()
        rows, environment = await self._reader.read(environment_id)
        users = await self._store.users.users_of(environment_id)
        objects = [row for row in rows.objects if row.environment_id == environment_id]
        return environment_file(environment, objects, users, ids=ids, password_hashes=password_hashes)

    async def _apply(
        self, written: Mapping[str, JsonValue], rows: DirectoryRows, *, dry_run: bool
    ) -> Changed:
        parsed = parse_value(written, "the entry")
        change = EnvironmentChange(
            file_of(parsed, "the entry"), parsed, base_url=self._base_url, dry_run=dry_run
        )
        applied = await make_change(change, rows, self._store, self._passwords, self._clock.now())
        view = _view_of(applied.environment)
        return Changed(view, applied.differences, applied.warnings, applied.secrets, dry_run)

    async def _view(self, operator: Operator, row: EnvironmentRow) -> ObjectView | None:
        if operator.reads_all:
            return _view_of(row)
        own = AgentFilter(owner=operator.name)
        if not operator.owns_agents or not await self._store.listings.objects(row.id, "agent", Slice(1), own):
            return None
        return ObjectView("environment", row.id, row.name, {"environment": row.name}, etag_of(row.id, {}))


def _members(entry: BaseModel | JsonObject) -> dict[str, JsonValue]:
    is_model = isinstance(entry, BaseModel)
    return entry.model_dump(mode="json", exclude_unset=True) if is_model else dict(entry)


def _view_of(row: EnvironmentRow) -> ObjectView:
    base_url = row.base_url or DEFAULT_BASE_URL
    entry = settings_entry(row, ids=False)
    settings = EnvironmentObject.read(row.name, row.document)
    facts: JsonObject = {
        "organization_id": settings.organization_id,
        "issuer": f"{base_url}/{row.id}/as",
        "administrators": row.name == ADMINISTRATORS,
    }
    return ObjectView("environment", row.id, row.name, entry, etag_of(row.id, entry), facts)
