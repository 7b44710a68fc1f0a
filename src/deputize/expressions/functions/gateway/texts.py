"""Texts, and the numbers they spell. What is absent gives null, or false where the answer is a boolean."""

import json
import re
from collections.abc import Callable
from typing import cast

from deputize.expressions.arithmetic import concatenate, parse_number
from deputize.expressions.errors import OperandError
from deputize.expressions.functions.function import (
    Function,
    as_integer,
    as_list,
    as_text,
    ask,
    exactly,
    join_texts,
    of_one,
    on_text,
)
from deputize.expressions.functions.gateway.regexes import matches_whole, split
from deputize.expressions.values import (
    DEFAULT_LIMITS,
    MAX_INTEGER,
    MAX_TEXT,
    Value,
    equals,
    is_absent,
    is_list,
    is_mapping,
    is_number,
    plain,
    text_of,
)
from deputize.kernel import strict_json

_DIGITS = re.compile(r"[+-]?[0-9A-Za-z]{1,64}")


def join(values: Value, separator: Value) -> Value:
    """The list's elements as one text."""
    if is_absent(values):
        return None
    parts = ["" if is_absent(value) else text_of(value) for value in as_list(values)]
    return join_texts(parts, "" if is_absent(separator) else as_text(separator))


def index_of(value: Value, part: Value) -> int:
    """The first position, from 0, of a part in a text or of an element in a list; -1 when it is not there."""
    if is_list(value):
        return next((at for at, item in enumerate(value) if is_same(item, part)), -1)
    return -1 if is_absent(value) or is_absent(part) else as_text(value).find(as_text(part))


def last_index_of(value: Value, part: Value) -> int:
    """The last position, as `index_of` gives the first."""
    if is_list(value):
        return next((at for at in range(len(value) - 1, -1, -1) if is_same(value[at], part)), -1)
    return -1 if is_absent(value) or is_absent(part) else as_text(value).rfind(as_text(part))


def is_same(value: Value, other: Value) -> bool:
    """Whether both are equal; what is absent equals nothing."""
    return not is_absent(value) and not is_absent(other) and equals(value, other)


def char_at(value: Value, position: Value) -> Value:
    """One character of the text; a position outside of it is an error."""
    if is_absent(value):
        return None
    text, at = as_text(value), as_integer(position)
    if not 0 <= at < len(text):
        raise OperandError(f"the text has no character {at}")
    return text[at]


def to_text(value: Value) -> Value:
    """The value as text; lists and maps become JSON."""
    if is_absent(value):
        return None
    if is_list(value) or is_mapping(value):
        return json.dumps(plain(value, DEFAULT_LIMITS.size), separators=(",", ":"), ensure_ascii=False)
    return text_of(value)


def to_json(value: Value) -> Value:
    """The value a JSON text stands for, read strictly. A text that is not JSON is an error."""
    if is_absent(value):
        return None
    try:
        return strict_json.loads(as_text(value).encode(), max_size=4 * MAX_TEXT)
    except (strict_json.JsonError, UnicodeEncodeError) as error:
        raise OperandError(f"the text is not JSON: {error}") from error


def escape_json(text: str) -> str:
    """`text` as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def concat(value: Value, *others: Value) -> Value:
    """The texts one after the other; absent ones are skipped."""
    made = ""
    for part in (value, *others):
        made = concatenate(made, "" if is_absent(part) else text_of(part))
    return made


def replace(value: Value, old: Value, new: Value) -> Value:
    """The text with every `old`, taken literally, replaced by `new`."""
    if is_absent(value):
        return None
    text, cut = as_text(value), as_text(old)
    return join_texts(text.split(cut) if cut else [text], as_text(new))


def substring(value: Value, start: Value, end: Value = None) -> Value:
    """The characters from `start` up to `end`; positions outside of the text are errors."""
    if is_absent(value):
        return None
    text = as_text(value)
    first = as_integer(start)
    last = len(text) if is_absent(end) else as_integer(end)
    if not 0 <= first <= last <= len(text):
        raise OperandError(f"the text has no characters {first} to {last}")
    return text[first:last]


def to_bool(value: Value) -> bool:
    """True for true and for the text `true` in any case, false for everything else."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def to_integer(value: Value) -> Value:
    """The integer a text spells; null when it spells none."""
    number = parse_number(value.strip()) if isinstance(value, str) else value
    return int(number) if is_number(number) and abs(number) <= MAX_INTEGER and number == int(number) else None


def to_integer_with_radix(value: Value, radix: Value) -> Value:
    """The integer a text spells in base `radix` (2 to 36); null when it spells none."""
    base = as_integer(radix)
    if not 2 <= base <= 36:
        raise OperandError("the radix must be 2 to 36")
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        return None
    try:
        number = int(value, base)
    except ValueError:
        return None
    return number if abs(number) <= MAX_INTEGER else None


FUNCTIONS: tuple[Function, ...] = (
    on_text("toLowerCase", str.lower),
    on_text("toUpperCase", str.upper),
    on_text("trim", str.strip),
    of_one("toString", to_text),
    of_one("toJson", to_json),
    on_text("escapeJson", escape_json),
    exactly("join", 2, join),
    exactly("indexOf", 2, index_of),
)
NUMBERS: tuple[Function, ...] = (
    of_one("bool", to_bool),
    of_one("boolean", to_bool),
    of_one("integer", to_integer),
    exactly("integerWithRadix", 2, to_integer_with_radix),
)
METHODS: tuple[Function, ...] = (
    ask(".startsWith", str.startswith),
    ask(".endsWith", str.endswith),
    ask(".equalsIgnoreCase", lambda one, other: one.casefold() == other.casefold()),
    exactly(".matches", 2, matches_whole, patterns_at={1}),
    exactly(".split", 2, split, patterns_at={1}),
    on_text(".toLowerCase", str.lower),
    on_text(".toUpperCase", str.upper),
    on_text(".trim", str.strip),
    of_one(".toString", to_text),
    exactly(".indexOf", 2, index_of),
    exactly(".lastIndexOf", 2, last_index_of),
    exactly(".equals", 2, is_same),
    exactly(".charAt", 2, char_at),
    on_text(".strip", str.strip),
    of_one(".isBlank", lambda value: is_absent(value) or not as_text(value).strip()),
    Function(".concat", cast("Callable[..., Value]", concat), 2, None),
    exactly(".replace", 3, replace),
    Function(".substring", substring, 2, 3),
)
