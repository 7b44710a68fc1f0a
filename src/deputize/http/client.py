"""Calls the gateway makes for itself (introspection, metadata, key sets): small answers, read whole."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from deputize.http.messages import Body, BodyTooLarge, Headers, Request
from deputize.http.upstream import Upstream, UpstreamProtocolError, UpstreamTimeout
from deputize.kernel.uris import Target, parse_origin, parse_target

MAX_ANSWER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A response read to its end."""

    status: int
    headers: Headers
    body: bytes


async def fetch(
    upstream: Upstream,
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    limit: int = MAX_ANSWER_BYTES,
    within: float | None = 10.0,
) -> Answer:
    """The answer to one request, whole, within so many seconds altogether.

    Raises `UriError` for a URL that is not absolute http(s) or is ambiguous, and `UpstreamError` for anything that keeps a
    complete answer of at most `limit` bytes from coming. Redirects are answers like others.
    """
    request = Request(method, _target(url), _headers(headers or {}), Body(body), parse_origin(url))
    try:
        async with asyncio.timeout(within):
            return await _whole(upstream, request, limit)
    except TimeoutError as error:
        raise UpstreamTimeout(f"no complete answer from {request.origin} within {within:g} seconds") from error


def _target(url: str) -> Target:
    parts = urlsplit(url)
    raw = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parse_target(raw.encode("utf-8"))


def _headers(given: Mapping[str, str]) -> Headers:
    headers = Headers()
    for name, value in given.items():
        headers.add(name, value)
    return headers


async def _whole(upstream: Upstream, request: Request, limit: int) -> Answer:
    response = await upstream.send(request)
    try:
        return Answer(response.status, response.headers, await response.body.read(limit))
    except BodyTooLarge as error:
        raise UpstreamProtocolError(f"the answer from {request.origin} is longer than {limit} bytes") from error
    finally:
        await response.body.aclose()
