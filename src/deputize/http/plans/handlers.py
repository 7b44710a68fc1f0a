"""The protocols of handlers and filters, and how those that do not prepare are taken for such that do."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, overload, runtime_checkable

from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans.plan import Plan, answer

Prepare: TypeAlias = Callable[[Head], Plan]
Next: TypeAlias = Callable[[Exchange], Awaitable[Response]]


@runtime_checkable
class Handler(Protocol):
    """Answers exchanges; the end of a chain."""

    def plan(self, head: Head) -> Plan:
        """Return what happens to every call with this head. Changes nothing and logs nothing."""
        ...


@runtime_checkable
class Filter(Protocol):
    """Decides about heads, and adds a step where each call or its answer has to be looked at."""

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Return a plan of its own, or that of `next` for the head or another one, behind its own step.

        Changes nothing and logs nothing: what is to be done for each call stands in the plan.
        """
        ...


@runtime_checkable
class CallHandler(Protocol):
    """A handler that decides about each call anew."""

    async def handle(self, exchange: Exchange) -> Response:
        """Answer the exchange."""
        ...


@runtime_checkable
class CallFilter(Protocol):
    """A filter that decides about each call anew, and may wait.

    What is behind it is prepared for each call.
    """

    async def filter(self, exchange: Exchange, next: Next) -> Response:
        """Answer the exchange, usually with what `next` answers, whose request may be changed before."""
        ...


@overload
def as_handler(found: Handler | CallHandler) -> Handler: ...
@overload
def as_handler(found: object) -> Handler | None: ...
def as_handler(found: object) -> Handler | None:
    """Return `found` as a handler if it is one, in either form."""
    if isinstance(found, Handler):
        return found
    return _HandlerOfCalls(found) if isinstance(found, CallHandler) else None


@overload
def as_filter(found: Filter | CallFilter) -> Filter: ...
@overload
def as_filter(found: object) -> Filter | None: ...
def as_filter(found: object) -> Filter | None:
    """Return `found` as a filter if it is one, in either form."""
    if isinstance(found, Filter):
        return found
    return _FilterOfCalls(found) if isinstance(found, CallFilter) else None


async def ask(handler: Handler | CallHandler, exchange: Exchange) -> Response:
    """Return the answer of `handler` to the request as it now stands. Raises what goes wrong."""
    return await answer(as_handler(handler).plan(_head_of(exchange)), exchange)


class _HandlerOfCalls:
    __slots__ = ("_handle",)

    def __init__(self, handler: CallHandler) -> None:
        self._handle = handler.handle

    def plan(self, head: Head) -> Plan:
        def handle(exchange: Exchange) -> Awaitable[Response]:
            exchange.request = head.request(exchange)
            return self._handle(exchange)

        return Plan.answering(head, handle)


class _FilterOfCalls:
    __slots__ = ("_filter",)

    def __init__(self, subject: CallFilter) -> None:
        self._filter = subject.filter

    def prepare(self, head: Head, next: Prepare) -> Plan:
        async def pass_on(exchange: Exchange) -> Response:
            return await answer(next(_head_of(exchange)), exchange)

        def run(exchange: Exchange) -> Awaitable[Response]:
            exchange.request = head.request(exchange)
            return self._filter(exchange, pass_on)

        return Plan.answering(head, run)


def _head_of(exchange: Exchange) -> Head:
    """Return the head of the request as it now stands, whatever a filter has made of it."""
    request = exchange.request
    exchange.body = request.body
    return Head.of(request, exchange.peer).at(exchange)
