"""`TimerDecorator`: tells how long handlers and filters take (gateway-config reference 1.8)."""

import time
from typing import Final, Literal, Self

import structlog

from deputize.gateway.config.settings import Settings
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Filter, Handler, Plan, Prepare
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.values import JsonValue

log = structlog.get_logger()
_PER_SECOND: Final = {
    "seconds": 1,
    "milliseconds": 1_000,
    "microseconds": 1_000_000,
    "nanoseconds": 1_000_000_000,
}
TimeUnit = Literal["seconds", "milliseconds", "microseconds", "nanoseconds"]


class TimerDecorator:
    """Writes to the log how long each answer took to begin.

    For a filter also the part that the filter itself took. The decoration is `true` or `false`. Always there
    as `timer`.
    """

    class Config(Settings):
        """How times are written."""

        time_unit: TimeUnit = "milliseconds"
        """The unit of `elapsed` and `within`."""

    def __init__(self, config: Config, name: str) -> None:
        self._unit: TimeUnit = config.time_unit
        self._name = name

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Nothing to look up."""
        return cls(config, context.name)

    def decorate(
        self, subject: Filter | Handler, written: JsonValue, context: BuildContext
    ) -> Filter | Handler:
        """Return `subject` between steps that look at the clock."""
        if not isinstance(written, bool):
            raise ConfigurationError(context.position.below(self._name), f"{self._name} is true or false")
        if not written:
            return subject
        timer = _Timer(context.name or context.pointer, self._unit)
        return TimedHandler(timer, subject) if isinstance(subject, Handler) else TimedFilter(timer, subject)


class _Timer:
    """Measures one object."""

    __slots__ = ("_object", "_unit")

    def __init__(self, name: str, unit: TimeUnit) -> None:
        self._object = name
        self._unit: TimeUnit = unit

    def begin(self, exchange: Exchange) -> None:
        """Note when a call arrives, and that nothing of its time was spent behind."""
        exchange.left[self] = [time.monotonic(), 0.0]

    def leave(self, exchange: Exchange) -> None:
        """Note when a filter passes a call on."""
        exchange.left[self][1] -= time.monotonic()

    def come_back(self, exchange: Exchange, _: Response) -> None:
        """Note when the answer comes from behind."""
        exchange.left[self][1] += time.monotonic()

    def end(self, exchange: Exchange, *, with_own: bool) -> None:
        """Write what the call took."""
        began, behind = exchange.left.pop(self)
        elapsed, per_second = time.monotonic() - began, _PER_SECOND[self._unit]
        own = {"within": round((elapsed - behind) * per_second, 3)} if with_own else {}
        log.info(
            "timed",
            object=self._object,
            elapsed=round(elapsed * per_second, 3),
            **own,
            unit=self._unit,
            transaction=exchange.transaction_id,
        )


class TimedHandler:
    """A handler whose calls are timed."""

    __slots__ = ("_timer", "undecorated")

    def __init__(self, timer: _Timer, handler: Handler) -> None:
        self._timer = timer
        self.undecorated = handler

    def plan(self, head: Head) -> Plan:
        """Look at the clock, and pass on."""

        def end(exchange: Exchange, _: Response) -> None:
            self._timer.end(exchange, with_own=False)

        return self.undecorated.plan(head).after(head, check=self._timer.begin, observe=end)


class TimedFilter:
    """A filter whose calls are timed, with and without what is behind it."""

    __slots__ = ("_timer", "undecorated")

    def __init__(self, timer: _Timer, subject: Filter) -> None:
        self._timer = timer
        self.undecorated = subject

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Look at the clock before the filter and behind it."""

        def passed_on(changed: Head) -> Plan:
            return next(changed).after(changed, check=self._timer.leave, observe=self._timer.come_back)

        def end(exchange: Exchange, _: Response) -> None:
            self._timer.end(exchange, with_own=True)

        return self.undecorated.prepare(head, passed_on).after(head, check=self._timer.begin, observe=end)
