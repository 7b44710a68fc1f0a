"""`McpValidationFilter`.

Lets through what is an MCP message beyond doubt (gateway-config reference, section 3.2).
"""

import json
import re
from collections.abc import Sequence
from typing import ClassVar, Final, Self

import structlog
from pydantic import Field

from deputize.expressions.errors import OperandError
from deputize.expressions.patterns import Pattern, compile_pattern
from deputize.gateway.config.settings import OneOrMore, Raw, Settings
from deputize.gateway.exchange.contexts import BoundContext, RefusalContext
from deputize.gateway.exchange.forwarding import keep_for_mcp
from deputize.gateway.exchange.refusals import error_response, refuse_unread
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Next
from deputize.http.messages import Body, BodyTooLarge, Request, Response
from deputize.http.sse import is_event_stream
from deputize.kernel import strict_json
from deputize.kernel.uris import normalise_origin
from deputize.mcp import errors, versions
from deputize.mcp.context import McpContext
from deputize.mcp.errors import Rejection
from deputize.mcp.frames import policy_key
from deputize.mcp.headers import RoutingFields, read_fields
from deputize.mcp.validation import Message, Rules, check_head, check_message, check_opening

log = structlog.get_logger()
_ANY: Final = ".*"
_ESCAPED_OR_CLASS: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
"""Parts of a pattern in which a dot stands for itself."""


