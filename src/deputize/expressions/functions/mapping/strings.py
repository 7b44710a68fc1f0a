"""`#string`: functions on texts. An absent text gives null, or false where the answer is a boolean."""

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
from deputize.expressions.values import Value, is_absent, text_of


def is_not_empty(value: Value) -> bool:
    """Whether the text has characters."""
    return not is_absent(value) and as_text(value) != ""


def is_not_blank(value: Value) -> bool:
    """Whether the text has characters other than white space."""
    return not is_absent(value) and as_text(value).strip() != ""


def substring(value: Value, start: Value, end: Value = None) -> Value:
    """The characters from `start` up to `end`.

    Negative positions count from the end, those outside are moved to it.
    """
    if is_absent(value):
        return None
    text = as_text(value)
    return text[as_integer(start) : None if is_absent(end) else as_integer(end)]


def join(values: Value, separator: Value) -> Value:
    """The list's elements as one text; absent ones are skipped."""
    if is_absent(values):
        return None
    parts = [text_of(value) for value in as_list(values) if not is_absent(value)]
    return join_texts(parts, "" if is_absent(separator) else as_text(separator))


def replace(value: Value, old: Value, new: Value) -> Value:
    """The text with every `old`, taken literally, replaced by `new`.

    An empty or absent `old` replaces nothing.
    """
    if is_absent(value) or is_absent(old) or old == "":
        return None if is_absent(value) else as_text(value)
    return join_texts(as_text(value).split(as_text(old)), "" if is_absent(new) else as_text(new))


FUNCTIONS: tuple[Function, ...] = (
    of_one("string.isEmpty", lambda value: not is_not_empty(value)),
    of_one("string.isNotEmpty", is_not_empty),
    of_one("string.isBlank", lambda value: not is_not_blank(value)),
    of_one("string.isNotBlank", is_not_blank),
    on_text("string.upperCase", str.upper),
    on_text("string.lowerCase", str.lower),
    on_text("string.trim", str.strip),
    of_one("string.length", lambda value: 0 if is_absent(value) else len(as_text(value))),
    ask("string.startsWith", str.startswith),
    ask("string.endsWith", str.endswith),
    ask("string.contains", str.__contains__),
    Function("string.substring", substring, 2, 3),
    exactly("string.replace", 3, replace),
    exactly("string.join", 2, join),
)
