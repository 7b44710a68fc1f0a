"""Applying an environment file: read, check, compare, and change everything in one transaction or nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deputize.authority.directory.changes import IssuedSecret, add_missing_keys, new_environment
from deputize.authority.directory.objects import EnvironmentFile
from deputize.authority.environment_file.checks import RULES
from deputize.authority.environment_file.outcome import (
    DEFAULT_BASE_URL,
    Existing,
    environment_of,
    existing_of,
    outcome_of,
)
from deputize.authority.environment_file.plan import ChangePlan, Difference, Hashing, NewSecret, warnings_of
from deputize.authority.environment_file.problems import EnvironmentFileInvalid, Problems
from deputize.authority.environment_file.reading import Resolve, parse
from deputize.authority.storage import EnvironmentRow, ObjectRow, Store
from deputize.kernel.clock import Clock
from deputize.kernel.errors import ConfigurationError, Position


@dataclass(frozen=True, slots=True)
class Applied:
    """What was, or in a dry run would be, changed."""

    environment: EnvironmentRow
    """Without an id after a dry run that would have made it, as `differences` are of what does not exist."""
    differences: tuple[Difference | NewSecret, ...]
    """Empty when the database already says what the file says."""
    warnings: tuple[str, ...]
    objects: tuple[ObjectRow, ...]
    """The environment's resources and agents as they are now, also those the file does not name."""
    secrets: tuple[IssuedSecret, ...]
    """Secrets that came into being, readable here and never again."""

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


async def apply(application: Application, store: Store, passwords: Hashing, clock: Clock) -> Applied:
    """Make the store say what the file says.

    Raises `EnvironmentFileInvalid` with everything that is wrong, or `DirectoryConflict`; then nothing was
    changed.
    """
    parsed, now = parse(application.text, application.file, application.resolve), clock.now()
    if parsed.file is None:
        parsed.problems.raise_if_any()
        raise EnvironmentFileInvalid(
            [ConfigurationError(Position(application.file), "there is nothing in it to apply")]
        )
    file = parsed.file.model_copy(update={"prune": parsed.file.prune or application.prune})
    found = Problems(parsed.places)
    rows = await store.directory_rows.load()
    by_id = next((row for row in rows.environments if file.id is not None and row.id == file.id), None)
    by_name = next((row for row in rows.environments if row.name == file.environment), None)
    if by_name and file.id not in {None, by_name.id}:
        reason = f"the environment {by_name.name!r} already has the id {by_name.id}"
        found.add("/id", reason, "leave the id out, or use another name")
    before = by_id or by_name
    users = await store.users.users_of(before.id) if before else ()
    existing = existing_of(
        rows, before, users, await store.users.user_ids_elsewhere(before.id if before else "")
    )
    row, settings = environment_of(file, before, application.base_url)
    seed = new_environment(row) if before is None else []
    seeded = (change.row for change in seed if isinstance(change.row, ObjectRow))
    existing = replace(existing, objects=(*existing.objects, *seeded))
    outcome = outcome_of(file, existing, row, settings)
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
    if plan.changes and not application.dry_run:
        stored = [key for key in rows.signing_keys if key.environment_id == row.id]
        keys = await asyncio.to_thread(add_missing_keys, row.id, stored, plan.objects_after(), now)
        await store.directory_rows.change([*plan.changes, *keys], existing.version)
    differences = plan.differences
    if application.dry_run:
        row, differences = _without_drawn_ids(row, differences, existing, file)
    return Applied(
        row,
        tuple(differences),
        tuple(warnings_of(outcome)),
        plan.objects_after(),
        tuple(plan.secrets),
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
