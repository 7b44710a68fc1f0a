"""`#string`: functions on texts. An absent text gives null, or false where the answer is a boolean."""

from collections.abc import Callable, Mapping

from deputize.expressions.functions import operands
from deputize.expressions.functions.function import Function, exactly, of_one
from deputize.expressions.values import Value, is_absent, text_of


def _on_text(change: Callable[[str], Value]) -> Function:
    """A function of one text that leaves null alone."""
    return of_one(lambda value: None if is_absent(value) else change(operands.text(value)))


def _asks(question: Callable[[str, str], bool]) -> Function:
    """A question about a text and another; false when either is absent."""

    def ask(value: Value, other: Value) -> bool:
        return (
            not is_absent(value)
            and not is_absent(other)
            and question(operands.text(value), operands.text(other))
        )

    return exactly(2, ask)


def is_not_empty(value: Value) -> bool:
    """Whether the text has characters."""
    return not is_absent(value) and operands.text(value) != ""


def is_not_blank(value: Value) -> bool:
    """Whether the text has characters other than white space."""
    return not is_absent(value) and operands.text(value).strip() != ""


def substring(value: Value, start: Value, end: Value = None) -> Value:
    """The characters from `start` up to `end`.

    Negative positions count from the end, those outside are moved to it.
    """
    if is_absent(value):
        return None
    text = operands.text(value)
    return text[operands.integer(start) : None if is_absent(end) else operands.integer(end)]


def join(values: Value, separator: Value) -> Value:
    """The list's elements as one text; absent ones are skipped."""
    if is_absent(values):
        return None
    parts = [text_of(value) for value in operands.items(values) if not is_absent(value)]
    return operands.joined(parts, "" if is_absent(separator) else operands.text(separator))


def replace(value: Value, old: Value, new: Value) -> Value:
    """The text with every `old`, taken literally, replaced by `new`.

    An empty or absent `old` replaces nothing.
    """
    if is_absent(value) or is_absent(old) or old == "":
        return None if is_absent(value) else operands.text(value)
    return operands.joined(
        operands.text(value).split(operands.text(old)), "" if is_absent(new) else operands.text(new)
    )


FUNCTIONS: Mapping[str, Function] = {
    "isEmpty": of_one(lambda value: not is_not_empty(value)),
    "isNotEmpty": of_one(is_not_empty),
    "isBlank": of_one(lambda value: not is_not_blank(value)),
    "isNotBlank": of_one(is_not_blank),
    "upperCase": _on_text(str.upper),
    "lowerCase": _on_text(str.lower),
    "trim": _on_text(str.strip),
    "length": of_one(lambda value: 0 if is_absent(value) else len(operands.text(value))),
    "startsWith": _asks(str.startswith),
    "endsWith": _asks(str.endswith),
    "contains": _asks(str.__contains__),
    "substring": Function(substring, 2, 3),
    "replace": exactly(3, replace),
    "join": exactly(2, join),
}
