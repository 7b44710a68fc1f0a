"""Applying an environment file: read, check, compare, and change everything in one transaction or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from deputize.authority.directory.changes import IssuedSecret, new_environment
from deputize.authority.environment_file.differences import Difference, NewSecret
from deputize.authority.environment_file.entries import EnvironmentFile
from deputize.authority.environment_file.existing import Existing, existing
from deputize.authority.environment_file.parsing import Resolve, parse
from deputize.authority.environment_file.people import Hashing, plan_users
from deputize.authority.environment_file.plan import (
    Plan,
    base_url_warnings,
    consent_warnings,
    plan_environment,
    plan_objects,
    plan_removals,
    warnings,
)
from deputize.authority.environment_file.problems import EnvironmentFileInvalid, Problems
from deputize.authority.environment_file.references import check, environment_settings
from deputize.authority.environment_file.stored import complete
from deputize.authority.environment_file.targets import base_url_of, environment_target, object_targets
from deputize.authority.environment_file.usernames import check_usernames
from deputize.authority.storage import DirectoryRows, EnvironmentRow, ObjectRow, Put, RowChange, Store
from deputize.kernel.clock import Clock
from deputize.kernel.errors import ConfigurationError, Position


@dataclass(frozen=True, slots=True)
class Applied:
    """What was, or in a dry run would be, changed."""

    environment: EnvironmentRow
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
        """The authority's, as it was last told."""
        return base_url_of(self.environment)


@dataclass(frozen=True, slots=True)
class Application:
    """A file on its way into a store."""

    text: bytes
    file: str
    """Its name, for messages."""
    resolve: Resolve
    """What `&{name}` tokens stand for."""
    prune: bool = False
    dry_run: bool = False
    base_url: str | None = None
    """Where users and agents reach the authority, without a trailing slash; `None`.

    As it was last told, or `DEFAULT_BASE_URL`.
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
    found = Problems(parsed.source)
    stands = await _existing(file, found, store)
    row = environment_target(file, stands, application.base_url)
    seed = new_environment(row, now) if stands.environment is None else []
    known = replace(stands, objects=(*stands.objects, *_objects(seed)))
    file = complete(file, known)
    check(file, known, f"{base_url_of(row)}/{row.id}/as", found)
    check_usernames(file, known, found)
    if parsed.salvaged is not None:
        parsed.salvaged.tell(found, parsed.problems)
        found = parsed.problems
    found.raise_if_any()
    targets = object_targets(file, known, row.id)
    default_policy = environment_settings(file, known).default_policy
    warned = (
        *warnings(targets),
        *consent_warnings(targets, known, default_policy),
        *base_url_warnings(row, stands),
    )
    plan = Plan()
    plan_environment(plan, row, seed, stands.environment)
    plan_removals(plan, file, known, targets)
    plan_objects(plan, known, targets, now)
    await plan_users(plan, file, known, row.id, passwords)
    if plan.changes and not application.dry_run:
        await store.directory_rows.change(plan.changes, stands.version)
    return Applied(row, tuple(plan.differences), warned, _afterwards(known, plan), tuple(plan.secrets))


async def _existing(file: EnvironmentFile, problems: Problems, store: Store) -> Existing:
    rows = await store.directory_rows.load()
    environment = _environment(file, problems, rows)
    users = await store.users.users_of(environment.id) if environment else ()
    return existing(
        rows, environment, users, await store.users.user_ids_elsewhere(environment.id if environment else "")
    )


def _environment(file: EnvironmentFile, problems: Problems, rows: DirectoryRows) -> EnvironmentRow | None:
    by_id = next((row for row in rows.environments if file.id is not None and row.id == file.id), None)
    by_name = next((row for row in rows.environments if row.name == file.environment), None)
    if by_name and file.id not in {None, by_name.id}:
        problems.add(
            "/id",
            f"the environment {by_name.name!r} already has the id {by_name.id}",
            "leave the id out, or use another name",
        )
    return by_id or by_name


def _objects(changes: list[RowChange]) -> list[ObjectRow]:
    return [change.row for change in changes if isinstance(change.row, ObjectRow)]


def _afterwards(known: Existing, plan: Plan) -> tuple[ObjectRow, ...]:
    rows: Mapping[str, ObjectRow] = {row.id: row for row in known.objects}
    for change in plan.changes:
        if isinstance(change.row, ObjectRow):
            rows = (
                {**rows, change.row.id: change.row}
                if isinstance(change, Put)
                else {key: row for key, row in rows.items() if key != change.row.id}
            )
    return tuple(row for row in rows.values() if row.kind in {"resource", "agent"})
