"""What a check found: that something is in order, what is wrong with its cause and fix, or why it was not
tried.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from deputize.diagnosis.cause import Cause
from deputize.kernel.errors import DeputizeError
from deputize.kernel.redaction import printable, redact
from deputize.kernel.values import JsonObject

_MAX_TEXT = 512


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    """The check's name."""
    title: str
    """What the check is about."""
    outcome: Literal["ok", "problem", "not tried"]
    said: str
    """What was found, or why the check was not tried."""
    evidence: tuple[str, ...] = ()
    """What was seen. Never a secret, a code or a whole token."""
    cause: Cause | None = None
    """Of a problem."""
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the texts of `cause` are filled with."""

    @property
    def because(self) -> str:
        """Why it is a problem, in the words of its cause."""
        return self.cause.tell(self.cause.cause, self.values) if self.cause else ""

    @property
    def fix(self) -> str:
        """What to do about it."""
        return self.cause.tell(self.cause.fix, self.values) if self.cause else ""

    def json(self) -> JsonObject:
        """Return the finding as `--json` writes it."""
        members: dict[str, JsonObject | str | list[str]] = {
            "check": self.check,
            "title": self.title,
            "outcome": self.outcome,
            "said": self.said,
            "evidence": list(self.evidence),
        }
        if self.cause:
            setting = self.cause.setting
            members |= {
                "symptom": self.cause.symptom,
                "cause": {"id": self.cause.id, "text": self.because},
                "fix": self.fix,
                "setting": {"kind": setting.kind, "member": setting.member} if setting else {},
            }
        return members


class Found(DeputizeError):
    """Something is wrong: what a check that cannot go on raises."""

    def __init__(self, cause: Cause, evidence: Sequence[str] = (), /, **values: str) -> None:
        """Take the cause, what was seen, and what the cause's texts are filled with."""
        self.cause = cause
        self.evidence = tuple(map(safe, evidence))
        self.values = {name: safe(value) for name, value in values.items()}
        super().__init__(cause.symptom)


class NotTried(DeputizeError):
    """A check does not apply, or lacks what it needs; the text says which option gives it."""


def safe(text: str) -> str:
    """Make a text of somebody else's fit to print: short, one line, without credentials."""
    return redact(printable(text, _MAX_TEXT))
