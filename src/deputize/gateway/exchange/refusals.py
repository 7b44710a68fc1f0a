"""Answers that the gateway gives itself: for MCP clients JSON-RPC errors with the id of their request."""

import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

import structlog

from deputize.gateway.exchange.contexts import RefusalContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Body, BodyBroken, BodyTooLarge, HeaderError, Headers, Response
from deputize.http.plans import Handler, Plan
from deputize.kernel import strict_json
from deputize.kernel.uris import UriError
from deputize.mcp.challenge import Challenge
from deputize.mcp.context import McpContext
from deputize.mcp.errors import CONTENT_TYPE, Rejection, bad_gateway
from deputize.mcp.frames import FrameKind, read_request_id

log = structlog.get_logger()
DPOP_NONCE: Final = "DPoP-Nonce"
"""Holds the nonce for the next proof of possession (RFC 9449 section 8)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal of an exchange: what the client sees, and what the operator reads."""

    status: int
    error: str
    reason: str
    challenges: tuple[Challenge, ...] = ()
    """The ways to get through, the usual one first: some clients read no other."""
    cause: str | None = None
    """What else the log says; it may hold what clients have sent."""
    nonce: str | None = None
    """For the client's next proof of possession."""

    def response(self, exchange: Exchange) -> Response:
        """Return the answer, without a body; the cause goes to the log and, as a context, to the audit."""
        tell = log.error if self.status >= 500 else log.info
        tell(
            "a request is refused",
            status=self.status,
            error=self.error,
            reason=self.reason,
            transaction=exchange.transaction_id,
            **({} if self.cause is None else {"cause": self.cause}),
        )
        exchange.put(RefusalContext(self.error, self.reason))
        headers = Headers()
        for challenge in self.challenges:
            headers.add("WWW-Authenticate", str(challenge))
        if self.nonce is not None:
            headers.add(DPOP_NONCE, self.nonce)
        return Response(self.status, headers)


def refuse(
    exchange: Exchange, status: int, error: str, reason: str, headers: Headers | None = None
) -> Response:
    """Answer instead of passing on, and leave a `RefusalContext` of `error` and `reason`."""
    exchange.put(RefusalContext(error, reason))
    return Response(status, Headers() if headers is None else headers)


def error_response(exchange: Exchange, rejection: Rejection) -> Response:
    """The answer that `rejection` is; without an id when the body was not read completely."""
    if rejection.id is None:
        mcp = exchange.find(McpContext)
        if mcp is None:
            rejection = rejection.with_id(read_request_id(exchange.body.buffered or b""))
        elif mcp.message.frame is not None and mcp.message.frame.kind is FrameKind.REQUEST:
            rejection = rejection.with_id(mcp.message.frame.id)
    headers = Headers([(b"Content-Type", CONTENT_TYPE.encode())])
    if rejection.allow is not None:
        headers.add("Allow", rejection.allow)
    return Response(rejection.status, headers, Body(rejection.body()))


def failure_response(exchange: Exchange, status: int, reason: str) -> Response:
    """The answer where a server gave none that could be passed on.

    A JSON-RPC error for MCP clients, without a body for others.
    """
    if exchange.find(McpContext) is None:
        return Response(status)
    return error_response(exchange, bad_gateway(reason, status=status))


def refuse_unread(
    exchange: Exchange, rejection: Rejection, limit: int = strict_json.MAX_SIZE
) -> Response | Awaitable[Response]:
    """Like `error_response`, for a request whose body of at most `limit` bytes is read only for the id."""
    if exchange.body.buffered is not None:
        return error_response(exchange, rejection)

    async def read_and_refuse() -> Response:
        with contextlib.suppress(BodyTooLarge, BodyBroken):
            await exchange.body.read(limit)
        return error_response(exchange, rejection)

    return read_and_refuse()


def refusing(head: Head, status: int, error: str, reason: str, handler: Handler | None = None) -> Plan:
    """Return the plan that answers instead of passing on.

    It logs each refusal, and leaves a `RefusalContext` of `error` and `reason`. The answer is that of
    `handler`, or `status`.
    """
    refusal = Refusal(status, error, reason)
    return Plan.answering(head, refusal.response) if handler is None else _hand_over(head, refusal, handler)


def fail(head: Head, refusal: Refusal, handler: Handler | None = None) -> Plan:
    """Return the plan of calls that go no further because the gateway has no token for the server behind.

    The answer is that of `handler`; without one the refusal's status, and for an MCP client that cannot help
    it a JSON-RPC error.
    """

    def answer(exchange: Exchange) -> Response:
        response = refusal.response(exchange)
        if refusal.status < 500:
            return response
        return failure_response(exchange, refusal.status, "there is no token for the MCP server")

    return Plan.answering(head, answer) if handler is None else _hand_over(head, refusal, handler)


def _hand_over(head: Head, refusal: Refusal, handler: Handler) -> Plan:
    """Return the plan of calls that `handler` answers, which finds the refusal as a context."""

    def tell(exchange: Exchange) -> None:
        refusal.response(exchange)

    told = head.with_context(RefusalContext(refusal.error, refusal.reason))
    return handler.plan(told).after(head, check=tell)


def refuse_unsendable(exchange: Exchange, error: HeaderError | UriError, status: int) -> Response:
    """Refuse an exchange for which an expression yields a value that no header field or URI can carry.

    Such values come from what clients and users say about themselves, such as a claim with a line break.
    They are not encoded on the way: two users must not look the same to a server that does not decode.
    """
    log.warning(
        "a computed value cannot be sent",
        reason=str(error),
        fix="encode the value in its expression, for example with urlEncodeQueryParameterNameOrValue",
        transaction=exchange.transaction_id,
    )
    code = "header_not_possible" if isinstance(error, HeaderError) else "uri_not_possible"
    exchange.put(RefusalContext(code, str(error)))
    return Response(status)
