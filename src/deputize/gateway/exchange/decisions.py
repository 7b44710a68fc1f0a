"""The moment at which a call has been let through: whoever sends it up asks here first."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import structlog

from deputize.gateway.exchange.oauth_contexts import RefusalContext
from deputize.http.exchange import Exchange
from deputize.http.messages import Body, Headers, Response
from deputize.mcp.context import McpContext
from deputize.mcp.errors import CONTENT_TYPE, unrecorded

log = structlog.get_logger()
_RETRY_AFTER: Final = (b"Retry-After", b"1")


@dataclass(slots=True)
class Decision:
    """What is known about the decision on an exchange, and what has to be on the disk before the call goes
    up.
    """

    went_up: bool = False
    commits: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = ()
    """Each brings its record of the decision onto the disk, or raises `OSError`."""


def decision_on(exchange: Exchange) -> Decision:
    """The one of this exchange."""
    decision = exchange.find(Decision)
    if decision is None:
        decision = Decision()
        exchange.put(decision)
    return decision


async def let_up(exchange: Exchange) -> Response | None:
    """Called right before a client's call is sent up.

    `None`, or the answer when the call must not be made unrecorded.
    """
    decision = exchange.find(Decision)
    if decision is None or decision.went_up:
        return None
    if decision.commits and (error := await _trouble(decision)):
        log.error(
            "a call is refused because it cannot be recorded",
            transaction=exchange.transaction_id,
            error=str(error),
        )
        exchange.put(RefusalContext("unrecorded", "its record could not be brought onto the disk"))
        return _refusal(exchange)
    decision.went_up = True
    return None


async def _trouble(decision: Decision) -> OSError | None:
    """What kept a record from the disk, if anything did; all are brought there at the same time."""
    outcomes = await asyncio.gather(*(commit() for commit in decision.commits), return_exceptions=True)
    trouble: OSError | None = None
    for outcome in outcomes:
        if isinstance(outcome, OSError):
            trouble = outcome
        elif outcome is not None:
            raise outcome
    return trouble


def _refusal(exchange: Exchange) -> Response:
    mcp = exchange.find(McpContext)
    if mcp is None:
        return Response(503, Headers([_RETRY_AFTER]))
    rejection = unrecorded().answering(mcp.message.frame.id if mcp.message.frame else None)
    return Response(
        rejection.status,
        Headers([(b"Content-Type", CONTENT_TYPE.encode()), _RETRY_AFTER]),
        Body(rejection.body()),
    )
