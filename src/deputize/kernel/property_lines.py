"""Files of properties, as Java programs write them: a line `name=value` or `name: value` for each."""

import re
from typing import Final

from deputize.kernel.errors import DeputizeError

_LINE: Final = re.compile(r"([^=:]*)[=:](.*)")


class PropertyLineError(DeputizeError):
    """A line holds no property."""

    def __init__(self, number: int) -> None:
        """`number` is that of the line, from 1."""
        self.number = number
        super().__init__(f"line {number} is not a line such as name=value")


def read_property_lines(text: str) -> dict[str, str]:
    """Return names and values without the blanks around them.

    Empty lines, and those that begin with `#` or `!`, are comments. Raises `PropertyLineError`.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith(("#", "!")):
            parts = _LINE.fullmatch(line)
            if parts is None:
                raise PropertyLineError(number)
            found[parts[1].strip()] = parts[2].strip()
    return found
