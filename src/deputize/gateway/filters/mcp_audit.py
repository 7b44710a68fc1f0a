"""`McpAuditFilter`: one record for each MCP message, refused ones included (gateway-config reference, section 3.4)."""

from collections.abc import AsyncIterator, Awaitable
from typing import Final

from deputize.audit.records import MCP, McpEvent, Route, Subject, cut
from deputize.audit.service import AuditService, Publish
from deputize.gateway.contexts import RouterContext
from deputize.gateway.oauth_contexts import AccessToken, RefusalContext
from deputize.gateway.settings import Reference, Settings
from deputize.gateway.site import Site
from deputize.http.exchange import Ending, Exchange, Filter, Next
from deputize.http.messages import Body, Response
from deputize.kernel.clock import Clock
from deputize.mcp.answers import AnswerObserver, Collector, collector_for, implementation, is_of_interest
from deputize.mcp.context import McpContext
from deputize.mcp.validation import ClientMessageType, Message

_NOBODY: Final = Subject()


class McpAuditFilter:
    """Stands before the filters that decide, and writes down what they decided when the exchange has ended."""

    class Config(Settings):
        """Without `auditService` nothing is recorded."""

        audit_service: Reference | None = None
        """An `AuditService` with an event handler of topic `mcp`."""

    def __init__(self, publish: Publish, clock: Clock) -> None:
        """`publish` takes records of topic `mcp`."""
        self._publish = publish
        self._clock = clock

    @classmethod
    def build(cls, config: Config, site: Site) -> Filter:
        """A filter that only passes on when nobody takes its records."""
        if config.audit_service is None:
            site.warn("", "no auditService: nothing is recorded", "name an AuditService")
            return _PassingOn()
        publish = site.refer(config.audit_service, AuditService, "auditService").publisher(MCP)
        return _PassingOn() if publish is None else cls(publish, site.instance.clock)

    async def filter(self, exchange: Exchange, next: Next) -> Response:  # noqa: A002 - the specification's word
        """Pass on, and look at what comes back without holding it up."""
        recording = _Recording(self._publish, exchange, self._clock.now())
        exchange.endings.append(recording)
        response = await next(exchange)
        if response.status == 200 and _opens_stream(exchange):
            recording.record(response.status, self._clock.now() - recording.began)
        else:
            recording.observe(response)
        return response


class _Recording:
    """What is known about an exchange until it is recorded, once."""

    __slots__ = ("_exchange", "_observer", "_publish", "began")

    def __init__(self, publish: Publish, exchange: Exchange, began: float) -> None:
        self._publish = publish
        self._exchange: Exchange | None = exchange
        self._observer: AnswerObserver | None = None
        self.began = began

    def __call__(self, ending: Ending) -> None:
        """The exchange has ended."""
        if self._exchange is not None:
            self.record(None if ending.response is None else ending.response.status, ending.finished - self._exchange.started)

    def record(self, status: int | None, elapsed: float) -> None:
        """Publish, and let go of the exchange: it holds this object, and a circle would wait for the garbage collector."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._publish(_event(exchange, self._observer, self.began, elapsed, status))

    def observe(self, response: Response) -> None:
        """Look at the answer: now, where it is at hand, or as it passes."""
        body = response.body
        if body.buffered is not None and not is_of_interest(body.buffered):
            return
        self._observer = AnswerObserver()
        collector = collector_for(response.headers.get("content-type") or "", self._observer)
        if body.buffered is None:
            response.body = Body(None, _Watched(aiter(body), collector), body.length, body.aclose)
        else:
            collector.feed(body.buffered)
            collector.end()


class _PassingOn:
    """What stands where nothing is recorded."""

    def filter(self, exchange: Exchange, next: Next) -> Awaitable[Response]:  # noqa: A002 - the specification's word
        return next(exchange)


class _Watched:
    """The chunks of a body on their way, shown to a collector."""

    __slots__ = ("_chunks", "_collector")

    def __init__(self, chunks: AsyncIterator[bytes], collector: Collector) -> None:
        self._chunks = chunks
        self._collector = collector

    def __aiter__(self) -> "_Watched":
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._collector.end()
            raise
        self._collector.feed(chunk)
        return chunk


def _opens_stream(exchange: Exchange) -> bool:
    """Such a stream may stay open for hours: its record does not wait for the end."""
    mcp = exchange.find(McpContext)
    return mcp is not None and mcp.message.type is ClientMessageType.SSE_OPENING


def _event(exchange: Exchange, observer: AnswerObserver | None, began: float, elapsed: float, status: int | None) -> McpEvent:
    token = exchange.find(AccessToken)
    router = exchange.find(RouterContext)
    mcp = exchange.find(McpContext)
    message = mcp.message if mcp else None
    key = mcp.key if mcp else None
    return McpEvent(
        exchange.transaction_id,
        Route(router.route.id, router.route.name) if router else None,
        began,
        exchange.peer,
        message.type.value if message else None,
        key.method if key else None,
        cut(" ".join(key.names)) if key and key.names else None,
        message.version if message else None,
        message.session if message else None,
        _client_info(message) if message else None,
        observer.server_info if observer else None,
        token.subject if token else _NOBODY,
        _reason(exchange, status, let_through=mcp is not None),
        observer.error_code if observer else None,
        status,
        elapsed,
    )


def _client_info(message: Message) -> str | None:
    frame = message.frame
    return implementation(frame.params.get("clientInfo")) if frame and frame.method == "initialize" and frame.params else None


def _reason(exchange: Exchange, status: int | None, *, let_through: bool) -> str | None:
    """Why the gateway refused. What passed the MCP filters can still be refused by a filter that leaves no reason: then there is none."""
    refusal = exchange.find(RefusalContext)
    if refusal is not None:
        return f"{refusal.error}: {refusal.reason}"
    if let_through or (status is not None and status < 400):
        return None
    return "refused before it was read as an MCP message"
