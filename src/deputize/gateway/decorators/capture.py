"""`CaptureDecorator`: writes requests and answers to the log as they pass (gateway-config reference 1.8)."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Final, Self, cast

import structlog
from pydantic import Field

from deputize.expressions import OperandError
from deputize.expressions.values import DEFAULT_LIMITS, Value, plain
from deputize.gateway.config.settings import OneOrMore, Settings
from deputize.gateway.exchange.masking import Masks
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Body, Headers, Response
from deputize.http.plans import Filter, Handler, Plan, Prepare
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.values import JsonValue

log = structlog.get_logger()
POINTS: Final = ("request", "filtered_request", "response", "filtered_response")
_WORDS: Final = f"all, none, {', '.join(POINTS)}"
_TEXT_TYPES: Final = ("json", "xml", "javascript", "x-www-form-urlencoded")


class MaskSettings(Settings):
    """What is hidden besides credentials, which always are."""

    headers: OneOrMore[str] = ()
    """Regular expressions for whole names of headers, in any case."""
    attributes: OneOrMore[str] = ()
    """Regular expressions for whole names of members and parameters, in entities, queries and contexts."""


class CaptureDecorator:
    """Writes the messages that reach or leave a handler or filter to the log, without credentials.

    The decoration is one of these, in any case, or a list: `request` as it arrives and `response` as it comes
    back from behind; for a filter also `filtered_request`, as it is passed on, and `filtered_response`, as it
    leaves; `all` of them; `none`, which wins. Always there as `capture`.

    Tokens, passwords, cookies and the like are replaced by `*****` whatever is configured. Entities pass on
    as they stream; they are written when they are complete. What has no `Content-Type` is not written, what
    is not text is only mentioned.
    """

    class Config(Settings):
        """An entity may hold what no program recognises as a secret: capture entities to look for a fault."""

        capture_entity: bool = False
        """Whether entities are written."""
        capture_context: bool = False
        """Whether the contexts are written, such as the claims of the token."""
        max_entity_length: Annotated[int, Field(ge=0)] = 524288
        """Bytes of an entity that are written at most."""
        masks: MaskSettings = Field(default_factory=MaskSettings)
        """What else is hidden."""

    def __init__(self, config: Config, masks: Masks, context: BuildContext) -> None:
        self.config = config
        self.masks = masks
        self.name = context.name

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Compile the masks."""
        try:
            return cls(config, Masks(config.masks.headers, config.masks.attributes), context)
        except OperandError as error:
            raise context.error("masks", str(error), "write regular expressions for whole names") from error

    def decorate(
        self, subject: Filter | Handler, written: JsonValue, context: BuildContext
    ) -> Filter | Handler:
        """Return `subject` between steps that write to the log."""
        words = written if isinstance(written, list) else [written]
        named = {each.lower() for each in words if isinstance(each, str)}
        if len(named) != len(words) or not named <= {*POINTS, "all", "none"}:
            raise ConfigurationError(
                context.position.below(self.name), f"{self.name} is one of {_WORDS}, or a list of them"
            )
        points = frozenset(POINTS if "all" in named else (each for each in POINTS if each in named))
        if "none" in named or not points:
            return subject
        capture = _Capture(self, context)
        if isinstance(subject, Handler):
            return CapturedHandler(capture, points, subject)
        return CapturedFilter(capture, points, subject)


