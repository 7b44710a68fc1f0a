"""Applying an environment file: read, check, compare, and change everything in one transaction or nothing.

What an administrator changes by other ways than a file is a part of one, and goes the same way.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deputize.authority.directory.changes import IssuedSecret, add_missing_keys, new_environment
from deputize.authority.directory.objects import ADMINISTRATORS, LISTS, EnvironmentFile
from deputize.authority.environment_file.checks import RULES
from deputize.authority.environment_file.outcome import (
    DEFAULT_BASE_URL,
    Existing,
    Outcome,
    environment_of,
    existing_of,
    outcome_of,
)
from deputize.authority.environment_file.plan import ChangePlan, Difference, Hashing, NewSecret, warnings_of
from deputize.authority.environment_file.problems import EnvironmentFileInvalid, Problems
from deputize.authority.environment_file.reading import Parsed, Resolve, parse
from deputize.authority.storage import (
    DirectoryConflict,
    DirectoryRows,
    EnvironmentRow,
    ObjectRow,
    Put,
    RowChange,
    Store,
)
from deputize.kernel.clock import Clock
from deputize.kernel.errors import ConfigurationError, Position
from deputize.oauth.records.store import User
from deputize.oauth.usernames import comparison_form


@dataclass(frozen=True, slots=True)
class Applied:
    """What was, or in a dry run would be, changed."""

    environment: EnvironmentRow
    """Without an id after a dry run that would have made it, as `differences` are of what does not exist."""
    differences: tuple[Difference | NewSecret, ...]
    """Empty when the database already says what the file says."""
    warnings: tuple[str, ...]
    objects: tuple[ObjectRow, ...]
    """The environment's objects as they are now, also those the file does not name."""
    users: tuple[User, ...]
    """The users that came or changed, as they are now."""
    secrets: tuple[IssuedSecret, ...]
    """Secrets that came into being, readable here and never again."""
    read_version: int | None = None
    """Of the directory, as the file was compared with it; `None` where a server did that."""

    @property
    def removals(self) -> tuple[Difference, ...]:
        """Those of `differences` after which something is gone."""
        return tuple(each for each in self.differences if isinstance(each, Difference) and each.after is None)

    @property
    def lines(self) -> tuple[str, ...]:
        """One for each difference."""
        return tuple(map(str, self.differences))

    @property
    def base_url(self) -> str:
        """Where the authority is reached, as it was last told."""
        return self.environment.base_url or DEFAULT_BASE_URL


@dataclass(frozen=True, slots=True)
class Application:
    """A file to apply, and how."""

    text: bytes
    file: str
    """Its name, for messages."""
    resolve: Resolve
    """What `&{name}` tokens stand for."""
    prune: bool = False
    dry_run: bool = False
    base_url: str | None = None
    """Where users and agents reach the authority, without a trailing slash.

    `None` keeps what it was last told, or `DEFAULT_BASE_URL`.
    """
    read_version: int | None = None
    """`Applied.read_version` of the dry run that it has to be the same as; `None` where none has."""


@dataclass(frozen=True, slots=True)
class EnvironmentChange:
    """What an environment is to become, as a whole or in part."""

    file: EnvironmentFile
    parsed: Parsed
    """What `file` was read from, and what is wrong with that so far."""
    removals: frozenset[str] = frozenset()
    """The ids of objects and users that go."""
    base_url: str | None = None
    """As in `Application`."""
    dry_run: bool = False
    also: tuple[RowChange, ...] = ()
    """What else changes in the same transaction."""


async def apply(application: Application, store: Store, passwords: Hashing, clock: Clock) -> Applied:
    """Make the store say what the file says.

    Raises `EnvironmentFileInvalid` with everything that is wrong, or `DirectoryConflict`, also where the
    directory is not the one of `read_version`; then nothing was changed.
    """
    parsed = parse(application.text, application.file, application.resolve)
    file = file_of(parsed, application.file)
    change = EnvironmentChange(
        file.model_copy(update={"prune": file.prune or application.prune}),
        parsed,
        base_url=application.base_url,
        dry_run=application.dry_run,
    )
    rows = await store.directory_rows.load()
    if application.read_version not in {None, rows.version}:
        raise DirectoryConflict("the directory was changed meanwhile; look again at what the file changes")
    return await make_change(change, rows, store, passwords, clock.now())


