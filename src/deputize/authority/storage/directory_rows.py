"""The rows of the directory, which administrators set up.

They are read as a whole, and changed in one transaction that raises the directory's version. What the
documents mean is told in `authority.directory.objects`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar

from sqlalchemy import Column, Connection, Table, bindparam, delete, exists, or_, select, update
from sqlalchemy.sql import Select

from deputize.authority.storage.engine import Database, upsert
from deputize.authority.storage.people import note_user_logouts, put_user
from deputize.authority.storage.tables import (
    CONSENTS,
    DIRECTORY_OBJECTS,
    DIRECTORY_VERSION,
    ENVIRONMENTS,
    INVITATIONS,
    SECRETS,
    SIGNING_KEYS,
    USERS,
)
from deputize.kernel.errors import DeputizeError
from deputize.kernel.ids import new_term
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.records.store import User

Kind: TypeAlias = Literal["resource", "agent", "agreement", "policy"]


class DirectoryConflict(DeputizeError):
    """Somebody else changed the directory since it was read; nothing was written."""


@dataclass(frozen=True, slots=True)
class EnvironmentRow:
    """An environment's own settings."""

    id: str
    name: str
    document: JsonObject
    base_url: str | None = None
    """Where the authority is reached, as whoever configured the environment was told.

    Who serves is told it anew.
    """


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """A resource, agent, agreement or policy."""

    id: str
    environment_id: str
    kind: Kind
    name: str
    """Unique among its kind in the environment."""
    document: JsonObject
    """What an administrator set."""
    term: str = ""
    """What others rest on by identity: another object may get its id, its name or its audience later.

    Drawn by the store, whatever is written here.
    """
    history: JsonObject = field(default_factory=dict[str, JsonValue])
    """What of its past still counts."""
    created_at: float | None = None
    """`None` for what an earlier version stored."""
    changed_at: float | None = None


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A secret of a resource or an agent, as its digest."""

    id: str
    environment_id: str
    owner_id: str
    digest: str
    created_at: float
    expires_at: float | None = None
    """Set when a newer secret took its place."""

    @property
    def age(self) -> tuple[float, bool, str]:
        """What tells an older secret from a newer one, which is greater; no two are equal."""
        return self.created_at, self.expires_at is None, self.id


@dataclass(frozen=True, slots=True)
class SigningKeyRow:
    """A key of an environment's key ring, private part included; `position` is its place in the ring."""

    environment_id: str
    kid: str
    position: int
    document: JsonObject


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link with which somebody becomes a user with these roles, once.

    It ends with the term of the user or agent that made it, as sessions and grants do.
    """

    id: str
    environment_id: str
    digest: str
    """Of the link's token."""
    roles: str
    """As `User.roles`."""
    created_at: float
    expires_at: float
    username: str | None = None
    """Whom it is for; `None` only where there is nobody yet who could name anybody."""
    invited_by: str | None = None
    """The id of the user or agent that made it; `None` for who has the machine."""
    invited_by_term: str = ""


@dataclass(frozen=True, slots=True)
class DirectoryRows:
    """Everything that was configured when the directory had `version`."""

    version: int
    environments: tuple[EnvironmentRow, ...]
    objects: tuple[ObjectRow, ...]
    secrets: tuple[SecretRow, ...]
    signing_keys: tuple[SigningKeyRow, ...]


Changeable: TypeAlias = EnvironmentRow | ObjectRow | SecretRow | SigningKeyRow | Invitation | User


@dataclass(frozen=True, slots=True)
class Put:
    """Add a row, or replace the one with its key."""

    row: Changeable


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the row with this one's key, and what belongs to it."""

    row: Changeable


RowChange: TypeAlias = Put | Remove

