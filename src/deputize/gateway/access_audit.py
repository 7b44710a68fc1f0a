"""The access record of every exchange a route serves, refused ones included (gateway-config reference, section 7.3)."""

from collections.abc import Callable

from deputize.audit.records import ACCESS, AccessEvent, Place, Subject
from deputize.audit.service import AuditService
from deputize.gateway.oauth_contexts import OAuth2Context
from deputize.gateway.places import RouteIdentity
from deputize.http.exchange import Ending, Exchange
from deputize.kernel.clock import Clock

Observe = Callable[[Exchange], None]


def access_audit(service: AuditService, clock: Clock, route: RouteIdentity) -> Observe | None:
    """What to call with each exchange before the route's filters see it; `None` when nobody takes access records."""
    if not service.wants(ACCESS):
        return None

    def observe(exchange: Exchange) -> None:
        request = exchange.request
        timestamp, method, origin, target, headers = clock.now(), request.method, request.origin, request.target, request.headers.copy()

        def record(ending: Ending) -> None:
            context = exchange.find(OAuth2Context)
            service.publish(
                AccessEvent(
                    Place(exchange.transaction_id, route.id, route.name),
                    timestamp,
                    exchange.peer,
                    method,
                    origin,
                    target,
                    headers.raw,
                    None if ending.response is None else ending.response.status,
                    ending.finished - exchange.started,
                    context.access_token.subject if context else Subject(),
                )
            )

        exchange.endings.append(record)

    return observe
