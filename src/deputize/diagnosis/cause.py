"""What a cause is: a symptom, why it is there, what mends it, and the setting that does."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal[
    "resource", "agreement", "policy", "agent", "user", "environment", "authority", "gateway", "client"
]
"""What an administrator changes: an object of an environment, one of the two programs, or a client's call."""
PAGES: Final[Mapping[Kind, str]] = {
    "resource": "Applications → Resources",
    "agreement": "User Experience → Agreements",
    "policy": "Authentication → Policies",
    "agent": "AI Agents",
    "user": "Directory → Users",
    "environment": "Settings → Environment",
}
"""Where the console shows them."""
_LISTS: Final[Mapping[Kind, str]] = {
    "resource": "resources",
    "agreement": "agreements",
    "policy": "policies",
    "agent": "agents",
    "user": "users",
    "environment": "the environment",
}


class Setting(NamedTuple):
    """What to change."""

    kind: Kind
    member: str = ""
    """Of the object, as environment files write it; of a program, an option or a member of its files."""

    @property
    def place(self) -> str:
        """Say where it is: in the environment file and in the console, or at a program."""
        if self.kind in PAGES:
            member = f" → {self.member}" if self.member else ""
            return f"{_LISTS[self.kind]}{member} (console: {PAGES[self.kind]})"
        return f"{self.kind}: {self.member}" if self.member else self.kind


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that can be wrong. Texts may hold `{names}` of values that a finding fills in."""

    id: str
    symptom: str
    """What people see, in the words they search for."""
    cause: str
    fix: str
    setting: Setting | None = None

    def tell(self, text: str, values: Mapping[str, str]) -> str:
        """Fill `values` into one of the texts; what is not known stays a name in capitals."""
        return string.Formatter().vformat(text, (), _Known(values))


class _Known(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return name.upper()