_TABLES: Mapping[type[Changeable], Table] = {
    EnvironmentRow: ENVIRONMENTS,
    ObjectRow: DIRECTORY_OBJECTS,
    SecretRow: SECRETS,
    SigningKeyRow: SIGNING_KEYS,
    Invitation: INVITATIONS,
    User: USERS,
}
_TERMED: tuple[Kind, ...] = ("resource", "agent", "policy")
"""What tokens and grants rest on by identity.

Agreements need no term: consents, which name them, go with them.
"""
_CONSENTED_TO: Mapping[Kind, Column[str]] = {
    "agent": CONSENTS.c.client_id,
    "agreement": CONSENTS.c.agreement_id,
}
_VERSION = select(DIRECTORY_VERSION.c.version)
_ADMINISTERED = exists().where(USERS.c.environment_id == INVITATIONS.c.environment_id, USERS.c.roles != "")
_IN_FORCE = (
    (INVITATIONS.c.expires_at > bindparam("now"))
    & (INVITATIONS.c.username.is_not(None) | ~_ADMINISTERED)
    & or_(
        INVITATIONS.c.invited_by.is_(None),
        *(
            exists().where(
                inviters.c.environment_id == INVITATIONS.c.environment_id,
                inviters.c.id == INVITATIONS.c.invited_by,
                inviters.c.term == INVITATIONS.c.invited_by_term,
            )
            for inviters in (USERS, DIRECTORY_OBJECTS)
        ),
    )
)
"""Which invitations count: those in time whose inviter is in the term of making them; one that names nobody
only until somebody administers."""
_ALL_ROWS: Mapping[type[Changeable], Select[Any]] = {
    kind: select(*(_TABLES[kind].c[column.name] for column in fields(kind))).order_by(
        *_TABLES[kind].primary_key
    )
    for kind in (EnvironmentRow, ObjectRow, SecretRow, SigningKeyRow)
}
_ONE_OBJECT = select(*(DIRECTORY_OBJECTS.c[each.name] for each in fields(ObjectRow))).where(
    DIRECTORY_OBJECTS.c.environment_id == bindparam("environment"),
    DIRECTORY_OBJECTS.c.kind == bindparam("kind"),
    DIRECTORY_OBJECTS.c.id == bindparam("id"),
)
_SECRETS_OF = select(*(SECRETS.c[each.name] for each in fields(SecretRow))).where(
    SECRETS.c.environment_id == bindparam("environment"), SECRETS.c.owner_id == bindparam("owner")
)
RowT = TypeVar("RowT", EnvironmentRow, ObjectRow, SecretRow, SigningKeyRow)