class McpValidationFilter:
    """Refuses by JSON-RPC error bodies, so that clients of either era understand.

    Forwards the bytes it has checked.
    """

    aliases: ClassVar[tuple[str, ...]] = ("McpValidatorFilter",)
    contexts: ClassVar[tuple[type[BoundContext], ...]] = (McpContext,)

    class Config(Settings):
        r"""`acceptedMethods` and `maxBodySize` are ours.

        `acceptedOrigins` are only looked at where a request has an `Origin`, so comes from a web page. An
        origin such as `https://app.example.com` is compared as a whole, its dots standing for dots; case and
        the default port make no difference. Anything else is a pattern for the whole origin in lower case
        without default port, such as `https://[a-z]+\.example\.com`. `.*` accepts every page there is.
        """

        accepted_origins: Raw[OneOrMore[str]]
        """Origins, or patterns for whole origins, of which one must fit.

        Two `Origin` headers are never accepted.
        """
        preferred_server_version: str = versions.NEWEST_HANDSHAKE
        """The version an `initialize` is sent on with when the client asks for one that is not supported."""
        accepted_methods: OneOrMore[str] = Field(())
        """Methods that are accepted besides those MCP defines."""
        max_body_size: int = Field(strict_json.MAX_SIZE, ge=1)
        """Bytes a message may have; more is 413."""

    def __init__(self, origins: frozenset[str], patterns: Sequence[Pattern], rules: Rules) -> None:
        """`origins` are accepted as they are, in the spelling of `normalise_origin`."""
        self._origins = origins
        self._patterns = patterns
        self._rules = rules

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Tell origins from patterns; a pattern that may say more than its author meant is warned about."""
        if config.preferred_server_version not in versions.HANDSHAKE:
            known = ", ".join(sorted(versions.HANDSHAKE))
            raise context.error(
                "preferredServerVersion", "no version that is agreed on by initialize", f"use one of {known}"
            )
        origins = {text: normalise_origin(text) for text in config.accepted_origins}
        patterns = [_compiled(text, context) for text, origin in origins.items() if origin is None]
        whole = frozenset(origin for origin in origins.values() if origin is not None)
        return cls(
            whole,
            patterns,
            Rules(frozenset(config.accepted_methods), config.preferred_server_version, config.max_body_size),
        )

    async def filter(self, exchange: Exchange, next: Next) -> Response:  # noqa: A002 - the specification's word
        """Pass on with an `McpContext`, or refuse."""
        request = exchange.request
        outcome = self._fields(request)
        if isinstance(outcome, RoutingFields):
            too_large = None if request.body.buffered is not None else await self._gather(request)
            outcome = too_large or self._message(outcome, request)
        if isinstance(outcome, Rejection):
            return await _refuse(exchange, outcome, self._rules.max_body_size)
        context = _context(outcome)
        exchange.put(context)
        keep_for_mcp(request)
        if outcome.frame is not None and outcome.frame.method == "initialize":
            _ask_for_version(request, outcome)
        response = await next(exchange)
        response.headers.remove(
            "Set-Cookie"
        )  # it would be a cookie of the gateway's host, for whatever else lives there
        _observe(context, response)
        return response

    def _fields(self, request: Request) -> RoutingFields | Rejection:
        """What the head says, unless it is reason enough to refuse."""
        fields = read_fields(request.headers.raw)
        if isinstance(fields, Rejection):
            return fields
        return self._origin_fault(fields) or check_head(request.method, fields) or fields

    async def _gather(self, request: Request) -> Rejection | None:
        try:
            await request.body.read(self._rules.max_body_size)
        except BodyTooLarge:
            return errors.too_large(self._rules.max_body_size)
        return None

    def _message(self, fields: RoutingFields, request: Request) -> Message | Rejection:
        if request.method != "POST":
            return check_opening(request.method, fields, request.body.buffered or b"")
        return check_message(fields, request.body.buffered or b"", self._rules)

    def _origin_fault(self, fields: RoutingFields) -> Rejection | None:
        """Compared in one spelling, so that an attacker has no choice of spellings.

        What is no origin only fits `.*`.
        """
        if fields.origin is None:
            return None
        origin = normalise_origin(fields.origin)
        if origin is None:
            accepted = any(pattern.source == _ANY for pattern in self._patterns)
        else:
            accepted = origin in self._origins or any(pattern.matches(origin) for pattern in self._patterns)
        return None if accepted else errors.origin_refused()


def _compiled(pattern: str, context: BuildContext) -> Pattern:
    if pattern == _ANY:
        context.warn(
            "acceptedOrigins",
            "every web page may send requests from its visitors' browsers",
            "list the origins of your pages",
        )
    elif "." in _ESCAPED_OR_CLASS.sub("", pattern):
        reason = (
            f"in {pattern[:64]!r} a dot that is not escaped stands for any character, also in a host "
            f"of somebody else's"
        )
        context.warn(
            "acceptedOrigins", reason, "write \\. for a dot, or [a-z0-9-]+ for one label of a host name"
        )
    try:
        return compile_pattern(pattern)
    except OperandError as error:
        raise context.error(
            "acceptedOrigins", f"{pattern[:64]!r}: {error}", "write .* to accept every origin"
        ) from error


async def _refuse(exchange: Exchange, rejection: Rejection, limit: int) -> Response:
    """The answer; a body too large has been read as far as it is going to be."""
    log.info(
        "an MCP message is refused",
        code=rejection.code,
        reason=rejection.message,
        transaction=exchange.transaction_id,
    )
    exchange.put(RefusalContext(str(rejection.code), rejection.kind))
    return (
        error_response(exchange, rejection)
        if rejection.status == 413
        else await refuse_unread(exchange, rejection, limit)
    )


def _context(message: Message) -> McpContext:
    frame = message.frame
    return McpContext(
        message, policy_key(frame.method, frame.params) if frame is not None and frame.method else None
    )


def _ask_for_version(request: Request, message: Message) -> None:
    """An `initialize` for a version unknown here is passed on asking for one that is known.

    The client may then decline.
    """
    document = dict(message.frame.document) if message.frame else {}
    params = document.get("params")
    if isinstance(params, dict) and params.get("protocolVersion") != message.version:
        document["params"] = {**params, "protocolVersion": message.version}
        request.body = Body(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
        request.headers.set("Content-Length", str(request.body.length))


def _observe(context: McpContext, response: Response) -> None:
    streams = is_event_stream(response.headers)
    context.server_message_type = "MCP_SSE_STREAM_INITIALIZATION" if streams else "MCP_MESSAGE"
    context.server_body = None if streams else response.body.buffered
