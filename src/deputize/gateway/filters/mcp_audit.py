"""`McpAuditFilter`: a record for each MCP message, refused ones included (gateway-config reference 3.4)."""

import time
from collections.abc import AsyncIterator
from functools import partial

from deputize.audit.publisher import AuditPublisher, Commit, Publish
from deputize.audit.records import DECISION, MCP, WHOLE, EventPart, McpEvent, McpForm, cut
from deputize.audit.trail import NotKept
from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.exchange.contexts import OAuth2Context, RefusalContext, RouterContext
from deputize.gateway.exchange.event_streams import is_open_stream
from deputize.gateway.exchange.recording import NOBODY
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Ending, Exchange, Head
from deputize.http.messages import Body, Response
from deputize.http.plans import Filter, Plan, Prepare
from deputize.mcp.answers import AnswerObserver, Collector, collector_for, is_of_interest
from deputize.mcp.context import McpContext
from deputize.mcp.validation import ClientMessageType


class McpAuditFilter:
    """Records each MCP message before the answer has left; it belongs before the filters that decide."""

    class Config(Settings):
        """Without `auditService` nothing is recorded."""

        audit_service: Reference | None = None
        """An `AuditService` with an event handler of topic `mcp`."""

    def __init__(self, publish: Publish, commit: Commit | None = None) -> None:
        """`publish` takes records of topic `mcp`; so does `commit`, before the call goes up."""
        self._publish = publish
        self._commit = commit

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Filter:
        """Make the filter, or one that only passes on when nobody takes its records."""
        if config.audit_service is None:
            context.warn("", "no auditService: nothing is recorded", "name an AuditService")
            return _WithoutRecording()
        service = context.refer(config.audit_service, AuditPublisher, "auditService")
        publish = service.publisher(MCP)
        return _WithoutRecording() if publish is None else cls(publish, service.committer(MCP))

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on, and look at what comes back without holding it up."""
        plan = next(head)
        router = plan.find(RouterContext)
        form = McpForm(router.route if router else None, head.peer)

        def begin(exchange: Exchange) -> None:
            recording = _McpRecording(self, self._publish, form, exchange)
            exchange.endings.append(recording)
            if self._commit is not None:
                exchange.commits += (partial(recording.commit, self._commit),)

        return plan.after(head, check=begin, observe=self._observe)

    def _observe(self, exchange: Exchange, response: Response) -> None:
        answer = response.body.buffered
        if answer is not None and not is_of_interest(answer):
            return
        for each in exchange.endings:
            if isinstance(each, _McpRecording) and each.maker is self:
                each.observe(response)


class _McpRecording:
    """What is known about an exchange until it is recorded.

    It is recorded once, or in two parts when the decision could not wait for the outcome.
    """

    __slots__ = ("_exchange", "_form", "_observer", "_part", "_publish", "_strict", "maker")

    def __init__(self, maker: McpAuditFilter, publish: Publish, form: McpForm, exchange: Exchange) -> None:
        self.maker = maker
        self._publish = publish
        self._form = form
        self._exchange: Exchange | None = exchange
        self._observer: AnswerObserver | None = None
        self._part = WHOLE
        self._strict = False

    def __call__(self, ending: Ending) -> None:
        """Record the end, and let go of what holds this object: circles would wait for the garbage collector.

        The end of a stream is recorded only when it says something that its beginning could not.
        """
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if (
            self._part is WHOLE
            or self._strict
            or not ending.complete
            or (self._observer and self._observer.has_seen)
        ):
            status = None if ending.response is None else ending.response.status
            self._publish(self._event(exchange, status, ending.finished - exchange.started, self._part))

    async def commit(self, commit: Commit) -> None:
        """Bring the decision onto the disk. Raises `OSError`."""
        if self._exchange is None:
            return
        self._part, self._strict = EventPart.OUTCOME, True
        try:
            await commit(self._event(self._exchange, None, 0.0, DECISION))
        except NotKept:
            self._part = WHOLE
            raise

    def observe(self, response: Response) -> None:
        """Look at the answer: now, where it is at hand, or as it passes.

        Of a stream, the decision is recorded unless it has been: it may last for hours, or as long as the
        process.
        """
        exchange, body = self._exchange, response.body
        if exchange is None:
            return
        if self._part is WHOLE and is_open_stream(response):
            elapsed = time.monotonic() - exchange.started
            self._publish(self._event(exchange, response.status, elapsed, WHOLE))
            self._part = EventPart.OUTCOME
        mcp = exchange.find(McpContext)
        if mcp is not None and mcp.message.type is ClientMessageType.SSE_OPENING:
            return
        self._observer = AnswerObserver()
        collector = collector_for(response.headers, self._observer)
        if body.buffered is None:
            response.body = Body(None, _ObservedChunks(aiter(body), collector), body.length, body.aclose)
        else:
            collector.feed(body.buffered)
            collector.end()

    def _event(self, exchange: Exchange, status: int | None, elapsed: float, part: EventPart) -> McpEvent:
        token = exchange.find(OAuth2Context)
        mcp = exchange.find(McpContext)
        message = mcp.message if mcp else None
        key = mcp.key if mcp else None
        observer = self._observer
        permitted, reason = (True, None) if part is DECISION else _judge(exchange, status)
        return McpEvent(
            self._form,
            exchange.transaction_id,
            exchange.arrived,
            exchange.peer.remote_port,
            token.subject if token else NOBODY,
            message.type.value if message else None,
            key.method if key else None,
            cut(" ".join(key.names)) if key and key.names else None,
            message.version if message else None,
            message.session if message else None,
            permitted,
            status,
            elapsed,
            reason,
            observer.error_code if observer else None,
            mcp.client_info if mcp else None,
            observer.server_info if observer else None,
            part,
        )


class _WithoutRecording:
    """Passes everything on without recording."""

    def prepare(self, head: Head, next: Prepare) -> Plan:
        return next(head)


class _ObservedChunks:
    """The chunks of a body on their way, shown to a collector."""

    __slots__ = ("_chunks", "_collector")

    def __init__(self, chunks: AsyncIterator[bytes], collector: Collector) -> None:
        self._chunks = chunks
        self._collector = collector

    def __aiter__(self) -> "_ObservedChunks":
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._collector.end()
            raise
        self._collector.feed(chunk)
        return chunk


def _judge(exchange: Exchange, status: int | None) -> tuple[bool | None, str | None]:
    """Whether the call was let through, and if not, why. Nothing was decided on a client that left before."""
    refusal = exchange.find(RefusalContext)
    if refusal is not None:
        return False, f"{refusal.error}: {refusal.reason}"
    if exchange.went_up or (status is not None and status < 400):
        return True, None
    if status is None:
        return None, "the client left before it was decided"
    if exchange.find(McpContext) is None:
        return False, "refused before it was read as an MCP message"
    return False, f"the gateway itself answered {status}"
