"""The first thing every request meets.

One reading of its head, limits on its body, an id for its log lines, response headers.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deputize.authority.audit import SOURCE, Source
from deputize.authority.client_address import Network, client_address
from deputize.authority.storage import StorageUnavailable
from deputize.authority.strangers import turn_away
from deputize.kernel.redaction import printable

MAX_BODY_SIZE = 64 * 1024
BODY_SECONDS = 10.0
CORRELATION_ID = "deputize.correlation_id"
"""Where in the ASGI scope the request's correlation id stands."""
_ONE_LINE = frozenset(
    {b"host", b"authorization", b"content-type", b"content-length", b"transfer-encoding", b"content-encoding"}
)
"""Fields of which two lines could be read in two ways.

By this server and by whatever stands in front of it.
"""
_HOST = re.compile(rb"(?:[\w.~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?", re.ASCII)
_TRANSACTION_ID = re.compile(rb"[!-~]{1,128}")
RETRY_AFTER_SECONDS = "5"
_log = structlog.get_logger("deputize.authority")


class _Refused(Exception):
    """The request will not be read to its end."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status


class Guard:
    """Refuses heads that can be read in two ways, reads the body within its limits, and writes one log line a
    request.

    All that before anything else runs; the line is without the query.
    """

    def __init__(
        self,
        app: ASGIApp,
        new_id: Callable[[], str],
        *,
        secure: bool,
        trusted_proxies: Sequence[Network] = (),
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        """`secure`: users reach the authority over https, and browsers are told to keep to it."""
        self._app = app
        self._new_id = new_id
        self._trusted_proxies = trusted_proxies
        self._headers = [(b"x-content-type-options", b"nosniff")]
        if secure:
            self._headers.append((b"strict-transport-security", b"max-age=31536000"))
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] != "http":
            return
        scope[CORRELATION_ID] = self._new_id()
        SOURCE.set(self._source(scope))
        answering = _Answering(send, self._headers)
        started = perf_counter()
        try:
            _check_head(scope)
            body = await _read_body(scope, receive, self._body_seconds)
            await self._app(scope, _replay(body, receive), answering.send)
        except _Refused as refusal:
            await _refusal(scope, refusal.status, str(refusal))(scope, receive, answering.send)
        except StorageUnavailable as error:
            _log.error("the store does not answer", error=str(error), correlation_id=scope[CORRELATION_ID])
            description = (
                f"The server cannot answer now; try again later (Correlation ID: {scope[CORRELATION_ID]})"
            )
            if answering.status == 0:
                response = turn_away(
                    Request(scope),
                    503,
                    description,
                    scope[CORRELATION_ID],
                    {"Retry-After": RETRY_AFTER_SECONDS},
                )
                await response(scope, receive, answering.send)
        except Exception:  # noqa: BLE001 - whatever failed, the caller gets an answer and the log the trace
            _log.exception("request failed", correlation_id=scope[CORRELATION_ID])
            if answering.status == 0:
                description = f"The log says more (Correlation ID: {scope[CORRELATION_ID]})"
                await _refusal(scope, 500, description)(scope, receive, answering.send)
        finally:
            _log_request(scope, answering.status, perf_counter() - started)

    def _source(self, scope: Scope) -> Source:
        headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
        forwarded = (
            [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
            if self._trusted_proxies
            else []
        )
        transactions = [
            value
            for name, value in headers
            if name == b"x-forgerock-transactionid" and _TRANSACTION_ID.fullmatch(value)
        ]
        transaction = transactions[0].decode() if len(transactions) == 1 else None
        peer, port = scope.get("client") or (None, None)
        client = client_address(peer, forwarded, self._trusted_proxies) if peer and forwarded else peer
        return Source(client, port if client == peer else None, scope[CORRELATION_ID], transaction)


class _Answering:
    """Adds the headers every response has, and remembers its status (0 until there is one)."""

    __slots__ = ("_headers", "_send", "status")

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self.status = 0

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers]
        return self._send(message)


def _check_head(scope: Scope) -> None:
    """Refuse what RFC 9112 says must be (sections 3.2, 6.1 and 6.3), and repeated fields that mean something
    once only.
    """
    values: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in values:
            raise _Refused(400, f"the request has more than one {name.decode()} field")
        if name in _ONE_LINE:
            values[name] = value
    host, encoding = values.get(b"host"), values.get(b"transfer-encoding")
    if host is None and scope["http_version"] != "1.0":
        raise _Refused(400, "the request has no host field")
    if host is not None and not _HOST.fullmatch(host):
        raise _Refused(400, "the host field is malformed")
    if encoding is not None and (
        encoding.lower() != b"chunked" or b"content-length" in values or scope["http_version"] == "1.0"
    ):
        raise _Refused(400, "the transfer-encoding is not chunked alone")


async def _read_body(scope: Scope, receive: Receive, seconds: float) -> bytes:
    if scope["method"] not in {"POST", "PUT", "PATCH", "DELETE"}:
        return b""
    try:
        async with asyncio.timeout(seconds):
            return await _collect(receive)
    except TimeoutError as error:
        raise _Refused(408, "the request body did not arrive in time") from error


async def _collect(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, "the request body broke off")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_SIZE:
            raise _Refused(413, f"the request body is larger than {MAX_BODY_SIZE} bytes")
        if not message.get("more_body", False):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


def _refusal(scope: Scope, status: int, description: str) -> Response:
    return turn_away(Request(scope), status, description, scope[CORRELATION_ID], {"Connection": "close"})


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    _log.info(
        "request",
        method=scope["method"],
        path=printable(scope["path"]),
        status=status,
        ms=round(seconds * 1000, 1),
        correlation_id=scope[CORRELATION_ID],
    )
