"""What a listener owes whoever keeps records of the exchanges."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from deputize.http.exchange import Peer
from deputize.http.messages import Request


class Unheard(NamedTuple):
    """A request that the listener answered itself, because it could not be read, did not come, or found no
    room.
    """

    peer: Peer
    transaction_id: str
    status: int
    reason: str
    request: Request | None
    """`None` when it was not understood."""


def _nothing_to_wait_for(_: Callable[[], None]) -> bool:
    return False


def _unrecorded(_: Unheard) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Records:
    """By default nothing is recorded."""

    hold: Callable[[Callable[[], None]], bool] = _nothing_to_wait_for
    """Given what sends the last bytes of an answer.

    Keeps it until the record of the exchange is written, or says that nothing is to be.
    """
    unheard: Callable[[Unheard], None] = _unrecorded
    """Told of each before its answer leaves."""
