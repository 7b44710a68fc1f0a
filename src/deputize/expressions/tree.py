"""What a parser makes of an expression.

Every node knows where it stands: `start` and `end` cut its text out of the source.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

UnaryOperator: TypeAlias = OneOf["not", "-", "+", "empty"]
BinaryOperator: TypeAlias = OneOf[
    "or", "and", "==", "!=", "<", "<=", ">", ">=", "matches", "+", "-", "*", "/", "%", "^"
]
Choice: TypeAlias = OneOf["all", "first", "last"]


@dataclass(frozen=True, slots=True)
class Node:
    """Any part of an expression."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant."""

    value: bool | float | str | None


@dataclass(frozen=True, slots=True)
class Root(Node):
    """The bindings as a whole: `#root`."""


@dataclass(frozen=True, slots=True)
class This(Node):
    """The element a selection or projection looks at, elsewhere the bindings: `#this`."""


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`target.name`; a bare `name` has `This` (of no width) as its target."""

    target: Node
    name: str


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`target[key]`."""

    target: Node
    key: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of the dialect with its arguments; `name` is `find` or `string.trim`."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MethodCall(Node):
    """`target.name(arguments)`, one of the few functions on values that the gateway's dialect allows."""

    target: Node
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`operator operand`."""

    operator: UnaryOperator
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`left operator right`; `at` is where the operator stands."""

    operator: BinaryOperator
    left: Node
    right: Node
    at: int


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`test ? then : otherwise`."""

    test: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Elvis(Node):
    """`value ?: otherwise`."""

    value: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class ListLiteral(Node):
    """`{a, b}`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapLiteral(Node):
    """`{key: value}`; keys that are bare words have become literals."""

    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Selection(Node):
    """`target.?[test]`: the elements that pass; `.^[test]` the first, `.$[test]` the last of them."""

    target: Node
    choice: Choice
    test: Node


@dataclass(frozen=True, slots=True)
class Projection(Node):
    """`target.![body]`: what `body` makes of each element."""

    target: Node
    body: Node


def children(node: Node) -> tuple[Node, ...]:  # noqa: PLR0911 - one line a shape
    """The nodes directly below `node`, from left to right."""
    match node:
        case Member(target=target):
            return (target,)
        case (
            Index(target=target, key=other)
            | Selection(target=target, test=other)
            | Projection(target=target, body=other)
        ):
            return (target, other)
        case Call(arguments=items) | ListLiteral(items=items):
            return items
        case MethodCall(target=target, arguments=items):
            return (target, *items)
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right) | Elvis(value=left, otherwise=right):
            return (left, right)
        case Conditional(test=test, then=then, otherwise=otherwise):
            return (test, then, otherwise)
        case MapLiteral(entries=entries):
            return tuple(part for entry in entries for part in entry)
        case _:
            return ()


def walk(root: Node) -> Iterator[tuple[Node, int]]:
    """`root` and every node below it, each with its depth (the root's is 1).

    Does not recurse: trees may be deep.
    """
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting.extend((child, depth + 1) for child in children(node))


def count(root: Node) -> int:
    """How many nodes the tree has: what one evaluation without loops costs in steps."""
    return sum(1 for _ in walk(root))