def file_of(parsed: Parsed, name: str) -> EnvironmentFile:
    """What can be judged of a file. Raises `EnvironmentFileInvalid` where there is nothing."""
    if parsed.file is None:
        parsed.problems.raise_if_any()
        raise EnvironmentFileInvalid([ConfigurationError(Position(name), "there is nothing in it to apply")])
    return parsed.file


async def make_change(
    change: EnvironmentChange, rows: DirectoryRows, store: Store, passwords: Hashing, now: float
) -> Applied:
    """Bring about the change, unless anybody changed the directory since `rows` were read.

    Raises as `apply` does.
    """
    file, parsed = change.file, change.parsed
    found = Problems(parsed.places)
    by_id = next((row for row in rows.environments if file.id is not None and row.id == file.id), None)
    by_name = next((row for row in rows.environments if row.name == file.environment), None)
    if by_name and file.id not in {None, by_name.id}:
        reason = f"the environment {by_name.name!r} already has the id {by_name.id}"
        found.add("/id", reason, "leave the id out, or use another name")
    before = by_id or by_name
    existing = existing_of(rows, before, *await _read_users(change, before, store))
    row, settings = environment_of(file, before, change.base_url)
    seed = new_environment(row, now) if before is None else []
    seeded = (each.row for each in seed if isinstance(each.row, ObjectRow))
    existing = replace(existing, objects=(*existing.objects, *seeded))
    outcome = outcome_of(file, existing, row, settings, change.removals)
    for rule in RULES:
        rule(outcome, found)
    if parsed.salvaged is not None:
        parsed.salvaged.tell(found, parsed.problems)
        found = parsed.problems
    found.raise_if_any()
    plan = ChangePlan(outcome)
    plan.plan_environment(seed)
    plan.plan_removals()
    plan.plan_farewells()
    plan.plan_objects(now)
    await plan.plan_users(passwords)
    if plan.changes and not change.dry_run:
        stored = [key for key in rows.signing_keys if key.environment_id == row.id]
        keys = await asyncio.to_thread(add_missing_keys, row.id, stored, plan.objects_after(), now)
        await store.directory_rows.change([*plan.changes, *keys, *change.also], existing.version)
    return _applied(plan, outcome, dry_run=change.dry_run)


async def _read_users(
    change: EnvironmentChange, before: EnvironmentRow | None, store: Store
) -> tuple[Sequence[User], frozenset[str]]:
    """The users that the change names or could be taken for; all, where it prunes them or one of them has to
    stay an administrator; and those ids it gives that are of users anywhere.
    """
    file, users = change.file, change.file.users or ()
    objects = [each for kind in LISTS for each in file.entries_of(kind)]
    ids = {each for each in (file.id, *(entry.id for entry in (*objects, *users))) if each is not None}
    names = {user.username for user in users}
    taken = await store.users.taken_ids(ids | {comparison_form(name) for name in names})
    if before is None:
        return (), taken
    if (file.prune and file.users is not None) or before.name == ADMINISTRATORS:
        return await store.users.users_of(before.id), taken
    return await store.users.users_like(before.id, ids | change.removals, names | ids), taken


def _applied(plan: ChangePlan, outcome: Outcome, *, dry_run: bool) -> Applied:
    row, differences = outcome.row, plan.differences
    if dry_run:
        row, differences = _without_drawn_ids(row, differences, outcome.existing, outcome.file)
    users = (each.row for each in plan.changes if isinstance(each, Put) and isinstance(each.row, User))
    return Applied(
        row,
        tuple(differences),
        tuple(warnings_of(outcome)),
        plan.objects_after(),
        tuple(users),
        tuple(plan.secrets),
        outcome.existing.version,
    )


def _without_drawn_ids(
    row: EnvironmentRow,
    differences: Sequence[Difference | NewSecret],
    existing: Existing,
    file: EnvironmentFile,
) -> tuple[EnvironmentRow, list[Difference | NewSecret]]:
    """Leave out what was drawn for this run and is drawn anew when the file is applied."""
    told: list[Difference | NewSecret] = []
    for each in differences:
        kept = each if each.id in existing.taken_ids else replace(each, id="")
        if (
            isinstance(kept, Difference)
            and kept.kind == "environment"
            and kept.after
            and not file.organization_id
        ):
            kept = replace(kept, after={**kept.after, "organization_id": None})
        told.append(kept)
    return (row if existing.environment else replace(row, id="")), told
