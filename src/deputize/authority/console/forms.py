"""Forms: fields that show members of an object's entry and read them back, with what was wrong beside each.

A field is named by the member it is about: its name is the member's JSON pointer within the entry without
the leading slash, so that an error finds its field by the pointer. Labels are texts of the section,
`SECTION.NAME` and, where there is one, `SECTION.NAME_help`, with "/" in the name written as "_".
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, cast

from deputize.authority.console.moments import Moments
from deputize.kernel.strict_json import JsonError, loads
from deputize.kernel.values import JsonObject, JsonValue

Typed = Mapping[str, Sequence[str]]
"""What a browser sent: each name's values, in their order."""
NO_PICTURE: Final = "none"
"""What the box says that takes a picture away."""


@dataclass(frozen=True, slots=True)
class FormField:
    """A line of text; other kinds are below. Left empty, its member gets its default."""

    name: str
    required: bool = False
    maxlength: int = 1024
    type: str = "text"
    autocomplete: str = "off"
    default: JsonValue = None
    """What an entry means that does not have the member."""
    readonly: bool = False
    """Shown, and not to be changed; what is sent of it does not count."""
    element: ClassVar[str] = "input"
    """How components.html shows it."""

    def find(self, entry: JsonObject) -> JsonValue:
        """Return the member's value in an entry."""
        value: JsonValue = entry
        for part in self.name.split("/"):
            value = value.get(part) if isinstance(value, Mapping) else None
        return self.default if value is None else value

    def show(self, value: JsonValue, moments: Moments) -> Sequence[str]:
        """Return the values of its inputs that stand for the member's value."""
        del moments
        return () if value is None else (str(value),)

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return the member's value that was put in. Raises `ValueError`."""
        del moments
        return (typed[0].strip() if typed else "") or None

    def keep(self, typed: Sequence[str]) -> Sequence[str]:
        """Return the values of its inputs when the form is shown again as it was sent."""
        return typed


@dataclass(frozen=True, slots=True)
class Area(FormField):
    """Several lines of text."""

    maxlength: int = 20_000
    rows: int = 4
    element: ClassVar[str] = "area"

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return the text with line ends as everywhere but in forms."""
        del moments
        return (typed[0].replace("\r\n", "\n").strip() if typed else "") or None


@dataclass(frozen=True, slots=True)
class Secret(FormField):
    """A password or secret, which is never shown; left empty it stays as it is."""

    type: str = "password"
    autocomplete: str = "new-password"

    def show(self, value: JsonValue, moments: Moments) -> Sequence[str]:
        """Show nothing."""
        del value, moments
        return ()

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return exactly what was typed."""
        del moments
        return typed[0] if typed and typed[0] else None

    def keep(self, typed: Sequence[str]) -> Sequence[str]:
        """Keep nothing: it is typed again."""
        del typed
        return ()


@dataclass(frozen=True, slots=True)
class Number(FormField):
    """A whole number."""

    type: str = "number"

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return the number. Raises `ValueError`."""
        del moments
        return int(typed[0]) if typed and typed[0].strip() else None


@dataclass(frozen=True, slots=True)
class Flag(FormField):
    """A box to tick."""

    element: ClassVar[str] = "flag"

    def show(self, value: JsonValue, moments: Moments) -> Sequence[str]:
        """Tick it for true."""
        del moments
        return ("on",) if value else ()

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return whether it was ticked."""
        del moments
        return bool(typed)


