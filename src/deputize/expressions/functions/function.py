"""What a function of an expression is, and how it reads its arguments."""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature

from deputize.expressions.errors import OperandError, OperandLimitError
from deputize.expressions.values import (
    MAX_INTEGER,
    MAX_TEXT,
    Value,
    describe,
    is_absent,
    is_list,
    is_mapping,
    is_number,
)
from deputize.kernel.families import Family


@dataclass(frozen=True, slots=True)
class Function:
    """A pure function over values. It raises `OperandError` for operands it refuses, and nothing else."""

    name: str
    """How expressions write it: `find`, `.concat` for a method, `string.trim` in a mapping's library."""
    call: Callable[..., Value]
    least: int
    """The fewest arguments it takes; the value that a method is called on is the first."""
    most: int | None
    """The most arguments it takes; `None` for any number."""
    patterns_at: Container[int] = ()
    """Which arguments are regular expressions.

    A literal one is compiled once, and refused at compile time when it is wrong.
    """

    def takes(self, count: int) -> bool:
        """Whether the function can be called with `count` arguments."""
        return self.least <= count and (self.most is None or count <= self.most)

    @property
    def arity(self) -> str:
        """How many arguments it takes, in words."""
        if self.most is None:
            return f"at least {self.least} arguments"
        few = str(self.least) if self.least == self.most else f"{self.least} to {self.most}"
        return f"{few} argument{'' if few == '1' else 's'}"


def define_functions(group: str, own: tuple[Function, ...], spelling: str) -> Family[Function]:
    """The functions of one dialect; the entry points in `group` name a `Function` each.

    `spelling` is the regular expression of the names that the dialect can call.
    """

    def find_flaw(found: object) -> str:
        if not isinstance(found, Function):
            return "it is no Function"
        if not re.fullmatch(spelling, found.name):
            return f"no expression can call {found.name!r}"
        if found.name.startswith(".") and found.least < 1:
            return f"{found.name!r} is a method, but takes no argument for the value it is called on"
        many = found.least + 64 if found.most is None else found.most
        try:
            for count in (found.least, many):
                signature(found.call).bind(*[None] * count)
        except TypeError as error:
            return f"{found.name!r} is said to take {found.arity}, but cannot be called so: {error}"
        return ""

    return Family(group, own, lambda function: (function.name,), find_flaw)


def exactly(name: str, count: int, call: Callable[..., Value], patterns_at: Container[int] = ()) -> Function:
    """A function of `count` arguments."""
    return Function(name, call, count, count, patterns_at)


def of_one(name: str, call: Callable[[Value], Value]) -> Function:
    """A function of one argument."""
    return Function(name, call, 1, 1)


def on_text(name: str, change: Callable[[str], Value]) -> Function:
    """A function of one text that leaves null alone."""

    def call(value: Value) -> Value:
        return None if is_absent(value) else change(as_text(value))

    return Function(name, call, 1, 1)


def ask(name: str, question: Callable[[str, str], bool]) -> Function:
    """A question about a text and another; false when either is absent."""

    def call(value: Value, other: Value) -> bool:
        return not is_absent(value) and not is_absent(other) and question(as_text(value), as_text(other))

    return Function(name, call, 2, 2)


def as_text(value: Value) -> str:
    """`value` as a text. Raises `OperandError`."""
    if isinstance(value, str):
        return value
    raise OperandError(f"a text is needed, not {describe(value)}")


def as_integer(value: Value) -> int:
    """`value` as an integer that 64 bits hold; doubles must be whole. Raises `OperandError`."""
    if is_number(value) and abs(value) <= MAX_INTEGER and value == int(value):
        return int(value)
    raise OperandError(f"an integer is needed, not {describe(value)}")


def as_list(value: Value) -> Sequence[Value]:
    """`value` as a list. Raises `OperandError`."""
    if is_list(value):
        return value
    raise OperandError(f"a list is needed, not {describe(value)}")


def as_map(value: Value) -> Mapping[str, Value]:
    """`value` as a map. Raises `OperandError`."""
    if is_mapping(value):
        return value
    raise OperandError(f"a map is needed, not {describe(value)}")


def join_texts(parts: Sequence[str], separator: str) -> str:
    """The parts with `separator` between them.

    Refused before it is built when it would be longer than `MAX_TEXT`.
    """
    if sum(map(len, parts)) + len(separator) * len(parts) > MAX_TEXT:
        raise OperandLimitError(f"makes a text longer than {MAX_TEXT} characters")
    return separator.join(parts)
