"""What is stored of an environment before a file is applied, and what it will be afterwards."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from deputize.authority.directory.objects import (
    LISTS,
    OBJECTS,
    DirectoryObject,
    EnvironmentFile,
    EnvironmentObject,
    ResourceObject,
    UserObject,
)
from deputize.authority.directory.objects.introduction import is_introduced
from deputize.authority.storage import DirectoryRows, EnvironmentRow, Kind, ObjectRow, SecretRow
from deputize.kernel.ids import new_id
from deputize.oauth.records.store import User

DEFAULT_BASE_URL = "http://localhost:9080"
USER_SETTINGS = (UserObject.model_fields.keys() & {field.name for field in fields(User)}) - {
    "id",
    "password_hash",
}
"""What a file sets of a user and the store keeps in a column of the same name."""
ObjectT = TypeVar("ObjectT", bound=DirectoryObject)


@dataclass(frozen=True, slots=True)
class Existing:
    """One environment's rows, or none of them if it is new."""

    version: int
    environment: EnvironmentRow | None
    objects: tuple[ObjectRow, ...]
    introduced: tuple[ObjectRow, ...]
    """The agents that introduced themselves: no file names them, and none takes them away by not doing so."""
    secrets: tuple[SecretRow, ...]
    users: tuple[User, ...]
    """Those that a file names or could be taken for; all of them where it removes those it does not name."""
    taken_ids: Mapping[str, str]
    """The ids in use anywhere, of users those that a file gives, and for what."""
    environments: tuple[EnvironmentRow, ...]
    """All of the database."""
    audiences: tuple[str, ...]
    """Of the resources of other environments."""

    def of_kind(self, kind: Kind) -> tuple[ObjectRow, ...]:
        """The objects of a kind."""
        return tuple(row for row in self.objects if row.kind == kind)

    def find(self, kind: Kind, object_id: str | None, name: str) -> ObjectRow | None:
        """The object a file's entry is about: the one with its id, else the one with its name."""
        rows = self.of_kind(kind)
        by_id = next((row for row in rows if object_id is not None and row.id == object_id), None)
        return by_id or next((row for row in rows if row.name == name), None)

    def find_user(self, user_id: str | None, username: str) -> User | None:
        """The user a file's entry is about: the one with its id, else the one with its name."""
        by_id = next((user for user in self.users if user_id is not None and user.id == user_id), None)
        return by_id or next((user for user in self.users if user.username == username), None)

    def secrets_of(self, owner_id: str, now: float) -> tuple[SecretRow, ...]:
        """The secrets of a resource or an agent that are valid, newest first."""
        valid = (
            row
            for row in self.secrets
            if row.owner_id == owner_id and (row.expires_at is None or row.expires_at > now)
        )
        return tuple(sorted(valid, key=lambda row: row.age, reverse=True))


class Listed(NamedTuple):
    """An object that the file lists, as it will be."""

    kind: Kind
    id: str
    pointer: str
    """Where it stands in the file."""
    entry: DirectoryObject
    """Completed by what is stored; `model_fields_set` are the members that the file names."""
    before: ObjectRow | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The environment as it will be."""

    file: EnvironmentFile
    existing: Existing
    row: EnvironmentRow
    settings: EnvironmentObject
    listed: tuple[Listed, ...]
    kept: tuple[ObjectRow, ...]
    """The objects that stay as they are, for the file does not name them."""
    users: tuple[tuple[UserObject, User | None], ...]
    """Those that the file lists, completed by what is stored, and what that is."""
    names: Mapping[str, str]
    """Id to name of every object there is, as it will be called."""
    removals: frozenset[str]
    """The ids of objects and users that go, beside what the file prunes."""

    @property
    def issuer(self) -> str:
        """The environment's issuer, as users and agents will know it."""
        return f"{self.row.base_url or DEFAULT_BASE_URL}/{self.row.id}/as"

    def entries(self, model: type[ObjectT]) -> Iterator[tuple[str, ObjectT]]:
        """Where each listed object of a kind stands in the file, and the object."""
        return ((each.pointer, each.entry) for each in self.listed if isinstance(each.entry, model))

    def kept_objects(self, model: type[ObjectT]) -> Iterator[tuple[ObjectRow, ObjectT]]:
        """The readable objects of a kind that stay as they are; what they refer to they name by id."""
        for row in self.kept:
            found = read_object(row)
            if isinstance(found, model):
                yield row, found

    def objects(self, model: type[ObjectT]) -> Mapping[str, ObjectT]:
        """The objects of a kind as they will be, by id."""
        kept = {row.id: found for row, found in self.kept_objects(model)}
        return {
            **kept,
            **{each.id: each.entry for each in self.listed if isinstance(each.entry, model)},
        }


