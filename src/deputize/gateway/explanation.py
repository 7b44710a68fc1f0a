"""Takes one request through the routes without sending it, and tells what each object did with it."""

import shutil
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Final, Self

from deputize.audit.publisher import AuditPublisher
from deputize.gateway.audit.service import AuditService
from deputize.gateway.catalogue import FAMILIES, HEAP_TYPES
from deputize.gateway.exchange.contexts import BoundContext, RefusalContext
from deputize.gateway.exchange.masking import Masks
from deputize.gateway.handlers.client import ClientHandler
from deputize.gateway.handlers.reverse_proxy import ReverseProxyHandler
from deputize.gateway.handlers.router import Router
from deputize.gateway.loading.context import BuildContext, HeapType
from deputize.gateway.loading.instance import LoadedInstance, load
from deputize.gateway.policies.mcp_tool_policies import McpToolPolicies
from deputize.http.exchange import Exchange, Head, Peer
from deputize.http.messages import Body, Headers, Request, Response
from deputize.http.plans import Filter, Handler, Plan, Prepare, as_filter, as_handler, ask
from deputize.kernel.clock import SystemClock
from deputize.kernel.families import load_families
from deputize.kernel.uris import Origin, Target

_SILENT: Final = frozenset({"Chain"})
"""Types that do nothing but hold others."""
_MASKS: Final = Masks((), ())


@dataclass(slots=True)
class Stop:
    """What one object did with the request."""

    type: str
    name: str
    place: str
    """Its file and pointer."""
    depth: int
    events: list[str] = field(default_factory=list[str])
    """What it did, in order."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The way of one request, and how it was answered."""

    stops: Sequence[Stop]
    response: Response | None
    is_sent: bool
    """Whether a server would have got it: the response is not that server's then."""
    failure: str | None = None
    """What went wrong where nothing answered."""


class Trace:
    """Looks on while one request passes."""

    def __init__(self) -> None:
        """Nothing has passed."""
        self.stops: list[Stop] = []
        self._open: list[Stop] = []
        self.is_sent = False
        self.exchange: Exchange | None = None
        """The request that is looked at; others are the gateway's own."""

    def observe(self, subject: object, written: str, context: BuildContext) -> object:
        """Return `subject`, an object of the type `written`, so that it is seen what it does."""
        handler, filter_ = as_handler(subject), as_filter(subject)
        kind = written.rpartition(".")[2]
        if kind in _SILENT or (handler is None and filter_ is None):
            return subject
        place = f"{context.position.file} at {context.position.pointer or '/'}"
        label = (kind, context.name, place)
        if handler is not None:
            return TracedHandler(self, label, handler)
        return TracedFilter(self, label, filter_) if filter_ is not None else subject

    def arrive(self, label: tuple[str, str, str], exchange: Exchange) -> Stop | None:
        """Note that the request has come to an object."""
        if exchange is not self.exchange:
            return None
        stop = Stop(*label, depth=len(self._open))
        self.stops.append(stop)
        self._open.append(stop)
        return stop

    def leave(self, stop: Stop, exchange: Exchange, response: Response, came: int | None) -> None:
        """Note the answer of an object; `came` is the status that came from behind it."""
        while self._open and self._open.pop() is not stop:
            pass
        if came is None and not stop.events and self.stops[-1] is stop:
            refusal = exchange.find(RefusalContext)
            why = f": {refusal.error}, {refusal.reason}" if refusal else ""
            stop.events.append(f"answers {response.status}{why}")
        elif came is not None and came != response.status:
            stop.events.append(f"makes {response.status} of the answer {came}")


