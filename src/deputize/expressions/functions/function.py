"""How a function is made known to a dialect."""

from collections.abc import Callable, Container
from dataclasses import dataclass

from deputize.expressions.values import Value


@dataclass(frozen=True, slots=True)
class Function:
    """A pure function over values. It raises `OperandError` for operands it refuses, and nothing else."""

    call: Callable[..., Value]
    least: int
    """The fewest arguments it takes."""
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


def exactly(count: int, call: Callable[..., Value], patterns_at: Container[int] = ()) -> Function:
    """A function of `count` arguments."""
    return Function(call, count, count, patterns_at)


def of_one(call: Callable[[Value], Value]) -> Function:
    """A function of one argument."""
    return Function(call, 1, 1)
