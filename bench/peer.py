"""What a program must tell of itself to be measured beside Deputize: one file for each in `peers/`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.calls import Call
from bench.load import Load
from bench.subject import Deputize


class PeerMissing(Exception):
    """The peer cannot be measured here; the message says why, and what would have to be installed."""


@dataclass(frozen=True)
class Setting:
    """What all candidates of the gateway's base case have in common."""

    folder: Path
    """For the peer's files; shared by all, so begin their names with the peer's."""
    upstream_port: int
    """Where a server on the loopback answers each POST with a tool result."""
    subject: Deputize
    """The certificates of this run, and the tokens of its users and agents."""
    calls: Sequence[Call]
    """The calls of the base case."""


@dataclass(frozen=True)
class Peer:
    """A gateway of others, measured on the base case."""

    name: str
    """With what of it is measured, as it stands in tables."""
    checks: str
    """What it checks at each call, in a sentence for the documentation."""
    start: Callable[[Setting], AbstractContextManager[Load]]
    """Runs it with one process on the measured core and yields the load for it.

    That is `setting.calls` unless it takes other tokens. Raises `PeerMissing`.
    """
    versions: Callable[[], Mapping[str, str]]
    """Its versions and those of what it stands on, by name."""
    requires_token: bool = True
    """Whether it refuses calls without token: one that should and does not is not measured."""
    knows_tokens: bool = True
    """Whether it also refuses those with a token that nobody issued."""


def require_token(load: Load, *, is_required: bool, is_known: bool = True) -> None:
    """Raise `RuntimeError` if the proxy lets through whom it should not: its speed would mean nothing."""
    first = load.calls[0]
    forged = Call(
        first.headers | {"Authorization": f"{first.headers['Authorization'][:-8]}-forged-"}, first.body
    )
    said = [each.status() for each in (load, load.without("Authorization"), replace(load, calls=[forged]))]
    if said != [200, 401 if is_required else 200, 401 if is_required and is_known else 200]:
        raise RuntimeError(f"{load.program.url} answers a good token, none and a forged one with {said}")