class TracedHandler:
    """A handler that is looked at."""

    __slots__ = ("_label", "_trace", "undecorated")

    def __init__(self, trace: Trace, label: tuple[str, str, str], handler: Handler) -> None:
        self._trace = trace
        self._label = label
        self.undecorated = handler

    def plan(self, head: Head) -> Plan:
        """Note the request and its answer."""
        innermost: object = self.undecorated
        while (inner := getattr(innermost, "undecorated", None)) is not None:
            innermost = inner

        def check(exchange: Exchange) -> None:
            stop = self._trace.arrive(self._label, exchange)
            if stop is None:
                return
            exchange.left[self] = stop
            if isinstance(innermost, Router):
                stop.events += _routes_tried(innermost, head.at(exchange))
            elif isinstance(innermost, UnsentProxy | UnsentClient):
                self._trace.is_sent = True
                stop.events += _sending(head.at(exchange))

        def observe(exchange: Exchange, response: Response) -> None:
            stop = exchange.left.get(self)
            if stop is not None:
                self._trace.leave(stop, exchange, response, None)

        return self.undecorated.plan(head).after(head, check=check, observe=observe)


class TracedFilter:
    """A filter that is looked at, before it and behind it."""

    __slots__ = ("_label", "_trace", "undecorated")

    def __init__(self, trace: Trace, label: tuple[str, str, str], subject: Filter) -> None:
        self._trace = trace
        self._label = label
        self.undecorated = subject

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Note the request, what is passed on of it, and the answer."""
        came: dict[Exchange, int] = {}

        def arrive(exchange: Exchange) -> None:
            stop = self._trace.arrive(self._label, exchange)
            if stop is not None:
                exchange.left[self] = stop

        def leave(exchange: Exchange, response: Response) -> None:
            stop = exchange.left.get(self)
            if stop is not None:
                self._trace.leave(stop, exchange, response, came.pop(exchange, None))

        def passed_on(changed: Head) -> Plan:
            def passes(exchange: Exchange) -> None:
                stop = exchange.left.get(self)
                if stop is not None:
                    stop.events.append("passes on" + _changes(head, changed, exchange))

            def comes_back(exchange: Exchange, response: Response) -> None:
                came[exchange] = response.status

            return next(changed).after(changed, check=passes, observe=comes_back)

        return self.undecorated.prepare(head, passed_on).after(head, check=arrive, observe=leave)


class UnsentProxy:
    """A `ReverseProxyHandler` that sends nothing."""

    Config: ClassVar = ReverseProxyHandler.Config

    @classmethod
    def build(cls, config: ReverseProxyHandler.Config, context: BuildContext) -> Self:
        """Check the settings."""
        ReverseProxyHandler.build(config, context)
        return cls()

    def plan(self, head: Head) -> Plan:
        """Answer 200."""
        return Plan.answering(head, lambda _: Response(200))


class UnsentClient:
    """A `ClientHandler` that sends what the gateway itself asks, such as about tokens, and nothing else."""

    Config: ClassVar = ClientHandler.Config
    trace: ClassVar[Trace]

    def __init__(self, handler: ClientHandler) -> None:
        self._handler = handler

    @classmethod
    def build(cls, config: ClientHandler.Config, context: BuildContext) -> Self:
        """Make the client."""
        return cls(ClientHandler.build(config, context))

    def plan(self, head: Head) -> Plan:
        """Ask, or answer 200 to the request that is explained."""

        def answer(exchange: Exchange) -> Response | Awaitable[Response]:
            if exchange is self.trace.exchange:
                return Response(200)
            exchange.request = head.request(exchange)
            return self._handler.handle(exchange)

        return Plan.answering(head, answer)


class UncountedPolicies:
    """`McpToolPolicies` that count budgets in a copy of what was counted, so that nothing is spent."""

    Config: ClassVar = McpToolPolicies.Config
    copies: ClassVar[Path]
    """The folder of the copies."""

    @classmethod
    def build(cls, config: McpToolPolicies.Config, context: BuildContext) -> object:
        """Copy what was counted."""
        counted = context.instance.directory / config.state_directory
        copy = cls.copies / sha256(str(counted).encode()).hexdigest()
        if counted.is_dir() and not copy.exists():
            shutil.copytree(counted, copy)
        return McpToolPolicies.build(config.model_copy(update={"state_directory": str(copy)}), context)


class UnrecordedAudit:
    """An `AuditService` that records nothing."""

    Config: ClassVar = AuditService.Config

    @classmethod
    def build(cls, config: AuditService.Config, context: BuildContext) -> AuditPublisher:
        """Open no sinks."""
        return AuditPublisher(())


@asynccontextmanager
async def explaining(
    directory: Path, environment: Mapping[str, str]
) -> AsyncGenerator[tuple[LoadedInstance, Trace]]:
    """Load an instance that sends and records nothing. Raises `ConfigurationError` as a start does."""
    load_families(FAMILIES)
    trace = Trace()
    with TemporaryDirectory() as copies:
        types: dict[str, HeapType] = {
            **HEAP_TYPES.by_name,
            "ReverseProxyHandler": UnsentProxy,
            "ClientHandler": type("TracedClient", (UnsentClient,), {"trace": trace}),
            "McpToolPolicies": type("CopiedPolicies", (UncountedPolicies,), {"copies": Path(copies)}),
            "AuditService": UnrecordedAudit,
        }
        instance = await load(directory, environment, SystemClock(), types, trace.observe)
        try:
            yield instance, trace
        finally:
            await instance.deployment.close()


async def explain(instance: LoadedInstance, trace: Trace, request: Request, *, secure: bool) -> Explanation:
    """Take `request` through the routes, as if it came from this machine."""
    peer = Peer("127.0.0.1", 50_000, "127.0.0.1", request.origin.port if request.origin else 80, secure)
    now = instance.registry.instance.clock.now()
    exchange = trace.exchange = Exchange(request, peer, "explained", time.monotonic(), now)
    try:
        response = await ask(instance.entry, exchange)
    except Exception as error:  # noqa: BLE001 - what a listener answers with 500 is what is asked about
        return Explanation(trace.stops, None, trace.is_sent, f"{type(error).__name__}: {error}")
    return Explanation(trace.stops, response, trace.is_sent)


def request_of(
    method: str, origin: Origin, target: Target, headers: Sequence[tuple[str, str]], body: bytes
) -> Request:
    """Return the request as a listener would hand it over. Raises `HeaderError`."""
    fields = Headers([(b"Host", origin.authority.encode("ascii"))])
    for name, value in headers:
        fields.add(name, value)
    if body:
        fields.set("Content-Length", str(len(body)))
    return Request(method, target, fields, Body(body), origin)


def _routes_tried(router: Router, head: Head) -> Iterator[str]:
    """Yield what the condition of each route says, up to the one that takes the request."""
    for route in router.routes.routes:
        condition = route.condition
        if condition is None:
            yield f"route {route.identity.name} takes everything"
            return
        accepts = route.accepts(head)
        yield f"route {route.identity.name}: {condition} is {'true' if accepts else 'false'}"
        if accepts:
            return


def _sending(head: Head) -> Iterator[str]:
    uri = _MASKS.text(f"{head.origin or ''}{head.target}")
    yield f"would send {head.method} {uri}"
    for name, values in _MASKS.headers(head.headers).items():
        yield f"  {name}: {', '.join(values)}"


def _changes(found: Head, passed: Head, exchange: Exchange) -> str:
    """Return what a filter has changed, as the end of a sentence."""
    changes: list[str] = []
    before, after = found.at(exchange), passed.at(exchange)
    if before.method != after.method:
        changes.append(f"method {after.method}")
    if before.target != after.target:
        changes.append(f"target {_MASKS.text(str(after.target))}")
    if before.origin != after.origin:
        changes.append(f"to {after.origin}")
    old, new = _MASKS.headers(before.headers), _MASKS.headers(after.headers)
    changes += [f"without {name}" for name in old if name not in new]
    changes += [
        f"{name}: {', '.join(values)}"
        for name, values in new.items()
        if list(before.headers.get_all(name)) != list(after.headers.get_all(name))
    ]
    left = [each for kind, each in passed.contexts.items() if found.contexts.get(kind) is not each]
    changes += [f"leaves contexts.{each.binding_name}" for each in left if isinstance(each, BoundContext)]
    return f": {'; '.join(changes)}" if changes else ""
