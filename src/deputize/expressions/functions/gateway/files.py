"""Files, which are the only thing that functions look at besides their arguments.

They are read where the expression is evaluated: once at load in a configuration expression; in a runtime
expression as rarely as the plan of a call is prepared. Paths are absolute, files have 256 KiB at most, and
one that cannot be read is an error.
"""

import codecs
from pathlib import Path

from deputize.expressions.errors import OperandError
from deputize.expressions.functions.function import Function, as_text, exactly, of_one
from deputize.expressions.values import MAX_TEXT, Value, is_absent
from deputize.kernel.property_lines import PropertyLineError, read_property_lines


def read(file: Value) -> Value:
    """The text of a file in UTF-8."""
    return None if is_absent(file) else _read(as_text(file), "utf-8")


def read_with_charset(file: Value, charset: Value) -> Value:
    """The text of a file in another character set."""
    name = as_text(charset)
    try:
        codecs.lookup(name)
    except (LookupError, ValueError) as error:
        raise OperandError(f"{name[:40]!r} is no character set") from error
    return None if is_absent(file) else _read(as_text(file), name)


def read_properties(file: Value) -> Value:
    """The properties in a file, each a text by its name."""
    if is_absent(file):
        return None
    try:
        return read_property_lines(_read(as_text(file), "utf-8"))
    except PropertyLineError as error:
        raise OperandError(f"{as_text(file)[:200]!r}: {error}") from error


def _read(name: str, charset: str) -> str:
    path = Path(name)
    if not path.is_absolute():
        raise OperandError(f"{name[:200]!r} is not absolute: begin it with &{{ig.instance.dir}}")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TEXT + 1)
        if len(content) > MAX_TEXT:
            raise OperandError(f"{name[:200]!r} has more than {MAX_TEXT} bytes")
        return content.decode(charset)
    except OSError as error:
        raise OperandError(f"{name[:200]!r} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise OperandError(f"{name[:200]!r} is not written in {charset}") from error


FUNCTIONS: tuple[Function, ...] = (
    of_one("read", read),
    exactly("readWithCharset", 2, read_with_charset),
    of_one("readProperties", read_properties),
)
