"""Reads a tool's arguments from a sentence, guided only by the tool's JSON schema."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

from agent import when
from agent.documents import json_members, strings

_CAPITAL = r"[A-ZÀ-ÖØ-Þ][\w'’.-]*"
_PHRASE = rf"{_CAPITAL}(?:(?:\s+(?:de|da|do|del|la|of|the|upon)\s+|,\s*|\s+){_CAPITAL})*"
_LEADS = "in|for|at|of|near|around|about|to|from|on"
_AFTER_LEAD = re.compile(rf"\b(?:{_LEADS})\s+(?P<phrase>{_PHRASE})")
_NO_SUBJECT = "the|my|our|a|me|us|you|it|this|that|next|now|each|every|all"
_PLAIN_AFTER_LEAD = re.compile(
    rf"\b(?:{_LEADS})\s+(?:the |my |our |a )?(?!(?:{_NO_SUBJECT})\b)(?P<phrase>[^\W\d][\w'’-]*)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“']([^\"”']{1,200})[\"”']")
_NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w-])")
_WORD = re.compile(r"[^\W_]+")
# Prepositions in a parameter's name that precede its value in a sentence: `from_account` in "from checking".
_PREPOSITIONS = frozenset({"from", "to", "in", "at", "of", "for", "with", "by", "on"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One property of a tool's input schema, with the several ways of describing it reduced to one."""

    name: str
    kind: str
    """`string`, `number`, `integer`, `boolean`, `date`, `date-time`, or another JSON type."""
    description: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False

    @property
    def words(self) -> list[str]:
        """Return the words of its name in lower case."""
        return words(self.name)


@dataclass(slots=True)
class Reading:
    """The rest of a sentence while its parts are assigned to parameters."""

    sentence: str
    today: date
    moment: when.Moment = field(init=False)

    def __post_init__(self) -> None:
        self.moment = when.find(self.sentence, self.today)
        self.sentence = self.moment.rest

    def take(self, match: re.Match[str], group: int | str = 0) -> str:
        """Return part of a match, and take the whole match out of the sentence.

        A comma stays, so that its neighbours do not become a phrase.
        """
        self.sentence = f"{self.sentence[: match.start()]} , {self.sentence[match.end() :]}"
        return match.group(group).strip().rstrip("?!.,;")


def words(text: str) -> list[str]:
    """Return the words of a text or of a name in any style, in lower case."""
    return [word.lower() for word in _WORD.findall(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text))]


def parameters(schema: Mapping[str, Any]) -> list[Parameter]:
    """Return the parameters that a schema describes, the required ones first.

    A property may be described by `true`, which says nothing.
    """
    required = strings(schema.get("required"))
    found = [
        _parameter(name, of, name in required) for name, of in json_members(schema.get("properties")).items()
    ]
    return sorted(found, key=lambda parameter: not parameter.required)


def read(sentence: str, wanted: Sequence[Parameter], today: date) -> dict[str, Any]:
    """Return the arguments that the sentence has for these parameters.

    What has a shape of its own is read before free text.
    """
    reading = Reading(sentence, today)
    found: dict[str, Any] = {}
    for reader in (
        _choice,
        _moment,
        _labelled_number,
        _any_number,
        _quoted,
        _after_own_preposition,
        _beside_own_name,
        _subject,
    ):
        for parameter in wanted:
            if parameter.name not in found:
                value = reader(parameter, reading)
                if value is not None:
                    found[parameter.name] = value
    return found


def convert(text: str, parameter: Parameter, today: date) -> object:
    """Convert the answer to a question for this parameter. Raises `ValueError` when it does not fit."""
    text = text.strip()
    if parameter.choices and text.lower() in map(str.lower, parameter.choices):
        return next(choice for choice in parameter.choices if choice.lower() == text.lower())
    if parameter.kind in {"integer", "number"}:
        return int(text) if parameter.kind == "integer" else float(text)
    if parameter.kind == "boolean":
        return text.lower() in {"y", "yes", "true", "1"}
    if parameter.kind in {"date", "date-time"}:
        found = _moment(parameter, Reading(text, today))
        if found is None:
            raise ValueError(f"{text!r} is no date")
        return found
    if not text or parameter.choices:
        raise ValueError("expected " + (" or ".join(parameter.choices) or "some text"))
    return text


def _parameter(name: str, described: object, required: bool) -> Parameter:
    schema = json_members(described)
    options = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    kinds = [kind for option in options for kind in _kinds(option.get("type")) if kind != "null"]
    formats = [option["format"] for option in options if option.get("format") in {"date", "date-time"}]
    choices = next((option["enum"] for option in options if option.get("enum")), ())
    kind = formats[0] if formats else _kind_by_name(name, kinds[0] if kinds else "string")
    texts = tuple(str(choice) for choice in choices if choice is not None)
    return Parameter(name, kind, str(schema.get("description", "")), texts, required)


