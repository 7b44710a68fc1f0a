"""Everything that is wrong with a file, each thing with its place, reported together."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from deputize.authority.environment_file.source import Source
from deputize.kernel.errors import ConfigurationError, DeputizeError


class EnvironmentFileInvalid(DeputizeError):
    """The file cannot be applied; nothing was changed. `str()` is one line for each error."""

    def __init__(self, errors: Sequence[ConfigurationError]) -> None:
        """`errors` is not empty."""
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in errors))


class Problem(NamedTuple):
    """Something wrong, and where."""

    pointer: str
    reason: str
    fix: str
    at_key: bool


class Problems:
    """Collects errors while checking goes on, so that an administrator sees all of them at once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._found: list[Problem] = []

    def __iter__(self) -> Iterator[Problem]:
        """What was collected so far."""
        return iter(self._found)

    def add(self, pointer: str, reason: str, fix: str = "", *, at_key: bool = False) -> None:
        """Something at `pointer` is wrong; `at_key` shows the member's name instead of its value."""
        self._found.append(Problem(pointer, reason, fix, at_key))

    def raise_if_any(self) -> None:
        """Raise `EnvironmentFileInvalid` with what was collected, in the order of the file."""
        if self._found:
            errors = [
                ConfigurationError(
                    self._source.position(each.pointer, at_key=each.at_key), each.reason, each.fix
                )
                for each in self
            ]
            raise EnvironmentFileInvalid(sorted(errors, key=_place))


def _place(error: ConfigurationError) -> tuple[int, int]:
    return error.position.line or 0, error.position.column or 0