class SqlDirectoryRows:
    """The directory's rows in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version(self) -> int:
        """A number that every change of the directory raises."""
        return (await self._database.rows(_VERSION, {}))[0][0]

    async def load(self) -> DirectoryRows:
        """All rows, as one version of the directory had them."""
        while True:
            version = await self.version()
            rows = DirectoryRows(
                version,
                await self._all(EnvironmentRow),
                await self._all(ObjectRow),
                await self._all(SecretRow),
                await self._all(SigningKeyRow),
            )
            if await self.version() == version:
                return rows

    async def find_object(self, environment_id: str, kind: Kind, object_id: str) -> ObjectRow | None:
        """The object with this id as it is now."""
        parameters = {"environment": environment_id, "kind": kind, "id": object_id}
        rows = await self._database.rows(_ONE_OBJECT, parameters)
        return ObjectRow(*rows[0]) if rows else None

    async def secrets_of(self, environment_id: str, owner_id: str) -> tuple[SecretRow, ...]:
        """The secrets of a resource or an agent as they are now."""
        rows = await self._database.rows(_SECRETS_OF, {"environment": environment_id, "owner": owner_id})
        return tuple(SecretRow(*row) for row in rows)

    async def invitations_of(self, environment_id: str, now: float) -> tuple[Invitation, ...]:
        """The invitations to an environment that are in force and were not taken, newest first."""
        columns = INVITATIONS.c
        statement = (
            select(INVITATIONS)
            .where(columns.environment_id == bindparam("environment"), _IN_FORCE)
            .order_by(columns.created_at.desc(), columns.id)
        )
        rows = await self._database.rows(statement, {"environment": environment_id, "now": now})
        return tuple(Invitation(*row) for row in rows)

    async def find_invitation(self, digest: str, now: float) -> Invitation | None:
        """The invitation with this digest, if it is in force and was not taken.

        Whoever takes it removes it in the change that makes the user. As every change raises the version that
        was read before this, of any number who try at once one succeeds.
        """
        statement = select(INVITATIONS).where(INVITATIONS.c.digest == bindparam("digest"), _IN_FORCE)
        rows = await self._database.rows(statement, {"digest": digest, "now": now})
        return Invitation(*rows[0]) if rows else None

    async def change(self, changes: Sequence[RowChange], read_version: int) -> int:
        """Make all changes in their order, or none; the new version.

        Raises `DirectoryConflict` unless `read_version` is current.
        """

        def work(connection: Connection) -> int:
            version = DIRECTORY_VERSION.c.version
            raised = update(DIRECTORY_VERSION).where(version == read_version).values(version=read_version + 1)
            if connection.execute(raised).rowcount != 1:
                raise DirectoryConflict("the directory was changed by somebody else meanwhile; try again")
            for change in changes:
                _make(connection, change)
            return read_version + 1

        return await self._database.write(work)

    async def _all(self, kind: type[RowT]) -> tuple[RowT, ...]:
        return tuple(kind(*row) for row in await self._database.rows(_ALL_ROWS[kind], {}))


def _make(connection: Connection, change: RowChange) -> None:
    table = _TABLES[type(change.row)]
    if isinstance(change, Put) and isinstance(change.row, User):
        put_user(connection, change.row)
        return
    row: dict[str, Any] = asdict(change.row)
    if isinstance(change, Put):
        if isinstance(change.row, ObjectRow):
            row["term"] = _term(connection, change.row) if change.row.kind in _TERMED else ""
        upsert(connection, table, row)
        return
    if isinstance(change.row, ObjectRow) and change.row.kind in _CONSENTED_TO:
        # Another agent or agreement may get the id: nobody has agreed to that one.
        mine = CONSENTS.c.environment_id == change.row.environment_id
        connection.execute(delete(CONSENTS).where(mine, _CONSENTED_TO[change.row.kind] == change.row.id))
    if isinstance(change.row, ObjectRow) and change.row.kind in _TERMED:
        _uncover(connection, change.row)
    if isinstance(change.row, User):
        note_user_logouts(connection, change.row.id)
    statement = delete(table)
    for column in table.primary_key:
        statement = statement.where(column == row[column.name])
    connection.execute(statement)


def _uncover(connection: Connection, removed: ObjectRow) -> None:
    """Take the object out of what consents cover.

    Nobody agreed to another resource or another actor that gets its id.
    """
    columns = CONSENTS.c
    mine = columns.environment_id == removed.environment_id
    for consent_id, covers in connection.execute(select(columns.id, columns.covers).where(mine)).all():
        left = {
            agent: {resource: scopes for resource, scopes in each.items() if resource != removed.id}
            for agent, each in covers.items()
            if agent != removed.id
        }
        if left != covers:
            connection.execute(update(CONSENTS).where(columns.id == consent_id).values(covers=left))


def _term(connection: Connection, row: ObjectRow) -> str:
    """The object's stored term, or a new one.

    That is where it is new, is disabled or enabled, or where an agent becomes a public client or stops being
    one: what only its secret could use is not left to whoever has it. An agent whose time was over is
    enabled by more time.
    """
    columns = DIRECTORY_OBJECTS.c
    same = (
        (columns.id == row.id) & (columns.environment_id == row.environment_id) & (columns.kind == row.kind)
    )
    before = connection.execute(select(columns.document, columns.term).where(same)).first()
    kept = before is not None and _standing(before.document, row) == _standing(row.document, row)
    return before.term if before is not None and kept else new_term()


def _standing(document: JsonObject, changed: ObjectRow) -> tuple[bool, bool]:
    """Whether the object was enabled when it was changed, and whether it is a public client."""
    end, now = document.get("expires_at"), changed.changed_at
    is_over = isinstance(end, str) and now is not None and datetime.fromisoformat(end).timestamp() <= now
    return bool(document.get("enabled", True)) and not is_over, document.get("client_auth") == PUBLIC
