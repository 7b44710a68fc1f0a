"""The access record of every exchange, refused ones and those no route takes included (gateway-config reference, section 7.3)."""

from collections.abc import Callable
from typing import Final

from deputize.audit.records import ACCESS, AccessEvent, Route, Subject, safe_headers
from deputize.audit.service import AuditService, Publish
from deputize.gateway.contexts import RouterContext
from deputize.gateway.oauth_contexts import AccessToken
from deputize.gateway.places import RouteIdentity
from deputize.http.exchange import Ending, Exchange
from deputize.kernel.clock import Clock

_NOBODY: Final = Subject()
Observe = Callable[[Exchange], None]


def access_audit(service: AuditService, clock: Clock, route: RouteIdentity | None) -> Observe | None:
    """What to call with each exchange before the route's filters see it; `None` when nobody takes access records.

    Without `route`: what to call with every exchange; only those that no route takes are recorded.
    """
    publish = service.publisher(ACCESS)
    if publish is None:
        return None
    known_as = None if route is None else Route(route.id, route.name)

    def observe(exchange: Exchange) -> None:
        exchange.endings.append(_Recording(publish, exchange, known_as, clock.now()))

    return observe


class _Recording:
    """The request as received, its credentials left out, until its answer has left."""

    __slots__ = ("_exchange", "_headers", "_method", "_origin", "_publish", "_route", "_target", "_timestamp")

    def __init__(self, publish: Publish, exchange: Exchange, route: Route | None, timestamp: float) -> None:
        request = exchange.request
        self._publish = publish
        self._exchange: Exchange | None = exchange
        self._route = route
        self._timestamp = timestamp
        self._method = request.method
        self._origin = request.origin
        self._target = request.target
        self._headers = safe_headers(request.headers.raw)

    def __call__(self, ending: Ending) -> None:
        """Record the exchange, and let go of it: it holds this object, and a circle would wait for the garbage collector."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None and (self._route is not None or exchange.find(RouterContext) is None):
            self._publish(self._event(exchange, ending))

    def _event(self, exchange: Exchange, ending: Ending) -> AccessEvent:
        token = exchange.find(AccessToken)
        return AccessEvent(
            exchange.transaction_id,
            self._route,
            self._timestamp,
            exchange.peer,
            self._method,
            self._origin,
            self._target,
            self._headers,
            None if ending.response is None else ending.response.status,
            ending.finished - exchange.started,
            _NOBODY if token is None else token.subject,
        )