class _Capture:
    """Writes the messages of one decorated object."""

    def __init__(self, decorator: CaptureDecorator, context: BuildContext) -> None:
        self._config = decorator.config
        self._masks = decorator.masks
        self._context = context
        self._object = context.name or context.pointer

    def surround(self, plan: Plan, head: Head, request: str | None, response: str | None) -> Plan:
        """Return `plan` behind a step that writes what passes; `None` for a message that is not written."""

        def check(exchange: Exchange) -> None:
            if request is not None:
                self._write_request(request, head.at(exchange), exchange)

        def observe(exchange: Exchange, answer: Response) -> None:
            if response is not None:
                self._write_response(response, exchange, answer)

        if request is None and response is None:
            return plan
        return plan.after(
            head,
            check=None if request is None else check,
            observe=None if response is None else observe,
        )

    def _write_request(self, point: str, head: Head, exchange: Exchange) -> None:
        more: dict[str, object] = {}
        if self._config.capture_context:
            more["contexts"] = self._contexts(head)
        self._tell(
            point,
            exchange,
            method=head.method,
            uri=self._masks.text(f"{head.origin or ''}{head.target}"),
            version=f"HTTP/{head.version}",
            headers=self._masks.headers(head.headers),
            **more,
        )
        exchange.body = self._follow(point, exchange, head.headers, exchange.body)

    def _write_response(self, point: str, exchange: Exchange, answer: Response) -> None:
        headers = self._masks.headers(answer.headers)
        self._tell(point, exchange, status=answer.status, headers=headers)
        answer.body = self._follow(point, exchange, answer.headers, answer.body)

    def _contexts(self, head: Head) -> JsonValue:
        contexts = self._context.bindings(head)["contexts"]
        try:
            found = plain(cast("Value", contexts), DEFAULT_LIMITS.size)
        except OperandError as error:
            return f"not written: {error}"
        return self._masks.value(cast("JsonValue", found))

    def _follow(self, point: str, exchange: Exchange, headers: Headers, body: Body) -> Body:
        """Write the entity, now or when it has passed; return the body to go on with."""
        content_type = headers.get("content-type")
        if not self._config.capture_entity or content_type is None or body.buffered == b"":
            return body
        if not _is_text(content_type) or headers.get("content-encoding") is not None:
            self._tell(point, exchange, entity="not written: it is not text")
            return body
        transaction, limit = exchange.transaction_id, self._config.max_entity_length

        def tell(kept: bytes, length: int) -> None:
            text = self._masks.text(kept.decode("utf-8", "replace"))
            left_out = {} if length <= limit else {"bytes_left_out": length - limit}
            log.info(
                "captured", point=point, object=self._object, entity=text, **left_out, transaction=transaction
            )

        if body.buffered is not None:
            tell(body.buffered[:limit], len(body.buffered))
            return body
        passing = _Passing(body, limit, tell)
        return Body(None, passing, body.length, passing.aclose)

    def _tell(self, point: str, exchange: Exchange, **values: object) -> None:
        log.info("captured", point=point, object=self._object, **values, transaction=exchange.transaction_id)


class _Passing(AsyncIterator[bytes]):
    """The chunks of a body, of which the first bytes are kept until it ends, or is given up."""

    __slots__ = ("_body", "_chunks", "_kept", "_length", "_limit", "_tell")

    def __init__(self, body: Body, limit: int, tell: Callable[[bytes, int], None]) -> None:
        """Call `tell` once in the end, with what was kept of how many bytes."""
        self._body = body
        self._chunks = aiter(body)
        self._limit = limit
        self._tell: Callable[[bytes, int], None] | None = tell
        self._kept = bytearray()
        self._length = 0

    async def __anext__(self) -> bytes:
        """The next chunk."""
        chunk = b""
        try:
            chunk = await anext(self._chunks)
        finally:
            if not chunk:
                self._end()
        self._length += len(chunk)
        self._kept += chunk[: self._limit - len(self._kept)]
        return chunk

    async def aclose(self) -> None:
        """Give up the rest."""
        self._end()
        await self._body.aclose()

    def _end(self) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(bytes(self._kept), self._length)


class CapturedHandler:
    """A handler whose requests and answers are written to the log."""

    __slots__ = ("_capture", "_request", "_response", "undecorated")

    def __init__(self, capture: _Capture, points: frozenset[str], handler: Handler) -> None:
        self._capture = capture
        self._request: str | None = "request" if "request" in points else None
        self._response: str | None = "response" if "response" in points else None
        self.undecorated = handler

    def plan(self, head: Head) -> Plan:
        """Write, and pass on."""
        return self._capture.surround(self.undecorated.plan(head), head, self._request, self._response)


class CapturedFilter:
    """A filter of which requests and answers are written to the log, before it and behind it."""

    __slots__ = ("_capture", "_points", "undecorated")

    def __init__(self, capture: _Capture, points: frozenset[str], subject: Filter) -> None:
        self._capture = capture
        self._points = points
        self.undecorated = subject

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Write, and pass on to the filter."""

        def passed_on(changed: Head) -> Plan:
            return self._surround(next(changed), changed, "filtered_request", "response")

        return self._surround(self.undecorated.prepare(head, passed_on), head, "request", "filtered_response")

    def _surround(self, plan: Plan, head: Head, request: str, response: str) -> Plan:
        points = self._points
        return self._capture.surround(
            plan, head, request if request in points else None, response if response in points else None
        )


def _is_text(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type.endswith(_TEXT_TYPES)
