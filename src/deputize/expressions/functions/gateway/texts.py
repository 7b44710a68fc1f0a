"""Texts. What is absent gives null, or false where the answer is a boolean."""

import json
from collections.abc import Callable, Mapping
from typing import cast

from deputize.expressions.arithmetic import concatenate
from deputize.expressions.errors import OperandError
from deputize.expressions.functions import operands
from deputize.expressions.functions.function import Function, exactly, of_one
from deputize.expressions.functions.gateway.regexes import FUNCTIONS as _REGEXES
from deputize.expressions.limits import DEFAULT, MAX_TEXT
from deputize.expressions.values import Value, is_absent, is_list, is_mapping, plain, text_of
from deputize.kernel import strict_json


def on_text(change: Callable[[str], Value]) -> Callable[[Value], Value]:
    """A function of one text that leaves null alone."""
    return lambda value: None if is_absent(value) else change(operands.text(value))


def asks(question: Callable[[str, str], bool]) -> Function:
    """A question about a text and another; false when either is absent."""

    def ask(value: Value, other: Value) -> bool:
        return (
            not is_absent(value)
            and not is_absent(other)
            and question(operands.text(value), operands.text(other))
        )

    return exactly(2, ask)


def join(values: Value, separator: Value) -> Value:
    """The list's elements as one text."""
    if is_absent(values):
        return None
    parts = ["" if is_absent(value) else text_of(value) for value in operands.items(values)]
    return operands.joined(parts, "" if is_absent(separator) else operands.text(separator))


def index_of(value: Value, part: Value) -> int:
    """The position, from 0, of `part` in the text; -1 when it is not there."""
    return -1 if is_absent(value) or is_absent(part) else operands.text(value).find(operands.text(part))


def to_text(value: Value) -> Value:
    """The value as text; lists and maps become JSON."""
    if is_absent(value):
        return None
    if is_list(value) or is_mapping(value):
        return json.dumps(plain(value, DEFAULT.size), separators=(",", ":"), ensure_ascii=False)
    return text_of(value)


def to_json(value: Value) -> Value:
    """The value a JSON text stands for, read strictly. A text that is not JSON is an error."""
    if is_absent(value):
        return None
    try:
        return strict_json.loads(operands.text(value).encode(), max_size=4 * MAX_TEXT)
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
    return operands.joined(_cut(operands.text(value), operands.text(old)), operands.text(new))


def _cut(text: str, at: str) -> list[str]:
    return text.split(at) if at else [text]


def substring(value: Value, start: Value, end: Value = None) -> Value:
    """The characters from `start` up to `end`; positions outside of the text are errors."""
    if is_absent(value):
        return None
    text = operands.text(value)
    first = operands.integer(start)
    last = len(text) if is_absent(end) else operands.integer(end)
    if not 0 <= first <= last <= len(text):
        raise OperandError(f"the text has no characters {first} to {last}")
    return text[first:last]


_STARTS_WITH = asks(str.startswith)
_LOWER, _UPPER, _TRIM = (of_one(on_text(change)) for change in (str.lower, str.upper, str.strip))
_INDEX_OF = exactly(2, index_of)
_TO_TEXT = of_one(to_text)

FUNCTIONS: Mapping[str, Function] = {
    "toLowerCase": _LOWER,
    "toUpperCase": _UPPER,
    "trim": _TRIM,
    "toString": _TO_TEXT,
    "toJson": of_one(to_json),
    "escapeJson": of_one(on_text(escape_json)),
    "join": exactly(2, join),
    "indexOf": _INDEX_OF,
}
METHODS: Mapping[str, Function] = {
    "startsWith": _STARTS_WITH,
    "endsWith": asks(str.endswith),
    "equalsIgnoreCase": asks(lambda one, other: one.casefold() == other.casefold()),
    "matches": _REGEXES["matchesWithRegex"],
    "split": _REGEXES["split"],
    "toLowerCase": _LOWER,
    "toUpperCase": _UPPER,
    "trim": _TRIM,
    "toString": _TO_TEXT,
    "indexOf": _INDEX_OF,
    "concat": Function(cast("Callable[..., Value]", concat), 2, None),
    "replace": exactly(3, replace),
    "substring": Function(substring, 2, 3),
}
