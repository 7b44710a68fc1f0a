"""`McpValidationFilter`: lets through what is an MCP message beyond doubt (gateway-config reference 3.2)."""

import json
import re
from collections.abc import Awaitable, Sequence
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
from deputize.http.exchange import Exchange, Head, Varying
from deputize.http.messages import Body, Response
from deputize.http.plans import Amend, Plan, Prepare
from deputize.kernel import strict_json
from deputize.kernel.uris import normalise_origin
from deputize.mcp import errors, versions
from deputize.mcp.context import McpContext, McpRoute
from deputize.mcp.errors import Rejection
from deputize.mcp.headers import RoutingFields, read_fields
from deputize.mcp.validation import (
    Message,
    OrdinaryCalls,
    Rules,
    check_head,
    check_message,
    check_opening,
)

log = structlog.get_logger()
_ANY: Final = ".*"
_ESCAPED_OR_CLASS: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
"""Parts of a pattern in which a dot stands for itself."""


class McpValidationFilter:
    """Lets only valid MCP messages through, as the bytes it has checked.

    Refuses others by JSON-RPC error bodies, so that clients of either era understand.
    """

    aliases: ClassVar[tuple[str, ...]] = ("McpValidatorFilter",)
    contexts: ClassVar[tuple[type[BoundContext], ...]] = (McpContext,)

    class Config(Settings):
        r"""What is accepted. `acceptedMethods` and `maxBodySize` are extensions of PingGateway's format.

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
        patterns = [_compile_origin(text, context) for text, origin in origins.items() if origin is None]
        whole = frozenset(origin for origin in origins.values() if origin is not None)
        return cls(
            whole,
            patterns,
            Rules(frozenset(config.accepted_methods), config.preferred_server_version, config.max_body_size),
        )

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on with an `McpContext`, or refuse. What the head says is looked at once."""
        fields = self._read_fields(head)
        if isinstance(fields, Rejection):
            rejection = fields
            return Plan.answering(head, lambda exchange: self._refuse_unread(exchange, rejection))
        stated, read_name = fields, head.reader("Mcp-Name")
        ordinary = OrdinaryCalls.of(stated) if head.method == "POST" else None

        def check_named(exchange: Exchange) -> Response | None:
            return self._check(head.method, stated.with_name(read_name(exchange)[0]), None, exchange)

        def check(exchange: Exchange) -> Response | None:
            return self._check(head.method, stated, ordinary, exchange)

        plan = next(keep_for_mcp(head).with_context(McpRoute()))
        return plan.after(
            head,
            check=check if stated.name is None else check_named,
            body_limit=self._rules.max_body_size,
            amend_for=_drop_cookies_of,
        )

    def _read_fields(self, head: Head) -> RoutingFields | Rejection:
        """The fields MCP gives a meaning, or why they are reason enough to refuse."""
        # what varies may be another name in each call, and is read then
        raw = [(name, b"-" if type(value) is Varying else value) for name, value in head.headers.raw]
        fields = read_fields(raw)
        if isinstance(fields, Rejection):
            return fields
        if fields.origin is not None and not self._accepts_origin(fields.origin):
            return errors.bad_origin()
        return check_head(head.method, fields) or fields

    def _check(
        self, method: str, fields: RoutingFields, ordinary: OrdinaryCalls | None, exchange: Exchange
    ) -> Response | None:
        body = exchange.body.buffered
        if body is None:
            message = errors.too_large(self._rules.max_body_size)
        elif method != "POST":
            message = check_opening(method, fields, body)
        else:
            message = check_message(fields, body, self._rules, ordinary)
        if isinstance(message, Rejection):
            return self._refuse(exchange, message)
        exchange.put(McpContext(message, message.key))
        if message.key is not None and message.key.method == "initialize":
            _ask_for_version(exchange, message)
        return None

    def _refuse(self, exchange: Exchange, rejection: Rejection) -> Response:
        log.info(
            "an MCP message is refused",
            code=rejection.code,
            reason=rejection.message,
            transaction=exchange.transaction_id,
        )
        exchange.put(RefusalContext(str(rejection.code), rejection.kind))
        return error_response(exchange, rejection)

    def _refuse_unread(self, exchange: Exchange, rejection: Rejection) -> Response | Awaitable[Response]:
        self._refuse(exchange, rejection)
        return refuse_unread(exchange, rejection, self._rules.max_body_size)

    def _accepts_origin(self, presented: str) -> bool:
        """Compares one spelling, so that an attacker has no choice; what is no origin only fits `.*`."""
        origin = normalise_origin(presented)
        if origin is None:
            return any(pattern.source == _ANY for pattern in self._patterns)
        return origin in self._origins or any(pattern.matches(origin) for pattern in self._patterns)


def _compile_origin(pattern: str, context: BuildContext) -> Pattern:
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


def _drop_cookies_of(response: Response) -> Amend | None:
    """Such a cookie would be one of the gateway's host, for whatever else lives there."""
    return _drop_cookies if "Set-Cookie" in response.headers else None


def _drop_cookies(_: Exchange, response: Response) -> Response:
    response.headers.remove("Set-Cookie")
    return response


def _ask_for_version(exchange: Exchange, message: Message) -> None:
    """Make an `initialize` for an unknown version ask for a known one, which the client may then decline."""
    document = dict(message.frame.document) if message.frame else {}
    params = document.get("params")
    if isinstance(params, dict) and params.get("protocolVersion") != message.version:
        document["params"] = {**params, "protocolVersion": message.version}
        exchange.body = Body(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
