"""What all objects of the directory have in common.

One model for each kind of object is the entry of an environment file, the stored document and what the
snapshot is made of. A new setting is a field, with its default, bounds and documentation, and the place that
reads it: a field here, or in `oauth.records.settings` where the protocol's rules read it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Self, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    StringConstraints,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from deputize.kernel.suggestions import find_similar
from deputize.kernel.values import JsonObject
from deputize.oauth.records.settings import STORED, Name

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


Translate: TypeAlias = Callable[[str, str], str | None]
"""(Kind, name) to the id of an object, or (kind, id) to its name; `None` when there is no such object."""


def _uuid(value: str) -> str:
    if not _UUID.fullmatch(value):
        raise ValueError("is not a UUID in lower case")
    return value


def _instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        read = datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        read = None
    if read is None or read.tzinfo is None:
        raise ValueError("is no instant with date, time and offset, such as 2027-03-31T22:00:00Z")
    return round(read.timestamp() * 1000) / 1000


def _instant_text(seconds: float) -> str:
    # not `fromtimestamp`, whose microseconds lie below the millisecond for many an instant after 2242
    text = (_EPOCH + timedelta(milliseconds=round(seconds * 1000))).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00").removesuffix(".000") + "Z"


Instant: TypeAlias = Annotated[
    Annotated[float, Field(ge=0, le=253402300799)] | None,
    BeforeValidator(_instant),
    PlainSerializer(_instant_text, return_type=str, when_used="unless-none"),
]
"""Seconds since the epoch, written as in RFC 3339; milliseconds count."""
Id: TypeAlias = Annotated[str, AfterValidator(_uuid)]
Secret: TypeAlias = Annotated[str, StringConstraints(min_length=32, max_length=256, pattern=r"^[!-~]+$")]


class DocumentPart(BaseModel):
    """A part of a file or document.

    Members it does not know are errors, and texts never silently become something else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    @model_validator(mode="wrap")
    @classmethod
    def _take_null_for_the_default(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """A member written as null counts as named, and has its default."""
        if not isinstance(data, Mapping):
            return handler(data)
        members = cast("Mapping[str, object]", data)
        if None not in members.values():  # as nearly every document: half the time that reading one takes
            return handler(dict(members))
        fields = cls.model_fields
        cleared = {
            name
            for name, value in members.items()
            if value is None and name in fields and not fields[name].is_required()
        }
        read = handler({name: value for name, value in members.items() if name not in cleared})
        read.model_fields_set.update(cleared)
        return read

    @classmethod
    def entry_fields(cls) -> Mapping[str, FieldInfo]:
        """The members that may be written."""
        return cls.model_fields

    def overlaid_by(self, entry: Self) -> Self:
        """`entry`, with the members that it does not name from this one.

        `model_fields_set` are those that it names. What is taken from here was judged before.
        """
        members: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        named = {name: getattr(entry, name) for name in members if name in entry.model_fields_set}
        return self.model_construct(_fields_set=set(named), **{**members, **named})


class DirectoryObject(DocumentPart):
    """Something that has a name and an id in an environment, and is kept as a document."""

    name: Name
    """What other entries call it."""
    id: Id | None = None
    """Its id; drawn when absent."""

    @classmethod
    def read(cls, name: str, document: JsonObject) -> Self:
        """The object with this name and stored document, in which references are ids.

        Raises `pydantic.ValidationError` where the document is broken.
        """
        return cls.model_validate({**document, "name": name}, context=STORED)

    def document(self) -> JsonObject:
        """What is stored of it: all but what has columns of its own."""
        return self.model_dump(mode="json", exclude={"name", "id", "secret"}, exclude_none=True)

    def translate(self, translation: Translate) -> Self:
        """The same with each reference translated; one that cannot be translated is left out."""
        del translation
        return self

    def describe(self) -> JsonObject:
        """The object in the words of a file and as it takes effect, for comparing and showing changes."""
        return {**self.document(), "name": self.name}

    def next_history(self, history: JsonObject, before: "DirectoryObject | None") -> JsonObject:
        """What the store keeps beside the document so that the past counts, given what it kept so far.

        `before` is the object that takes effect until now, if there is one that can be read.
        """
        del before
        return history


class AuthenticatingObject(DirectoryObject):
    """An object that proves with a secret who it is."""

    secret: Secret | None = Field(default=None, repr=False)
    """Drawn once when the file gives none."""

    @property
    def needs_secret(self) -> bool:
        """Whether there is anything that a secret of this object would prove."""
        return True


def unknown_name(what: str, name: str, known: Iterable[str]) -> PydanticCustomError:
    """The error that `name` is none of the `known` names of its kind.

    It is shown only where it is nearly one of them: what was put there by mistake may be a secret.
    """
    fix = suggest(name, names := tuple(known))
    reason = f"there is no {what} {name[:64]!r}" if _close(name, names) else f"no {what} has this name"
    return PydanticCustomError("unknown_name", "{reason}", {"reason": reason, "fix": fix})


def suggest(name: str, known: Iterable[str]) -> str:
    """What somebody who wrote `name` probably meant."""
    names = sorted(known)
    close = _close(name, names)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"


def _close(name: str, known: Iterable[str]) -> list[str]:
    return find_similar(name[:128], sorted(known))
