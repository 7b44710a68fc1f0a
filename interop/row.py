"""What a row of the table is: one program of others in one task, which works, fails, or is not run here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from demo.programs import ProgramFailed

from interop.setting import Done, Setting


class RowFailed(Exception):
    """What was tried did not work; the message says what was seen instead."""


@dataclass(frozen=True)
class Row:
    """One task of one program."""

    name: str
    """The program, as it stands in the table."""
    task: str
    """What it does, in a few words."""
    run: Callable[[Setting], str]
    """Does it, and returns what was seen.

    Raises `RowFailed`, or `NotRun` where the machine or the program does not allow it.
    """
    quick: bool = False
    """Whether it belongs to the run that a change has to pass."""


@dataclass(frozen=True)
class Family:
    """The rows of one program or of a few that belong together: one file in `families/`."""

    name: str
    """By which it is run alone."""
    title: str
    """The part of the table it belongs to."""
    rows: Sequence[Row]
    versions: Callable[[], Mapping[str, str]]
    """The versions of its programs as they are pinned, by name."""


def require(condition: object, seen: str) -> None:
    """Raise `RowFailed` with what was seen unless the condition holds."""
    if not condition:
        raise RowFailed(seen)


def signed_on(setting: Setting, before: int, method: str, done: Done) -> str:
    """Require that the program had the user sign on since there were `before` visits, and was let through.

    The audit has to show the call, for the user, with the program as the only actor. Raises `RowFailed`.
    """
    visits = setting.browser.visits[before:]
    require(visits, f"no browser was opened: {done.end}")
    visit = visits[-1]
    require(not visit.failure, f"signing on failed: {visit.failure}")
    require("code" in visit.answer, f"the authority answered {visit.answer.get('error')}")
    try:
        setting.audited(visit.client_id, method)
    except ProgramFailed:
        raise RowFailed(f"no {method} with act = {visit.client_id} came to the gateway: {done.end}") from None
    return f"{' → '.join(visit.pages)}; the audit shows it as the actor of {method}"
