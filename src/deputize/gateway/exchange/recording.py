"""What is recorded about an exchange, and that a call waits for its record where nothing may be unrecorded.

Every exchange has an access record, refused ones and those no route takes included (gateway-config reference,
section 7.3).
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog

from deputize.audit.publisher import AuditPublisher, Commit
from deputize.audit.records import (
    ACCESS,
    DECISION,
    WHOLE,
    AccessForm,
    EventPart,
    Record,
    RouteIdentity,
    Subject,
)
from deputize.audit.trail import NotKept
from deputize.gateway.exchange.contexts import OAuth2Context, RefusalContext, RouterContext
from deputize.http.exchange import Ending, Exchange, Head
from deputize.http.listener import Unheard
from deputize.http.messages import Body, Headers, Response
from deputize.http.plans import Plan
from deputize.mcp.context import McpContext
from deputize.mcp.errors import CONTENT_TYPE, unavailable

log = structlog.get_logger()
NOBODY: Final = Subject()
_RETRY_AFTER: Final = (b"Retry-After", b"1")
ObserveHead = Callable[[Head, Plan], Plan]


async def commit_decision(exchange: Exchange) -> Response | None:
    """Await the records of the decision, right before a client's call is sent up.

    `None`, or the answer when the call must not be made because it would be unrecorded.
    """
    if exchange.went_up:
        return None
    if exchange.commits:
        outcomes = await asyncio.gather(*(commit() for commit in exchange.commits), return_exceptions=True)
        failures = [outcome for outcome in outcomes if outcome is not None]
        for failure in failures:
            if not isinstance(failure, OSError):
                raise failure
        if failures:
            log.error(
                "a call is refused because it cannot be recorded",
                transaction=exchange.transaction_id,
                error=str(failures[-1]),
            )
            exchange.put(RefusalContext("unrecorded", "its record could not be brought onto the disk"))
            mcp = exchange.find(McpContext)
            if mcp is None:
                return Response(503, Headers([_RETRY_AFTER]))
            rejection = unavailable().with_id(mcp.message.frame.id if mcp.message.frame else None)
            headers = Headers([(b"Content-Type", CONTENT_TYPE.encode()), _RETRY_AFTER])
            return Response(rejection.status, headers, Body(rejection.body()))
    exchange.went_up = True
    return None


def access_audit(service: AuditPublisher, route: RouteIdentity | None) -> ObserveHead | None:
    """What puts the step of the access audit before the plan of a route.

    `None` when nobody takes access records. Without `route`: before every plan; only exchanges that no
    route takes are recorded.
    """
    publish = service.publisher(ACCESS)
    if publish is None:
        return None
    commit = service.committer(ACCESS)
    is_of_route = route is not None

    def observe(head: Head, plan: Plan) -> Plan:
        form = AccessForm(route, head.peer, head.method, head.origin, head.target, head.headers.raw)

        def end(exchange: Exchange, ending: Ending) -> None:
            if is_of_route or exchange.find(RouterContext) is None:
                status = None if ending.response is None else ending.response.status
                part = EventPart.OUTCOME if form in exchange.left else WHOLE
                publish(_access_record(form, exchange, status, ending.finished - exchange.started, part))
            exchange.commits = ()  # they lead back to the exchange

        check = None if commit is None else partial(_begin_access, commit, form, is_of_route)
        return plan.after(head, check=check, ending=end)

    return observe


def _begin_access(commit: Commit, form: AccessForm, is_of_route: bool, exchange: Exchange) -> None:  # noqa: FBT001 - in a partial
    exchange.commits += (partial(_commit_access, commit, form, exchange, is_of_route),)


async def _commit_access(commit: Commit, form: AccessForm, exchange: Exchange, is_of_route: bool) -> None:  # noqa: FBT001 - in a partial
    """Bring the decision onto the disk. Raises `OSError`."""
    if not is_of_route and exchange.find(RouterContext) is not None:
        return
    exchange.left[form] = True
    try:
        await commit(_access_record(form, exchange, None, 0.0, DECISION))
    except NotKept:
        del exchange.left[form]
        raise


def _access_record(
    form: AccessForm, exchange: Exchange, status: int | None, elapsed: float, part: EventPart
) -> Record:
    token = exchange.find(OAuth2Context)
    return form.fill(exchange, NOBODY if token is None else token.subject, status, elapsed, part)


def unheard_audit(services: Sequence[AuditPublisher]) -> Callable[[Unheard], None]:
    """What to tell of requests that the listener answers itself, which belong to no route.

    The first of `services` that takes access records gets them.
    """

    def record(unheard: Unheard) -> None:
        publish = next((publish for service in services if (publish := service.publisher(ACCESS))), None)
        if publish is None:
            return
        peer, request = unheard.peer, unheard.request
        form = AccessForm(
            None,
            peer,
            request.method if request else None,
            request.origin if request else None,
            request.target if request else None,
            request.headers.raw if request else (),
        )
        publish(form.fill(unheard, NOBODY, unheard.status, 0.0, reason=unheard.reason))

    return record
