"""What the connections of a listener share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import NamedTuple

from deputize.http.exchange import Exchange, Peer
from deputize.http.heads import KnownResponseHeads
from deputize.http.listener.limits import Gate, ListenerLimits
from deputize.http.messages import Headers, Request, Response
from deputize.http.plans import CallHandler, Handler, PlanMemory, as_handler
from deputize.kernel.clock import Clock
from deputize.kernel.ids import TransactionIds


class Unheard(NamedTuple):
    """A request that the listener answered itself: malformed, incomplete, late, or without room for it."""

    peer: Peer
    transaction_id: str
    status: int
    reason: str
    arrived: float
    """When, in seconds since the epoch."""
    request: Request | None
    """`None` when it could not be parsed."""


@dataclass(frozen=True, slots=True)
class Records:
    """What a listener calls so that exchanges are recorded; by default nothing is recorded."""

    hold: Callable[[Callable[[], None]], bool] = lambda _: False
    """Takes the function that sends the last bytes of an answer.

    Returns whether it keeps that function until the exchange's record is written.
    """
    unheard: Callable[[Unheard], None] = lambda _: None
    """Called with each such request before its answer is sent."""


class Shared:
    """What each connection reads of its listener.

    `handler` and `records` may be replaced at any time: requests handled from then on go to the new ones.
    """

    def __init__(
        self, handler: Handler, limits: ListenerLimits, gate: Gate, clock: Clock, *, secure: bool
    ) -> None:
        """Prepare to serve; needs a running event loop."""
        self.loop = asyncio.get_running_loop()
        self.limits = limits
        self.handler = handler
        self.gate = gate
        self.records = Records()
        self.secure = secure
        self.known_heads = KnownResponseHeads()
        self.closing = False
        self.transaction_ids = TransactionIds()
        self.clock = clock
        self.update_date()

    @property
    def handler(self) -> Handler:
        """What plans for requests. Replacing it forgets every plan."""
        return self._handler

    @handler.setter
    def handler(self, handler: Handler | CallHandler) -> None:
        self._handler = as_handler(handler)
        self.plans = PlanMemory(self.limits.plans, self.limits.plan_bytes)

    def update_date(self) -> None:
        """Write the Date line that answers carry until the next update."""
        self.date = b"Date: " + formatdate(self.clock.now(), usegmt=True).encode("ascii")

    def refuse_busy(self, exchange: Exchange) -> Response:
        """Answer 503 for the handler while the gate has no room."""
        self.records.unheard(
            Unheard(
                exchange.peer,
                exchange.transaction_id,
                503,
                "too many exchanges at once",
                exchange.arrived,
                exchange.request,
            )
        )
        return Response(503, Headers([(b"Retry-After", b"1")]))


def ping(exchange: Exchange) -> Response:  # noqa: ARG001 - it is the same for everybody
    """Answer OPTIONS * with 200 (RFC 9110 section 9.3.7)."""
    return Response(200)
