"""The first thing every request meets.

It refuses ambiguous heads, limits the body, gives the request an id for its log lines, and answers those who
reach no endpoint.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from time import perf_counter
from typing import TypeAlias

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deputize.authority.audit import SOURCE, Source
from deputize.authority.endpoint import json_response
from deputize.authority.signon.pages import Page, choose_language, render
from deputize.authority.storage import StorageUnavailable
from deputize.kernel.errors import describe_failure
from deputize.kernel.redaction import printable
from deputize.oauth.consents import parse_accept_language

Network: TypeAlias = IPv4Network | IPv6Network
MAX_BODY_SIZE = 64 * 1024
BODY_SECONDS = 10.0
CORRELATION_ID = "deputize.correlation_id"
"""The key in the ASGI scope under which the request's correlation id is kept."""
_ONE_LINE = frozenset(
    {b"host", b"authorization", b"content-type", b"content-length", b"transfer-encoding", b"content-encoding"}
)
"""Fields of which two lines could be read in two ways, by this server and by whatever is in front of it."""
_HOST = re.compile(rb"(?:[\w.~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?", re.ASCII)
_TRANSACTION_ID = re.compile(rb"[!-~]{1,128}")
RETRY_AFTER_SECONDS = "5"
_ERROR_CODES = {404: "not_found", 500: "server_error", 503: "temporarily_unavailable"}
_log = structlog.get_logger("deputize.authority")


class _Refused(Exception):
    """The request will not be read to its end."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status


class Guard:
    """Refuses heads that can be read in two ways, limits the body, and writes one log line a request.

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
        """Serve one request, as ASGI applications are called."""
        if scope["type"] != "http":
            return
        correlation_id = scope[CORRELATION_ID] = self._new_id()
        SOURCE.set(read_source(scope, self._trusted_proxies))
        started, status = perf_counter(), 0

        def send_fenced(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers]
            return send(message)

        async def refuse(code: int, description: str, headers: Mapping[str, str]) -> None:
            if status == 0:
                refusal = turn_away(Request(scope), code, description, correlation_id, headers)
                await refusal(scope, receive, send_fenced)

        try:
            _check_head(scope)
            messages: list[Message] = [
                {"type": "http.request", "body": await _read_body(scope, receive, self._body_seconds)}
            ]

            async def receive_again() -> Message:
                return messages.pop() if messages else await receive()

            await self._app(scope, receive_again, send_fenced)
        except _Refused as refusal:
            await refuse(refusal.status, str(refusal), {"Connection": "close"})
        except StorageUnavailable as error:
            _log.error("the store does not answer", error=str(error), correlation_id=correlation_id)
            description = f"The server cannot answer now; try again later (Correlation ID: {correlation_id})"
            await refuse(503, description, {"Retry-After": RETRY_AFTER_SECONDS})
        except Exception as error:  # noqa: BLE001 - whatever failed, the caller gets an answer and the log the cause
            _log.error("request failed", correlation_id=correlation_id, **describe_failure(error))
            description = f"The log says more (Correlation ID: {correlation_id})"
            await refuse(500, description, {"Connection": "close"})
        finally:
            _log.info(
                "request",
                method=scope["method"],
                path=printable(scope["path"]),
                status=status,
                ms=round((perf_counter() - started) * 1000, 1),
                correlation_id=correlation_id,
            )


def read_source(scope: Scope, trusted_proxies: Sequence[Network]) -> Source:
    """Read where a request comes from, and the ids that tie its records to others."""
    headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
    forwarded = (
        [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
        if trusted_proxies
        else []
    )
    transactions = [
        value
        for name, value in headers
        if name == b"x-forgerock-transactionid" and _TRANSACTION_ID.fullmatch(value)
    ]
    transaction = transactions[0].decode() if len(transactions) == 1 else None
    peer, port = scope.get("client") or (None, None)
    client = client_address(peer, forwarded, trusted_proxies) if peer and forwarded else peer
    return Source(client, port if client == peer else None, scope[CORRELATION_ID], transaction)


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Find the last address that no trusted proxy has: who connected to the outermost one of them.

    `forwarded_for` are the values of `X-Forwarded-For`, each a list to which every proxy appended the address
    that it saw. What comes before the address of somebody untrusted is that somebody's word, and counts for
    nothing.
    """
    client = peer
    for text in reversed([each for value in forwarded_for for each in value.split(",")]):
        seen_by = parse_address(client)
        if seen_by is None or not any(seen_by in network for network in trusted):
            break
        address = parse_address(text)
        if address is None:
            break
        client = str(address)
    return client


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse the address that a proxy wrote; some write a port too."""
    plain = text.strip()
    if plain.startswith("["):
        plain = plain[1:].partition("]")[0]
    elif plain.count(":") == 1:
        plain = plain.partition(":")[0]
    try:
        address = ip_address(plain)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


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
    body, is_complete = b"", False
    try:
        async with asyncio.timeout(seconds):
            while not is_complete:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Refused(400, "the request body broke off")
                body += message.get("body", b"")
                if len(body) > MAX_BODY_SIZE:
                    raise _Refused(413, f"the request body is larger than {MAX_BODY_SIZE} bytes")
                is_complete = not message.get("more_body", False)
    except TimeoutError as error:
        raise _Refused(408, "the request body did not arrive in time") from error
    return body


def turn_away(
    request: Request,
    status: int,
    description: str,
    correlation_id: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer who reaches no endpoint: with a page who wants HTML most, as browsers do, else in JSON."""
    if not wants_page(request.headers.get("accept", "")):
        return json_response(
            {"error": _ERROR_CODES.get(status, "invalid_request"), "error_description": description},
            status,
            headers,
        )
    language = choose_language(None, parse_accept_language(request.headers.get("accept-language")), "en")
    values = {"reason": description, "detail": "", "advice": "error.advice", "correlation_id": correlation_id}
    response = render(
        Page("nothing.html" if status == 404 else "error.html", values, status=status), language
    )
    response.headers.update(headers or {})
    return response


def wants_page(accept: str) -> bool:
    """Return whether `text/html` comes first in an Accept field, by quality, then by place.

    RFC 9110 section 12.5.1. A quality that is no number counts as 0.
    """
    best, best_quality = "", 0.0
    for entry in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name == "q":
                try:
                    quality = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    quality = 0.0
                break
        if quality > best_quality:
            best, best_quality = kind, quality
    return best == "text/html"