def existing_of(
    rows: DirectoryRows,
    environment: EnvironmentRow | None,
    users: Iterable[User],
    taken_by_users: Iterable[str],
) -> Existing:
    """What `rows` and `users` say about one environment.

    `taken_by_users` are ids of users, of this environment or others.
    """
    mine = environment.id if environment else None
    known_users = tuple(users)
    elsewhere = (read_object(row) for row in rows.objects if row.environment_id != mine)
    taken = dict.fromkeys(taken_by_users, "a user of another environment")
    taken |= {row.id: f"the environment {row.name!r}" for row in rows.environments}
    taken |= {row.id: f"the {row.kind} {row.name!r}" for row in rows.objects}
    taken |= {user.id: f"the user {user.username!r}" for user in known_users}
    own = [row for row in rows.objects if row.environment_id == mine]
    return Existing(
        rows.version,
        environment,
        tuple(row for row in own if not is_introduced(row)),
        tuple(row for row in own if is_introduced(row)),
        tuple(row for row in rows.secrets if row.environment_id == mine),
        known_users,
        taken,
        rows.environments,
        tuple(each.audience for each in elsewhere if isinstance(each, ResourceObject)),
    )


def read_object(row: ObjectRow) -> DirectoryObject | None:
    """The stored object, whose references are ids; `None` where its document is broken.

    Then a file's entry replaces it whole.
    """
    try:
        return OBJECTS[row.kind].read(row.name, row.document)
    except ValidationError:
        return None


def environment_of(
    file: EnvironmentFile, row: EnvironmentRow | None, base_url: str | None
) -> tuple[EnvironmentRow, EnvironmentObject]:
    """The environment's row and settings as they will be.

    What the file leaves out stays, or gets its default, and so does the base URL.
    """
    before = EnvironmentObject.read(file.environment, row.document if row else {})
    settings = before.overlaid_by(file)
    organization_id = settings.organization_id or before.organization_id or new_id()
    settings = settings.model_copy(update={"organization_id": organization_id})
    if row is None:
        return EnvironmentRow(
            file.id or new_id(), file.environment, settings.document(), base_url or DEFAULT_BASE_URL
        ), settings
    return EnvironmentRow(row.id, file.environment, settings.document(), base_url or row.base_url), settings


def outcome_of(
    file: EnvironmentFile,
    existing: Existing,
    row: EnvironmentRow,
    settings: EnvironmentObject,
    removals: frozenset[str],
) -> Outcome:
    """Complete every entry of an existing object by what is stored of it. New objects stay as they are."""
    listed: list[Listed] = []
    for kind, member in LISTS.items():
        for index, entry in enumerate(file.entries_of(kind)):
            before = existing.find(kind, entry.id, entry.name)
            object_id = before.id if before else entry.id or new_id()
            listed.append(Listed(kind, object_id, f"/{member}/{index}", entry, before))
    names = {each.id: each.name for each in existing.objects} | {each.id: each.entry.name for each in listed}
    for index, each in enumerate(listed):
        stored = read_object(each.before) if each.before else None
        if stored:
            named = stored.translate(lambda _kind, reference: names.get(reference))
            listed[index] = each._replace(entry=named.overlaid_by(each.entry))
    replaced = {each.id for each in listed} | removals
    kept = (each for each in existing.objects if each.id not in replaced and not file.prunes(each.kind))
    users = ((entry, existing.find_user(entry.id, entry.username)) for entry in file.users or ())
    return Outcome(
        file,
        existing,
        row,
        settings,
        tuple(listed),
        tuple(kept),
        tuple((_complete_user(entry, user), user) for entry, user in users),
        names,
        removals,
    )


def _complete_user(entry: UserObject, user: User | None) -> UserObject:
    if user is None:
        return entry
    names_password = not {"password", "password_hash"}.isdisjoint(entry.model_fields_set)
    settings: dict[str, Any] = {name: getattr(user, name) for name in USER_SETTINGS}
    settings["roles"] = tuple(user.roles.split())
    password_hash = None if names_password else user.password_hash or None
    return UserObject.model_construct(**settings, password_hash=password_hash).overlaid_by(entry)