@dataclass(frozen=True, slots=True)
class Lines(Area):
    """A list of texts, one a line."""

    def show(self, value: JsonValue, moments: Moments) -> Sequence[str]:
        """Write one a line."""
        del moments
        return ("\n".join(str(each) for each in value),) if isinstance(value, Sequence) else ()

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return the lines that are not empty."""
        del moments
        return [line.strip() for line in (typed[0] if typed else "").splitlines() if line.strip()]


@dataclass(frozen=True, slots=True)
class Pairs(Area):
    """Texts by name, one a line, as in `de: Geld überweisen`; lines that begin with a space go on."""

    def show(self, value: JsonValue, moments: Moments) -> Sequence[str]:
        """Write one a line."""
        del moments
        pairs = value.items() if isinstance(value, Mapping) else ()
        return ("\n".join("\n  ".join(f"{name}: {text}".split("\n")) for name, text in pairs),)

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return the texts by name. Raises `ValueError` for a line without a colon."""
        del moments
        found: dict[str, str] = {}
        name = ""
        for line in (typed[0] if typed else "").replace("\r\n", "\n").split("\n"):
            if name and line.startswith((" ", "\t")):
                found[name] += "\n" + (line[2:] if line.startswith("  ") else line.strip())
                continue
            if not line.strip():
                continue
            name, colon, text = (part.strip() for part in line.partition(":"))
            if not colon or not name or name in found:
                raise ValueError(line)
            found[name] = text
        return {name: text.strip() for name, text in found.items()}


@dataclass(frozen=True, slots=True)
class Json(Area):
    """Anything, as JSON."""

    def show(self, value: JsonValue, moments: Moments) -> Sequence[str]:
        """Write it as people read it."""
        del moments
        return () if value is None else (json.dumps(value, indent=2, ensure_ascii=False),)

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return the value. Raises `ValueError`."""
        del moments
        text = typed[0].strip() if typed else ""
        try:
            return loads(text.encode("utf-8", "replace"), max_size=4 * self.maxlength) if text else None
        except JsonError as error:
            raise ValueError(text) from error


@dataclass(frozen=True, slots=True)
class Choice(FormField):
    """One of a few values; `FilledForm.options` has what can be chosen."""

    element: ClassVar[str] = "choice"


@dataclass(frozen=True, slots=True)
class YesNo(Choice):
    """True, false, or empty for what is the default."""

    def show(self, value: JsonValue, moments: Moments) -> Sequence[str]:
        """Choose "true" or "false"."""
        del moments
        return (str(value).lower(),) if isinstance(value, bool) else ()

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return which was chosen."""
        del moments
        return {"true": True, "false": False}.get(typed[0]) if typed else None


@dataclass(frozen=True, slots=True)
class Choices(FormField):
    """Some of a few values, with a box for each; `FilledForm.options` has what can be chosen."""

    element: ClassVar[str] = "choices"

    def show(self, value: JsonValue, moments: Moments) -> Sequence[str]:
        """Tick those of the list."""
        del moments
        return tuple(str(each) for each in value) if isinstance(value, Sequence) else ()

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return those ticked."""
        del moments
        return list(typed)


@dataclass(frozen=True, slots=True)
class ScopeChoices(Choices):
    """Scopes by the name of their resource, with a box for each; the value of a box is both, with a space."""

    def show(self, value: JsonValue, moments: Moments) -> Sequence[str]:
        """Tick those that are named."""
        del moments
        granted = value.items() if isinstance(value, Mapping) else ()
        return tuple(
            f"{resource} {scope}"
            for resource, scopes in granted
            if isinstance(scopes, Sequence)
            for scope in scopes
        )

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return the scopes ticked, by resource."""
        del moments
        granted: dict[str, list[JsonValue]] = {}
        for each in typed:
            resource, _, scope = each.rpartition(" ")
            granted.setdefault(resource, []).append(scope)
        return cast("JsonValue", granted)


@dataclass(frozen=True, slots=True)
class PictureFile(FormField):
    """A picture's file, kept as a `data:` URL. What is there stays unless another is chosen, or none."""

    maxlength: int = 32_768
    element: ClassVar[str] = "picture"

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return the file that was chosen, else the one that was there; none where that was ticked."""
        del moments
        return next(iter(self.keep(typed)), None)

    def keep(self, typed: Sequence[str]) -> Sequence[str]:
        """Keep what `read` returns."""
        chosen = [each for each in typed if each]
        return () if NO_PICTURE in chosen else tuple(chosen[-1:])


@dataclass(frozen=True, slots=True)
class Instant(FormField):
    """A day and a time, in the reader's zone.

    The instant itself goes along hidden: an hour that comes twice, when clocks are put back, would not tell
    which one it was.
    """

    type: str = "datetime-local"
    element: ClassVar[str] = "instant"

    def show(self, value: JsonValue, moments: Moments) -> Sequence[str]:
        """Write it as the browser's input wants it, and as it is."""
        return (moments.local_input(value), value) if isinstance(value, str) else ()

    def read(self, typed: Sequence[str], moments: Moments) -> JsonValue:
        """Return it as RFC 3339, the same where it was not touched. Raises `ValueError`."""
        if not typed or not typed[0].strip():
            return None
        is_same = len(typed) > 1 and moments.local_input(typed[1]) == typed[0]
        return typed[1] if is_same else moments.instant_text(typed[0])


