"""What administrators read: objects as a file writes them, pages of them, and what a change did."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast

from pydantic import BaseModel

from deputize.audit.records import timestamp_text
from deputize.authority.directory.changes import IssuedSecret
from deputize.authority.directory.objects import (
    AgentObject,
    AuthenticatingObject,
    DirectoryObject,
    Role,
    UserObject,
)
from deputize.authority.directory.objects.agent import AUTHORIZATION_CODE, word_of
from deputize.authority.directory.objects.introduction import Introduction, is_introduced
from deputize.authority.environment_file.outcome import USER_SETTINGS, read_object
from deputize.authority.environment_file.plan import Difference, NewSecret
from deputize.authority.storage import ObjectRow, SecretRow
from deputize.authority.storage.activities import CursorInvalid
from deputize.kernel.errors import DeputizeError
from deputize.kernel.strict_json import dumps, loads
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.records.store import User

ObjectKind: TypeAlias = Literal["resource", "agreement", "policy", "agent", "user"]
MAX_LIMIT = 200
ItemT = TypeVar("ItemT")


class NoSuchObject(DeputizeError):
    """There is nothing of that kind with that id there, or it is not the operator's business."""


class EtagMismatch(DeputizeError):
    """The object is another by now than the one that the change was made for."""

    def __init__(self, current: str) -> None:
        """`current` is the etag that it has now."""
        super().__init__("it was changed meanwhile; look at it again")
        self.current = current


class InUse(DeputizeError):
    """It cannot be removed while others refer to it."""

    def __init__(self, what: str, referrers: Sequence[str]) -> None:
        """`referrers` say who does, in words."""
        super().__init__(f"{what} is still referred to by {', '.join(referrers)}")
        self.referrers = tuple(referrers)


@dataclass(frozen=True, slots=True)
class ObjectView:
    """One object as administrators read it."""

    kind: str
    id: str
    name: str
    entry: JsonObject
    """As a file writes it: others by their names, without what has its default, never a secret."""
    etag: str
    """Another one whenever the entry is, or the object began anew."""
    facts: JsonObject = field(default_factory=dict[str, JsonValue])
    """What is known beyond the entry, such as `created_at`, `secrets` (times only), `last_used_at`."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which objects of a list, and how many of them."""

    limit: int = 50
    cursor: str | None = None
    """`ListPage.next_cursor` of the page before."""
    search: str = ""
    """A part of the name, however it is capitalised; of users also of their email address and other names."""
    enabled: bool | None = None
    owner: str | None = None
    """Of agents."""
    introduced: bool | None = None
    """Of agents: whether they introduced themselves."""
    waiting: bool | None = None
    """Of agents: whether they wait for an administrator's approval."""
    role: Role | None = None
    """Of users."""

    @property
    def bounded_limit(self) -> int:
        """`limit` within its bounds."""
        return max(1, min(self.limit, MAX_LIMIT))

    def after(self) -> tuple[str, ...]:
        """The key of the last object of the page before. Raises `CursorInvalid`."""
        if self.cursor is None:
            return ()
        try:
            parts = loads(base64.urlsafe_b64decode(self.cursor.encode("ascii") + b"=="), max_size=8192)
        except (ValueError, binascii.Error, DeputizeError) as error:
            raise CursorInvalid("the cursor is none that a page gave; begin without one") from error
        if not isinstance(parts, list) or not all(
            isinstance(part, str) and "\0" not in part for part in parts
        ):
            raise CursorInvalid("the cursor is none that a page gave; begin without one")
        return tuple(map(str, parts))


@dataclass(frozen=True, slots=True)
class ListPage(Generic[ItemT]):
    """A part of a list."""

    items: tuple[ItemT, ...]
    next_cursor: str | None = None
    """`None` on the last page."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did, or in a dry run would do."""

    view: ObjectView | None
    """The object as it is afterwards; `None` when it is gone."""
    differences: tuple[Difference | NewSecret, ...] = ()
    """Empty when it was like that already."""
    warnings: tuple[str, ...] = ()
    secrets: tuple[IssuedSecret, ...] = ()
    """Secrets that came into being, readable here and never again."""
    dry_run: bool = False
    ends: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many of what ends with a removal: `sessions`, `grants`, `consents`, …"""

    @property
    def lines(self) -> tuple[str, ...]:
        """One for each difference, in words."""
        return tuple(map(str, self.differences))


def moment(seconds: float | None) -> str | None:
    """An instant as views write it."""
    return None if seconds is None else timestamp_text(seconds)


def cursor_of(*key: str) -> str:
    """The cursor of the page that begins behind the object with this key."""
    return base64.urlsafe_b64encode(dumps(list(key))).rstrip(b"=").decode("ascii")


def etag_of(object_id: str, entry: JsonObject, *more: JsonValue) -> str:
    """A digest of an object's state."""
    return hashlib.sha256(dumps([object_id, entry, *more])).hexdigest()[:32]


