"""The access record of every exchange a route serves, refused ones included (gateway-config reference, section 7.3)."""

from collections.abc import Callable
from typing import Final

from deputize.audit.records import ACCESS, AccessEvent, Place, Subject
from deputize.audit.service import AuditService
from deputize.gateway.oauth_contexts import OAuth2Context
from deputize.gateway.places import RouteIdentity
from deputize.http.exchange import Ending, Exchange
from deputize.kernel.clock import Clock

_NOBODY: Final = Subject()
Observe = Callable[[Exchange], None]


def access_audit(service: AuditService, clock: Clock, route: RouteIdentity) -> Observe | None:
    """What to call with each exchange before the route's filters see it; `None` when nobody takes access records."""
    if not service.wants(ACCESS):
        return None

    def observe(exchange: Exchange) -> None:
        exchange.endings.append(_Recording(service, exchange, route, clock.now()))

    return observe


class _Recording:
    """The request as received, until its answer has left."""

    __slots__ = ("_exchange", "_headers", "_method", "_origin", "_route", "_service", "_target", "_timestamp")

    def __init__(self, service: AuditService, exchange: Exchange, route: RouteIdentity, timestamp: float) -> None:
        request = exchange.request
        self._service = service
        self._exchange: Exchange | None = exchange
        self._route = route
        self._timestamp = timestamp
        self._method = request.method
        self._origin = request.origin
        self._target = request.target
        self._headers = request.headers.raw[:]

    def __call__(self, ending: Ending) -> None:
        """Record the exchange, and let go of it: it holds this object, and a circle would wait for the garbage collector."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._service.publish(self._event(exchange, ending))

    def _event(self, exchange: Exchange, ending: Ending) -> AccessEvent:
        context = exchange.find(OAuth2Context)
        return AccessEvent(
            Place(exchange.transaction_id, self._route.id, self._route.name),
            self._timestamp,
            exchange.peer,
            self._method,
            self._origin,
            self._target,
            self._headers,
            None if ending.response is None else ending.response.status,
            ending.finished - exchange.started,
            _NOBODY if context is None else context.access_token.subject,
        )