Options = Sequence[tuple[str, str]]
"""Values that can be chosen, each with its words."""


@dataclass(frozen=True, slots=True)
class FilledForm:
    """A form with what its inputs hold, and what is wrong with it."""

    section: str
    fields: tuple[FormField, ...]
    values: Typed
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    """Field name to what is wrong; what belongs to no field is under ""."""
    options: Mapping[str, Options] = field(default_factory=dict[str, Options])
    """What can be chosen, by field; of a line of text what is suggested."""
    locked: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """Of `Choices`, by field, what is on whatever is ticked."""

    def with_problems(self, problems: Mapping[str, str]) -> "FilledForm":
        """Return the form with what is wrong; a problem goes to its field, or the nearest around it."""
        names = {each.name for each in self.fields}
        found: dict[str, list[str]] = {}
        for pointer, text in problems.items():
            place = pointer.lstrip("/")
            while place and place not in names:
                place = place.rpartition("/")[0]
            found.setdefault(place, []).append(text)
        return replace(self, problems={place: " · ".join(texts) for place, texts in found.items()})

    def with_options(self, **options: Options) -> "FilledForm":
        """Return the form with what can be chosen in its fields of these names.

        What is set can be kept, also where it could not be chosen any more.
        """
        whole = {
            name: (*known, *((each, each) for each in self.values.get(name, ()) if each not in dict(known)))
            for name, known in options.items()
        }
        return replace(self, options={**self.options, **whole})

    def value(self, name: str) -> str:
        """Return the first value of a field; empty without one."""
        return next(iter(self.values.get(name, ())), "")


class EntryForm:
    """The fields of a section's form."""

    def __init__(self, section: str, *fields: FormField) -> None:
        """Labels come from the texts of the section."""
        self.section = section
        self.fields = fields

    def fill(self, entry: JsonObject, moments: Moments) -> FilledForm:
        """Fill the form from an object's entry; an empty one leaves it empty."""
        values = {each.name: each.show(each.find(entry), moments) for each in self.fields}
        return FilledForm(self.section, self.fields, values)

    def refill(self, typed: Typed) -> FilledForm:
        """Fill the form with what was sent, but for secrets."""
        values = {each.name: each.keep(typed.get(each.name, ())) for each in self.fields}
        return FilledForm(self.section, self.fields, values)

    def read(self, typed: Typed, moments: Moments) -> tuple[dict[str, JsonValue], dict[str, str]]:
        """Return the entry that was put in, and the names of fields that cannot be read, with what is wrong.

        The entry has every field's member, `null` where it was left empty, except for secrets left empty.
        What is within another member, which is put in as a whole, is left out where it was left empty.
        """
        entry: dict[str, JsonValue] = {}
        problems: dict[str, str] = {}
        for each in self.fields:
            try:
                value = each.read(typed.get(each.name, ()), moments)
            except (ValueError, OverflowError):
                problems[each.name] = "console.unreadable"
                continue
            if value is None and isinstance(each, Secret):
                continue
            if each.required and not value:
                problems[each.name] = "console.required"
                continue
            *parents, last = each.name.split("/")
            inner = entry
            for parent in parents:
                inner = cast("dict[str, JsonValue]", inner.setdefault(parent, {}))
            if value is not None or not parents:
                inner[last] = value
        return entry, problems