def written_entry(model: BaseModel, leave_out: frozenset[str] = frozenset()) -> dict[str, JsonValue]:
    """The members of an entry that differ from their defaults, as a file writes them."""
    fields = type(model).model_fields
    if not fields:  # of a step: what is written is what it is
        return dict(model.model_dump(mode="json"))
    members: dict[str, Any] = {name: getattr(model, name) for name in fields}
    dumped = model.model_dump(mode="json")
    written: dict[str, JsonValue] = {}
    for name, each in fields.items():
        default = each.get_default(call_default_factory=True, validated_data=members)
        if name in leave_out or (not each.is_required() and members[name] == default):
            continue
        written[name] = _written_value(members[name], dumped[name])
    return written


def _written_value(value: object, dumped: JsonValue) -> JsonValue:
    if isinstance(value, BaseModel):
        return written_entry(value)
    if isinstance(value, tuple) and isinstance(dumped, list):
        entries = cast("tuple[object, ...]", value)
        return [_written_value(*each) for each in zip(entries, dumped, strict=True)]
    return dumped


def view_of_object(
    row: ObjectRow,
    names: Mapping[str, str],
    secrets: Sequence[SecretRow] = (),
    last_used: float | None = None,
    now: float = 0.0,
) -> ObjectView:
    """The object of a row; `names` are those of the objects that it refers to, by id, `secrets` its own."""
    found = read_object(row)
    introduction = Introduction.of(row)
    facts: dict[str, JsonValue] = {
        "created_at": moment(row.created_at),
        "changed_at": moment(row.changed_at),
        "version": row.history.get("version"),
        "last_used_at": moment(last_used),
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    entry: JsonObject
    if introduction is not None:
        entry = {"name": row.name, "enabled": row.document.get("enabled") is True}
        facts |= _introduced_facts(introduction, row)
    elif found is None:
        entry, facts["broken"] = {"name": row.name}, True
    else:
        entry = entry_of_object(found, names)
    if isinstance(found, AgentObject) and found.expires_at is not None:
        facts["expired"] = found.expires_at <= now
    if isinstance(found, AuthenticatingObject):
        valid = (each for each in secrets if each.expires_at is None or each.expires_at > now)
        facts["secrets"] = [
            {"id": each.id, "created_at": moment(each.created_at), "expires_at": moment(each.expires_at)}
            for each in valid
        ]
    return ObjectView(row.kind, row.id, row.name, entry, etag_of(row.id, entry, row.term), facts)


def view_of_user(user: User) -> ObjectView:
    """The user, of whose password only is told whether there is one."""
    entry = entry_of_user(user)
    facts: JsonObject = {"password": bool(user.password_hash)}
    return ObjectView("user", user.id, user.username, entry, etag_of(user.id, entry, user.term), facts)


def entry_of_object(found: DirectoryObject, names: Mapping[str, str]) -> dict[str, JsonValue]:
    """The stored object as a file writes it; `names` are those of the objects that it refers to, by id.

    What has no order comes in one, so that the same says the same.
    """
    named = found.translate(lambda _kind, reference: names.get(reference))
    if isinstance(named, AgentObject):
        implied = {AUTHORIZATION_CODE} if named.redirect_uris else set[str]()
        scopes = {each: tuple(sorted(set(named.scopes[each]))) for each in sorted(named.scopes)}
        words = tuple(sorted(word_of(each) for each in set(named.grants) - implied))
        named = named.model_copy(update={"grants": words, "scopes": scopes})
    return written_entry(named, frozenset({"id", "secret"}))


def entry_of_user(user: User) -> dict[str, JsonValue]:
    """The user as a file writes them, without the password."""
    settings: dict[str, Any] = {name: getattr(user, name) for name in USER_SETTINGS}
    settings["roles"] = tuple(user.roles.split())
    return written_entry(UserObject.model_construct(**settings), frozenset({"id"}))


def references_of(row: ObjectRow) -> frozenset[str]:
    """The ids of the objects that the object refers to by id."""
    found, ids = read_object(row), set[str]()

    def note(_kind: str, reference: str) -> str:
        ids.add(reference)
        return reference

    if found is not None and not is_introduced(row):
        found.translate(note)
    return frozenset(ids)


def _introduced_facts(introduction: Introduction, row: ObjectRow) -> dict[str, JsonValue]:
    claimed = introduction.metadata.get("client_name")
    return {
        "introduced": {
            "means": introduction.means,
            "detail": introduction.detail,
            "at": moment(introduction.created_at),
            "claimed_name": claimed if isinstance(claimed, str) else None,
            "metadata": introduction.metadata,
        },
        "waiting": row.document.get("waiting") is True,
    }
