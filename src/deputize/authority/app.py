"""The authority as a handler: endpoints of its environments, health, the files that pages load."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import structlog

from deputize.authority.asgi import Application, ApplicationSlow, HostedApplication
from deputize.authority.audit import SOURCE, Source
from deputize.authority.callers import Network, source_reader
from deputize.authority.console import load_console
from deputize.authority.console.session import CONSOLE_PATH
from deputize.authority.dead_ends import turn_away, wants_page
from deputize.authority.endpoint import (
    Endpoint,
    EndpointCall,
    Fields,
    HeadReadings,
    json_response,
    read_head,
)
from deputize.authority.endpoints import ENDPOINTS
from deputize.authority.management import load_management
from deputize.authority.services import Services
from deputize.authority.signon.pages import ASSETS, ASSETS_PATH, asset
from deputize.authority.signon.responses import see_other
from deputize.authority.storage import StorageUnavailable
from deputize.http.exchange import Ending, Exchange, Head
from deputize.http.messages import Body, BodyBroken, BodyTooLarge, Headers, KnownHead, Response
from deputize.http.plans import Plan
from deputize.kernel.beginning import begin
from deputize.kernel.bounded_memory import BoundedMemory
from deputize.kernel.digests import digest
from deputize.kernel.errors import describe_failure
from deputize.kernel.values import JsonValue
from deputize.oauth.errors import OAuthError
from deputize.oauth.records.directory import Directory, Environment

Path: TypeAlias = str | tuple[str]
"""A whole path; in a tuple that of a parent, for whatever one segment follows it."""


class Asked(NamedTuple):
    """What is known of a request before its body is."""

    head: Head
    read: HeadReadings
    tail: str
    """What follows the parent in its path; empty without one."""


Answer: TypeAlias = Callable[[Asked, Exchange, "LogLine"], Awaitable[Response]]


class Served(NamedTuple):
    """What is at a path, and for which methods."""

    methods: frozenset[str] | None
    """`None` leaves it to what answers."""
    answer: Answer
    is_at_hand: bool = False
    """Whether the answer seldom has to be waited for."""


HOSTED: Final[Mapping[str, Callable[[Services], Application]]] = {
    "v1": load_management,
    "console": load_console,
}
"""The applications that answer below a first segment of the path: what imports and makes each."""
_WELCOME: Final = re.compile(r"^(/console/welcome/).+")
"""Where what follows is a secret, which no log gets."""
MOST_HEADS: Final = 64
"""Of answers to programs: they differ in little but their bodies."""
_ANY_ORIGIN: Final = (b"Access-Control-Allow-Origin", b"*")
# Pages of any origin may call what takes no cookie, and so acts for nobody but who sends it a credential. The
# wildcard never stands for `Authorization` (Fetch, section 4.9).
_OF_ANSWER: Final[Fields] = (
    _ANY_ORIGIN,
    (b"Access-Control-Expose-Headers", b"WWW-Authenticate, DPoP-Nonce, Retry-After"),
)
_OF_PREFLIGHT: Final[Fields] = (
    _ANY_ORIGIN,
    (b"Access-Control-Allow-Headers", b"Authorization, Content-Type, DPoP, MCP-Protocol-Version, *"),
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

    def write(self, _: Exchange, ending: Ending) -> None:
        """Write the line."""
        response, call = ending.response, self.call
        said: dict[str, JsonValue] = {
            "method": self._head.method,
            "path": _WELCOME.sub(r"\1…", self._head.target.path),
            "status": 0 if response is None else response.status,
            "ms": round((ending.finished - self._started) * 1000, 1),
        }
        if call is not None and call.happened is not None:
            call.happened.log(**said)
        else:
            _log.info("request", **said, correlation_id=self._correlation_id)


class Authority:
    """Answers what a listener hands over, with one log line a request, which is without the query."""

    def __init__(
        self,
        services: Services,
        trusted_proxies: Sequence[Network] = (),
        hosted: Mapping[str, Callable[[Services], Application]] = HOSTED,
    ) -> None:
        """What `trusted_proxies` say about a client's address is believed."""
        self._services = services
        self._trusted_proxies = trusted_proxies
        self._always: Fields = (_NO_SNIFFING, _HTTPS_ONLY) if services.secure else (_NO_SNIFFING,)
        self._directory: Directory | None = None
        self._served: dict[Path, Served] = {}
        self._heads: BoundedMemory[tuple[object, ...], KnownHead] = BoundedMemory(MOST_HEADS)
        self._hosted: dict[str, Served] = {}
        for segment, load in hosted.items():
            application = HostedApplication(partial(load, services), services.base_url)
            self._hosted[segment] = Served(None, application.answer)

    def plan(self, head: Head) -> Plan:
        """Return the plan in which what is at the path answers, found anew with each snapshot only.

        Where that seldom waits, no task is made before it does.
        """
        head = head.for_all()
        read_source = source_reader(head, self._trusted_proxies)
        directory: Directory | None = None
        served, request = None, Asked(head, read_head(head), "")

        def answer(exchange: Exchange) -> Response | Awaitable[Response]:
            nonlocal directory, served, request
            if directory is not self._services.directory.current:
                directory, served, tail = self._find(head.target.path)
                request = request._replace(tail=tail)
            answering = self._answer(request, served, read_source, exchange)
            return begin(answering) if served is None or served.is_at_hand else answering

        return Plan.answering(head, answer)

    async def _answer(
        self,
        request: Asked,
        served: Served | None,
        read_source: Callable[[Exchange], Source],
        exchange: Exchange,
    ) -> Response:
        """Answer the exchange, whatever fails.

        Raises only what the listener has a status for: a body that is too long, too slow or broken off.
        """
        exchange.outlives_client = True
        head = request.head
        correlation_id = exchange.transaction_id = self._services.new_id()
        SOURCE.set(read_source(exchange))
        line = LogLine(head, exchange.started, correlation_id)
        exchange.endings.append(line.write)
        try:
            if served is None:
                response = _turn_away(head, exchange, 404, "There is no such environment or endpoint")
            elif served.methods is not None and head.method not in served.methods:
                allowed = (b"Allow", ", ".join(sorted(served.methods)).encode())
                response = _turn_away(head, exchange, 405, "The endpoint has another method", (allowed,))
            else:
                response = await served.answer(request, exchange, line)
        except (BodyTooLarge, BodyBroken):
            raise
        except (StorageUnavailable, ApplicationSlow) as error:
            _log.error("no answer in time", error=str(error), correlation_id=correlation_id)
            description = f"The server cannot answer now; try again later (Correlation ID: {correlation_id})"
            response = turn_away(head.headers, 503, description, correlation_id, _RETRY_LATER)
        except Exception as error:  # noqa: BLE001 - whatever failed, the caller gets an answer and the log the cause
            _log.error("request failed", correlation_id=correlation_id, **describe_failure(error))
            description = f"The log says more (Correlation ID: {correlation_id})"
            response = turn_away(head.headers, 500, description, correlation_id)
        self._complete(response, may_come_again=served is not None and served.is_at_hand)
        return response

    def _complete(self, response: Response, *, may_come_again: bool) -> None:
        """Add the fields that every answer has; a head that may come again is written once."""
        fields, length = response.headers.raw, response.body.length
        if not may_come_again or not length:
            response.headers.raw = [*fields, *self._always]
            return
        key = (response.status, *fields)
        known = self._heads.get(key)
        if known is None:
            whole = [*fields, *self._always, (b"Content-Length", b"")]
            known = self._heads.remember(key, KnownHead(response.status, whole, len(whole) - 1, None))
        response.headers = Headers.of_known(known, b"%d" % length, None)

    def _find(self, path: str) -> tuple[Directory, Served | None, str]:
        """Return the current snapshot, what is at the path in it, and what follows the parent in the path."""
        directory = self._services.directory.current
        if directory is not self._directory:
            self._directory, self._served = directory, self._lay_out(directory)
        served = self._served.get(path)
        if served is not None:
            return directory, served, ""
        hosted = self._hosted.get(path[1:].partition("/")[0])
        if hosted is not None:
            return directory, hosted, ""
        parent, _, tail = path.rpartition("/")
        return directory, self._served.get((parent,)) if tail else None, tail

    def _lay_out(self, directory: Directory) -> dict[Path, Served]:
        """Return what is at each path while `directory` is the snapshot."""
        served: dict[Path, Served] = {}
        for environment in directory.environments.values():
            for endpoint in (each for each in ENDPOINTS if each.is_offered(environment)):
                methods = {*endpoint.methods}
                if "GET" in methods:
                    methods |= _READ
                if endpoint.cross_origin:
                    methods.add("OPTIONS")
                answer = partial(self._answer_endpoint, endpoint, environment)
                is_at_hand = endpoint.for_programs and self._services.store.database.is_at_hand
                found = Served(frozenset(methods), answer, is_at_hand)
                for template in endpoint.paths:
                    path = template.replace("{environment}", environment.id)
                    served[(path[:-1],) if path.endswith("/") else path] = found
        served["/"] = Served(_READ, _answer_root)
        served["/health/live"] = Served(_READ, _answer_live)
        served["/health/ready"] = Served(_READ, self._answer_ready)
        for name in ASSETS:
            served[f"{ASSETS_PATH}/{name}"] = Served(_READ, partial(_answer_asset, name))
        return served

    async def _answer_endpoint(
        self,
        endpoint: Endpoint,
        environment: Environment,
        request: Asked,
        exchange: Exchange,
        line: LogLine,
    ) -> Response:
        """Answer at an endpoint of an environment, or refuse as the endpoint does."""
        services, head = self._services, request.head
        if head.method == "OPTIONS":
            methods = (b"Access-Control-Allow-Methods", ", ".join(endpoint.methods).encode())
            return Response(204, Headers((*_OF_PREFLIGHT, methods)))
        call = line.call = EndpointCall(
            head,
            exchange.body,
            services,
            environment,
            services.clock.now(),
            exchange.transaction_id,
            request.tail,
            request.read,
            () if request.read.read_proofs is None else request.read.read_proofs(exchange),
        )
        try:
            response = await endpoint.answer(call)
        except OAuthError as error:
            response = endpoint.refuse(call, error)
        if endpoint.cross_origin:
            response.headers.raw = [*response.headers.raw, *_OF_ANSWER]
        if call.proofs:
            nonces = await services.proof_nonces.of(environment.id)
            response.headers.add("DPoP-Nonce", nonces.current(call.now))
        return response

    async def _answer_ready(self, _request: Asked, _exchange: Exchange, _line: LogLine) -> Response:
        """Answer `/health/ready`: the store answers a read; 503 otherwise."""
        try:
            await self._services.store.sessions.find_session("", digest("health"))
        except Exception as error:  # noqa: BLE001 - whatever failed, the caller gets an answer and the log the cause
            _log.error("store does not answer", error=type(error).__name__)
            return json_response({"status": "store does not answer"}, 503)
        return json_response({"status": "ready"})


async def _answer_root(request: Asked, exchange: Exchange, _line: LogLine) -> Response:
    """Lead browsers to the console; for programs there is nothing."""
    if wants_page(request.head.headers.get("accept") or ""):
        return see_other(CONSOLE_PATH)
    return _turn_away(request.head, exchange, 404, "There is no such environment or endpoint")


async def _answer_live(_request: Asked, _exchange: Exchange, _line: LogLine) -> Response:
    """Answer `/health/live`: the event loop turns."""
    return json_response({"status": "live"})


async def _answer_asset(name: str, _request: Asked, _exchange: Exchange, _line: LogLine) -> Response:
    """Answer with a file of the pages; its address changes with its content, so it is kept for ever."""
    found = asset(name)
    kind = (b"Content-Type", found.media_type.encode())
    return Response(200, Headers([kind, _FOR_EVER]), Body(found.content))


def _turn_away(
    head: Head, exchange: Exchange, status: int, description: str, fields: Fields = ()
) -> Response:
    return turn_away(head.headers, status, description, exchange.transaction_id, fields)
