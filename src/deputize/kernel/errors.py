"""The error roots. Wire errors live beside the protocol that defines them (`oauth.errors`, `mcp.errors`)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from deputize.kernel.pointers import join

Given = ParamSpec("Given")
Made = TypeVar("Made")


class DeputizeError(Exception):
    """The root of every error that this product raises on purpose."""


def describe_failure(error: Exception) -> Mapping[str, object]:
    """Return the members of a log line about `error`: why it was raised on purpose, or else its traceback."""
    return {"reason": str(error)} if isinstance(error, DeputizeError) else {"exc_info": error}


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file: a JSON pointer, and line and column (from 1) where the parser knows them."""

    file: str
    pointer: str = ""
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}:{self.column or 1}"
        return f"{place} at {self.pointer}" if self.pointer else place

    def below(self, *parts: str | int) -> "Position":
        """Return the position of a member of the value at this one, or of a member of that."""
        return Position(self.file, join(self.pointer, *parts))


class ConfigurationError(DeputizeError):
    """Something an operator wrote is wrong. Says where, why, and what to do about it."""

    def __init__(self, position: Position, reason: str, fix: str = "") -> None:
        """Keep `reason`, a full clause without a closing dot; `fix` tells the operator what to change."""
        self.position = position
        self.reason = reason
        self.fix = fix
        super().__init__(f"{position}: {reason}" + (f" ({fix})" if fix else ""))

    @property
    def errors(self) -> "Sequence[ConfigurationError]":
        """The single errors that this one stands for: itself, unless there are several."""
        return (self,)


class ConfigurationErrors(ConfigurationError):
    """Several things an operator wrote are wrong.

    Position, reason and fix are those of the first; `str()` has a line for each.
    """

    def __init__(self, errors: Iterable[ConfigurationError]) -> None:
        """Join at least one error; equal ones count once."""
        self._errors = tuple({str(each): each for error in errors for each in error.errors}.values())
        first = self._errors[0]
        super().__init__(first.position, first.reason, first.fix)
        self.args = ("\n".join(map(str, self._errors)),)

    @property
    def errors(self) -> Sequence[ConfigurationError]:
        """The single errors."""
        return self._errors


@dataclass(slots=True)
class Faults:
    """Collects the errors of something that goes on after each, to report all of them at once."""

    found: list[ConfigurationError] = field(default_factory=list[ConfigurationError])

    def attempt(self, act: Callable[Given, Made], *given: Given.args, **named: Given.kwargs) -> Made | None:
        """Return what `act` returns; `None` when it raises a `ConfigurationError`, which is noted."""
        try:
            return act(*given, **named)
        except ConfigurationError as error:
            self.found += error.errors
            return None

    def error(self) -> ConfigurationError:
        """The noted errors as one to raise; at least one must be noted."""
        errors = ConfigurationErrors(self.found)
        return errors if len(errors.errors) > 1 else errors.errors[0]

    def raise_any(self) -> None:
        """Raise the noted errors, if there are any."""
        if self.found:
            raise self.error()