def _kind_by_name(name: str, kind: str) -> str:
    """Guess the kind from the name, for not every server uses `format`."""
    last = words(name)[-1:]
    if kind == "string" and last == ["date"]:
        return "date"
    return "date-time" if kind == "string" and last in (["time"], ["datetime"], ["timestamp"]) else kind


def _kinds(kind: object) -> tuple[str, ...]:
    return (kind,) if isinstance(kind, str) else strings(kind)


def _choice(parameter: Parameter, reading: Reading) -> str | None:
    for choice in parameter.choices:
        if match := re.search(rf"\b{re.escape(choice)}\b", reading.sentence, re.IGNORECASE):
            reading.take(match)
            return choice
    return None


def _moment(parameter: Parameter, reading: Reading) -> str | None:
    moment = reading.moment
    if parameter.kind == "date" and moment.day:
        return moment.day.isoformat()
    if parameter.kind == "date-time" and (moment.time or moment.day):
        # A day alone means noon where one moment is required, and its beginning where something starts.
        return moment.at(reading.today, time(12) if parameter.required else time()).isoformat()
    return None


def _labelled_number(parameter: Parameter, reading: Reading) -> float | None:
    """Read a number beside the parameter's name: `3 days`, `latitude 35.7`."""
    if parameter.kind not in {"integer", "number"}:
        return None
    label = rf"\b(?:{'|'.join(re.escape(word.rstrip('s')) + 's?' for word in parameter.words)})\b"
    number = rf"(?P<number>{_NUMBER.pattern})"
    match = re.search(rf"{number}\s+{label}", reading.sentence, re.IGNORECASE) or re.search(
        rf"{label}(?:\s+(?:of|is|to))?[\s:=]+{number}", reading.sentence, re.IGNORECASE
    )
    return _number(reading.take(match, "number"), parameter) if match else None


def _any_number(parameter: Parameter, reading: Reading) -> float | None:
    if parameter.kind not in {"integer", "number"} or not parameter.required:
        return None
    match = _NUMBER.search(reading.sentence) or re.search(r"(?<=[$€£¥])\d+(?:\.\d+)?", reading.sentence)
    return _number(reading.take(match), parameter) if match else None


def _number(text: str, parameter: Parameter) -> float | None:
    value = float(text)
    if parameter.kind == "number":
        return value
    return int(value) if value.is_integer() else None


def _is_free_text(parameter: Parameter) -> bool:
    return parameter.kind == "string" and not parameter.choices


def _quoted(parameter: Parameter, reading: Reading) -> str | None:
    match = _QUOTED.search(reading.sentence) if _is_free_text(parameter) else None
    return reading.take(match, 1) if match else None


def _after_own_preposition(parameter: Parameter, reading: Reading) -> str | None:
    """Read `from checking` for `from_account`."""
    own = _PREPOSITIONS.intersection(parameter.words)
    if not own or not _is_free_text(parameter):
        return None
    match = re.search(
        rf"\b(?:{'|'.join(sorted(own))})\s+(?:my |the |our )?(?P<phrase>{_PHRASE}|[\w-]+)", reading.sentence
    )
    return reading.take(match, "phrase") if match else None


def _beside_own_name(parameter: Parameter, reading: Reading) -> str | None:
    """Read `savings account` or `account DE123` for `account`."""
    if not _is_free_text(parameter):
        return None
    name = re.escape(parameter.words[-1]) if parameter.words else "(?!)"
    match = re.search(
        rf"\b{name}\s+(?:number |named |called )?(?P<phrase>\w*[\dA-Z][\w-]*)", reading.sentence
    ) or re.search(rf"\b(?:my|the|our)\s+(?P<phrase>\w[\w-]*)\s+{name}\b", reading.sentence, re.IGNORECASE)
    return reading.take(match, "phrase") if match else None


def _subject(parameter: Parameter, reading: Reading) -> str | None:
    """Read what the sentence is about.

    This is a name after `in`, `for`, `of` ..., else a word there, else any name that does not begin the
    sentence.
    """
    if not _is_free_text(parameter):
        return None
    match = _AFTER_LEAD.search(reading.sentence) or _PLAIN_AFTER_LEAD.search(reading.sentence)
    match = match or re.search(rf"(?<=\s)(?P<phrase>{_PHRASE})", reading.sentence)
    return reading.take(match, "phrase") if match else None
