"""The error roots. Wire errors live beside the protocol that defines them (`oauth.errors`, `mcp.errors`)."""

from dataclasses import dataclass


class DeputizeError(Exception):
    """Root of every error this product raises on purpose."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where in a file something stands: a JSON pointer, and line and column (from 1) where the parser knows them."""

    file: str
    pointer: str = ""
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}:{self.column or 1}"
        return f"{place} at {self.pointer}" if self.pointer else place


class ConfigurationError(DeputizeError):
    """Something an operator wrote is wrong. Says where, why, and what to do about it."""

    def __init__(self, position: Position, reason: str, fix: str = "") -> None:
        """`reason` is a full clause without a closing dot; `fix` tells the operator what to change."""
        self.position = position
        self.reason = reason
        self.fix = fix
        super().__init__(f"{position}: {reason}" + (f" ({fix})" if fix else ""))
