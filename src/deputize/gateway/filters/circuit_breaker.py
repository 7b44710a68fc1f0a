"""`CircuitBreakerFilter`: spares a server that fails (gateway-config reference 4.10)."""

import math
import time
from collections import deque
from typing import Annotated, Any, Final, Self

import structlog
from pydantic import Field

from deputize.gateway.config.settings import Duration, Reference, Settings
from deputize.gateway.exchange.contexts import RefusalContext
from deputize.gateway.exchange.refusals import failure_response
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Ending, Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Handler, Plan, Prepare

log = structlog.get_logger()
_LONGEST: Final = 86_400.0
_FAILURES: Final = frozenset({502, 503, 504})


class SlidingCounterSettings(Settings):
    """Which calls are counted."""

    size: Annotated[int, Field(ge=2, le=10_000)]
    """How many of the last calls; more than `maxFailures`."""


class CircuitBreakerFilter:
    """Answers by itself for a time after too many of the last calls have failed, then tries one call.

    A call has failed with 502, 503 or 504, by whomever, and when what is behind could not answer at all. The
    call that is tried decides: the circuit closes, or stays open for another `openDuration`. While it is open
    the answer is 503 with `Retry-After`, for an MCP client with a JSON-RPC error.
    """

    class Config(Settings):
        """When the circuit opens, and for how long."""

        max_failures: Annotated[int, Field(ge=1)]
        """So many failures among the counted calls open the circuit."""
        open_duration: Duration
        """How long it is open; at most a day."""
        open_handler: Reference | None = None
        """Answers while it is open."""
        sliding_counter: SlidingCounterSettings
        """Which calls are counted."""
        executor: Any = None
        """Accepted, without effect."""

    def __init__(self, config: Config, duration: float, handler: Handler | None, name: str) -> None:
        self._most = config.max_failures
        self._duration = duration
        self._handler = handler
        self._name = name
        self._counted: deque[bool] = deque(maxlen=config.sliding_counter.size)
        self._open_until: float | None = None
        self._is_trying = False

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Check the numbers."""
        if config.sliding_counter.size <= config.max_failures:
            raise context.error(
                "slidingCounter/size",
                "fewer calls are counted than may fail",
                "make it larger than maxFailures",
            )
        duration = config.open_duration
        if duration is None or not 0 < duration <= _LONGEST:
            raise context.error("openDuration", "a circuit is open for some time, at most a day")
        handler = context.refer_if_set(config.open_handler, Handler, "openHandler")
        return cls(config, duration, handler, context.name or context.pointer)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on behind a step that counts; prepared for each call where another handler may answer."""
        if self._handler is None:
            return self._count(next(head), head)
        handler = self._handler

        def choose(at: Head) -> Plan:
            return handler.plan(at) if self._seconds_left() > 0 else self._count(next(at), at)

        return Plan.anew(head, choose)

    def _count(self, plan: Plan, head: Head) -> Plan:
        return plan.after(head, check=self._check, observe=self._observe, ending=self._end)

    def _seconds_left(self) -> float:
        """How long the circuit stays open; 0 where a call may pass."""
        if self._open_until is None:
            return 0.0
        left = self._open_until - time.monotonic()
        return left if left > 0 else float(self._is_trying)

    def _check(self, exchange: Exchange) -> Response | None:
        left = self._seconds_left()
        if left > 0:
            exchange.put(RefusalContext("circuit_open", f"the circuit of {self._name} is open"))
            response = failure_response(
                exchange, 503, "the server failed too often, and is spared for a while"
            )
            response.headers.set("Retry-After", str(math.ceil(left)))
            return response
        self._is_trying = self._open_until is not None
        exchange.left[self] = self._is_trying
        return None

    def _observe(self, exchange: Exchange, response: Response) -> None:
        self._conclude(exchange, failed=response.status in _FAILURES)

    def _end(self, exchange: Exchange, ending: Ending) -> None:
        """Count what never came back to this step: an error, unless the client has left."""
        self._conclude(exchange, failed=None if ending.response is None else True)

    def _conclude(self, exchange: Exchange, *, failed: bool | None) -> None:
        """Count one call, once; `None` when nobody knows."""
        was_tried = exchange.left.pop(self, None)
        if was_tried is None:
            return
        if was_tried:
            self._is_trying = False
            if failed:
                self._open()
            elif failed is not None:
                self._open_until = None
                self._counted.clear()
                log.info("a circuit is closed again", object=self._name)
        elif failed is not None and self._open_until is None:
            self._counted.append(failed)
            if sum(self._counted) >= self._most:
                self._open()

    def _open(self) -> None:
        self._open_until = time.monotonic() + self._duration
        log.warning("a circuit is open: calls fail", object=self._name, seconds=self._duration)
