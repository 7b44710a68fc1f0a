"""`McpAuditFilter`: a record for each MCP message, refused ones included (gateway-config reference 3.4)."""

import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Final, NamedTuple

from deputize.audit.publisher import AuditPublisher, Commit, Publish
from deputize.audit.records import (
    DECISION,
    MAX_TEXT,
    MCP,
    WHOLE,
    EventPart,
    McpForm,
    Record,
    cut,
    tell_decision,
    tell_message,
)
from deputize.audit.trail import NotKept
from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.exchange.contexts import OAuth2Context, PolicyContext, RefusalContext, RouterContext
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
        form, commit = McpForm(router.route if router else None, head.peer), self._commit
        check = None if commit is None else partial(self._begin, commit, form)

        def observe(exchange: Exchange, response: Response) -> None:
            if response.body.buffered is None:  # what is at hand is looked at in the end
                self._observe(form, exchange, response)

        def end(exchange: Exchange, ending: Ending) -> None:
            self._end(form, exchange, ending)

        return plan.after(head, check=check, observe=observe, ending=end)

    def _begin(self, commit: Commit, form: McpForm, exchange: Exchange) -> None:
        exchange.commits += (partial(self._commit_decision, commit, form, exchange),)

    async def _commit_decision(self, commit: Commit, form: McpForm, exchange: Exchange) -> None:
        """Bring the decision onto the disk. Raises `OSError`."""
        exchange.left[form] = _Recorded(is_on_disk=True)
        try:
            await commit(_record(form, exchange, None, 0.0, DECISION, None))
        except NotKept:
            del exchange.left[form]
            raise

    def _observe(self, form: McpForm, exchange: Exchange, response: Response) -> None:
        """Look at an answer as it passes.

        The decision is recorded unless it has been: a stream may last for hours, or as long as the process.
        """
        recorded: _Recorded = exchange.left.get(form, _NOTHING)
        if recorded is _NOTHING and is_open_stream(response):
            elapsed = time.monotonic() - exchange.started
            self._publish(_record(form, exchange, response.status, elapsed, WHOLE, None))
            recorded = _Recorded(is_begun=True)
        mcp = exchange.find(McpContext)
        if mcp is None or mcp.message.type is not _OPENING:
            observer = AnswerObserver()
            recorded = recorded._replace(observer=observer)
            collector, body = collector_for(response.headers, observer), response.body
            response.body = Body(None, _ObservedChunks(aiter(body), collector), body.length, body.aclose)
        exchange.left[form] = recorded

    def _end(self, form: McpForm, exchange: Exchange, ending: Ending) -> None:
        """Record the exchange, or its outcome.

        The end of a stream is recorded only when it says something that its beginning could not.
        """
        response, observer = ending.response, None
        recorded: _Recorded | None = exchange.left.get(form)
        status = content = None
        if response is not None:
            status, content = response.status, response.body.buffered
        part = WHOLE
        if recorded is not None:
            observer = recorded.observer
            if recorded.is_on_disk or recorded.is_begun:
                part = EventPart.OUTCOME
        if response is not None and content and is_of_interest(content):
            observer = _look_at(exchange, content, response)
        if (
            recorded is None
            or not recorded.is_begun
            or not ending.complete
            or (observer is not None and observer.has_seen)
        ):
            self._publish(_record(form, exchange, status, ending.finished - exchange.started, part, observer))
        exchange.commits = ()  # they lead back to the exchange


class _Recorded(NamedTuple):
    """What is recorded of an exchange already, and what has been seen of its answer."""

    is_on_disk: bool = False
    """Whether the decision is."""
    is_begun: bool = False
    """Whether the beginning of an event stream is."""
    observer: AnswerObserver | None = None


_NOTHING: Final = _Recorded()
_OPENING: Final = ClientMessageType.SSE_OPENING


def _look_at(exchange: Exchange, content: bytes, response: Response) -> AnswerObserver | None:
    """Look at an answer that is at hand."""
    mcp = exchange.find(McpContext)
    if mcp is not None and mcp.message.type is _OPENING:
        return None
    observer = AnswerObserver()
    collector = collector_for(response.headers, observer)
    collector.feed(content)
    collector.end()
    return observer


def _record(
    form: McpForm,
    exchange: Exchange,
    status: int | None,
    elapsed: float,
    part: EventPart,
    observer: AnswerObserver | None,
) -> Record:
    token = exchange.find(OAuth2Context)
    mcp = exchange.find(McpContext)
    error_code = server_info = session = None
    if observer is not None:
        error_code, server_info = observer.error_code, observer.server_info
    if mcp is None:
        told = tell_message(None, None, None, None, None, server_info)
    else:
        message, key = mcp.message, mcp.key
        method = param = None
        if key is not None:
            method, names = key
            if names:
                param = names[0] if len(names) == 1 else " ".join(names)
                if len(param) > MAX_TEXT:
                    param = cut(param)
        session = message.session
        told = tell_message(message.type, method, param, message.version, mcp.client_info, server_info)
    permitted, reason = (True, None) if part is DECISION else _judge(exchange, status)
    return form.fill(
        exchange,
        NOBODY if token is None else token.subject,
        told,
        tell_decision(permitted, reason, error_code, session),
        status,
        elapsed,
        part=part,
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
    """Whether the call was let through, and if not, or if policies were asked, why.

    Nothing was decided on a client that left before.
    """
    refusal = exchange.find(RefusalContext)
    if refusal is not None:
        return False, f"{refusal.error}: {refusal.reason}"
    if exchange.went_up or (status is not None and status < 400):
        policy = exchange.find(PolicyContext)
        return True, None if policy is None else str(policy)
    if status is None:
        return None, "the client left before it was decided"
    if exchange.find(McpContext) is None:
        return False, "refused before it was read as an MCP message"
    return False, f"the gateway itself answered {status}"
