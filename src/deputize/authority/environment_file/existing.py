"""What stands in the database before a file is applied."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from deputize.authority.directory.documents import Document, ResourceDocument
from deputize.authority.storage import DirectoryRows, EnvironmentRow, Kind, ObjectRow, SecretRow
from deputize.oauth.records.store import User

DocumentT = TypeVar("DocumentT", bound=Document)


@dataclass(frozen=True, slots=True)
class Existing:
    """One environment's rows, or none of them if it is new."""

    version: int
    environment: EnvironmentRow | None
    objects: tuple[ObjectRow, ...]
    secrets: tuple[SecretRow, ...]
    users: tuple[User, ...]
    taken_ids: Mapping[str, str]
    """Every id in use anywhere, and for what."""
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
        return tuple(sorted(valid, key=lambda row: row.created_at, reverse=True))


def existing(
    rows: DirectoryRows,
    environment: EnvironmentRow | None,
    users: Iterable[User],
    users_elsewhere: Iterable[str],
) -> Existing:
    """What `rows` and `users` say about one environment.

    `users_elsewhere` are the ids of other environments' users.
    """
    mine = environment.id if environment else None
    known_users = tuple(users)
    return Existing(
        rows.version,
        environment,
        tuple(row for row in rows.objects if row.environment_id == mine),
        tuple(row for row in rows.secrets if row.environment_id == mine),
        known_users,
        {**dict.fromkeys(users_elsewhere, "a user of another environment"), **_taken(rows, known_users)},
        rows.environments,
        tuple(
            document.audience
            for row in rows.objects
            if row.environment_id != mine and (document := _resource(row))
        ),
    )


def read_document(row: ObjectRow, model: type[DocumentT]) -> DocumentT | None:
    """The stored document, or `None` where it is broken: then the file's entry replaces it whole."""
    try:
        return model.model_validate(row.document)
    except ValidationError:
        return None


def _resource(row: ObjectRow) -> ResourceDocument | None:
    return read_document(row, ResourceDocument) if row.kind == "resource" else None


def _taken(rows: DirectoryRows, users: Iterable[User]) -> dict[str, str]:
    taken = {row.id: f"the environment {row.name!r}" for row in rows.environments}
    taken |= {row.id: f"the {row.kind} {row.name!r}" for row in rows.objects}
    return taken | {user.id: f"the user {user.username!r}" for user in users}
