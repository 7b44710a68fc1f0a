"""The authority as a handler: endpoints of its environments, health, the files that pages load."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import structlog

from deputize.authority.audit import SOURCE, Source
from deputize.authority.callers import Network, source_reader
from deputize.authority.dead_ends import turn_away
from deputize.authority.endpoint import Endpoint, EndpointCall, Fields, json_response
from deputize.authority.endpoints import ENDPOINTS
from deputize.authority.services import Services
from deputize.authority.signon.pages import ASSETS, ASSETS_PATH, asset
from deputize.authority.storage import StorageUnavailable
from deputize.http.exchange import Ending, Exchange, Head
from deputize.http.messages import Body, BodyBroken, BodyTooLarge, Headers, Response
from deputize.http.plans import Plan
from deputize.kernel.digests import digest
from deputize.kernel.errors import describe_failure
from deputize.kernel.values import JsonValue
from deputize.oauth.errors import OAuthError
from deputize.oauth.records.directory import Directory, Environment

Path: TypeAlias = str | tuple[str]
"""A whole path; in a tuple that of a parent, for whatever one segment follows it."""
Answer: TypeAlias = Callable[[Head, Exchange, str], Awaitable[Response]]
"""Answers a request, given what follows the parent in its path; empty without one."""


class Served(NamedTuple):
    """What is at a path, and for which methods."""

    methods: frozenset[str]
    answer: Answer


_ANY_ORIGIN: Final = (b"Access-Control-Allow-Origin", b"*")
_PREFLIGHT: Final[Fields] = (
    _ANY_ORIGIN,
    (b"Access-Control-Allow-Methods", b"GET"),
    (b"Access-Control-Allow-Headers", b"*"),
    (b"Access-Control-Max-Age", b"86400"),
)
_NO_SNIFFING: Final = (b"X-Content-Type-Options", b"nosniff")
_HTTPS_ONLY: Final = (b"Strict-Transport-Security", b"max-age=31536000")
_RETRY_LATER: Final[Fields] = ((b"Retry-After", b"5"),)
_FOR_EVER: Final = (b"Cache-Control", b"public, max-age=31536000, immutable")
_READ: Final = frozenset({"GET", "HEAD"})
_log = structlog.get_logger("deputize.authority")


class LogLine:
    """The log line of one request: what happened last in it, or else that it was.

    It does not lead to the exchange, which holds it: a circle would wait for the garbage collector.
    """

    __slots__ = ("_correlation_id", "_head", "_started", "call")

    def __init__(self, head: Head, started: float, correlation_id: str) -> None:
        """Note what the line says of the request."""
        self._head = head
        self._started = started
        self._correlation_id = correlation_id
        self.call: EndpointCall | None = None
        """The call of an endpoint that came of the request."""

    def write(self, ending: Ending) -> None:
        """Write the line."""
        response, call = ending.response, self.call
        said: dict[str, JsonValue] = {
            "method": self._head.method,
            "path": self._head.target.path,
            "status": 0 if response is None else response.status,
            "ms": round((ending.finished - self._started) * 1000, 1),
        }
        if call is not None and call.happened is not None:
            call.happened.log(**said)
        else:
            _log.info("request", **said, correlation_id=self._correlation_id)


class Authority:
    """Answers what a listener hands over, with one log line a request, which is without the query."""

    def __init__(self, services: Services, trusted_proxies: Sequence[Network] = ()) -> None:
        """What `trusted_proxies` say about a client's address is believed."""
        self._services = services
        self._trusted_proxies = trusted_proxies
        self._always: Fields = (_NO_SNIFFING, _HTTPS_ONLY) if services.secure else (_NO_SNIFFING,)
        self._directory: Directory | None = None
        self._served: dict[Path, Served] = {}

    def plan(self, head: Head) -> Plan:
        """Return the plan in which each call is looked at anew: of a head only who sent it is prepared."""
        head = head.for_all()
        return Plan.answering(head, partial(self._answer, head, source_reader(head, self._trusted_proxies)))

    async def _answer(
        self, head: Head, read_source: Callable[[Exchange], Source], exchange: Exchange
    ) -> Response:
        """Answer the exchange, whatever fails.

        Raises only what the listener has a status for: a body that is too long, too slow or broken off.
        """
        exchange.outlives_client = True
        correlation_id = exchange.transaction_id = self._services.new_id()
        SOURCE.set(read_source(exchange))
        line = LogLine(head, exchange.started, correlation_id)
        exchange.endings.append(lambda _, ending: line.write(ending))
        exchange.put(line)
        try:
            response = await self._dispatch(head, exchange)
        except (BodyTooLarge, BodyBroken):
            raise
        except StorageUnavailable as error:
            _log.error("the store does not answer", error=str(error), correlation_id=correlation_id)
            description = f"The server cannot answer now; try again later (Correlation ID: {correlation_id})"
            response = turn_away(head.headers, 503, description, correlation_id, _RETRY_LATER)
        except Exception as error:  # noqa: BLE001 - whatever failed, the caller gets an answer and the log the cause
            _log.error("request failed", correlation_id=correlation_id, **describe_failure(error))
            description = f"The log says more (Correlation ID: {correlation_id})"
            response = turn_away(head.headers, 500, description, correlation_id)
        response.headers.raw = [*response.headers.raw, *self._always]
        return response

    def _dispatch(self, head: Head, exchange: Exchange) -> Awaitable[Response]:
        """Have what is at the path answer."""
        directory, path, tail = self._services.directory.current, head.target.path, ""
        if directory is not self._directory:
            self._directory, self._served = directory, self._lay_out(directory)
        found = self._served.get(path)
        if found is None:
            parent, _, tail = path.rpartition("/")
            found = self._served.get((parent,)) if tail else None
        if found is None:
            return _turn_away(head, exchange, 404, "There is no such environment or endpoint")
        if head.method not in found.methods:
            allowed = ", ".join(sorted(found.methods)).encode()
            return _turn_away(head, exchange, 405, "The endpoint has another method", ((b"Allow", allowed),))
        return found.answer(head, exchange, tail)

    def _lay_out(self, directory: Directory) -> dict[Path, Served]:
        """Return what is at each path while `directory` is the snapshot."""
        served: dict[Path, Served] = {}
        for environment in directory.environments.values():
            for endpoint in ENDPOINTS:
                methods = {*endpoint.methods}
                if "GET" in methods:
                    methods |= _READ
                if endpoint.cross_origin:
                    methods.add("OPTIONS")
                found = Served(frozenset(methods), partial(self._answer_endpoint, endpoint, environment))
                for template in endpoint.paths:
                    path = template.replace("{environment}", environment.id)
                    served[(path[:-1],) if path.endswith("/") else path] = found
        served["/health/live"] = Served(_READ, _answer_live)
        served["/health/ready"] = Served(_READ, self._answer_ready)
        for name in ASSETS:
            served[f"{ASSETS_PATH}/{name}"] = Served(_READ, partial(_answer_asset, name))
        return served

    async def _answer_endpoint(
        self, endpoint: Endpoint, environment: Environment, head: Head, exchange: Exchange, tail: str
    ) -> Response:
        """Answer at an endpoint of an environment, or refuse as the endpoint does."""
        services = self._services
        if head.method == "OPTIONS":
            return Response(204, Headers(_PREFLIGHT))
        call = EndpointCall(
            head, exchange.body, services, environment, services.clock.now(), exchange.transaction_id, tail
        )
        line = exchange.find(LogLine)
        if line is not None:
            line.call = call
        try:
            response = await endpoint.answer(call)
        except OAuthError as error:
            response = endpoint.refuse(call, error)
        if endpoint.cross_origin:
            response.headers.raw = [*response.headers.raw, _ANY_ORIGIN]
        return response

    async def _answer_ready(self, _head: Head, _exchange: Exchange, _tail: str) -> Response:
        """Answer `/health/ready`: the store answers a read; 503 otherwise."""
        try:
            await self._services.store.sessions.find_session("", digest("health"))
        except Exception as error:  # noqa: BLE001 - whatever failed, the caller gets an answer and the log the cause
            _log.error("store does not answer", error=type(error).__name__)
            return json_response({"status": "store does not answer"}, 503)
        return json_response({"status": "ready"})


async def _answer_live(_head: Head, _exchange: Exchange, _tail: str) -> Response:
    """Answer `/health/live`: the event loop turns."""
    return json_response({"status": "live"})


async def _answer_asset(name: str, _head: Head, _exchange: Exchange, _tail: str) -> Response:
    """Answer with a file of the pages; its address changes with its content, so it is kept for ever."""
    found = asset(name)
    kind = (b"Content-Type", found.media_type.encode())
    return Response(200, Headers([kind, _FOR_EVER]), Body(found.content))


async def _turn_away(
    head: Head, exchange: Exchange, status: int, description: str, fields: Fields = ()
) -> Response:
    return turn_away(head.headers, status, description, exchange.transaction_id, fields)
