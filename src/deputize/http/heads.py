"""Heads as bytes, and the fields that belong to one connection.

Only this module writes framing, and it refuses whatever would split a message.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus

from deputize.http.exchange import Varying
from deputize.http.messages import (
    TOKEN,
    Field,
    HeaderError,
    Headers,
    KnownHead,
    Request,
    Response,
    known_names,
)
from deputize.kernel.bounded_memory import BoundedMemory
from deputize.kernel.uris import Target

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields of one connection only (RFC 9110 section 7.6.1), which are dropped on receipt.

Dropping them on receipt, not on sending, keeps a client from naming in `Connection` a field that the gateway
adds on the way.
"""

FRAMING = HOP_BY_HOP | {b"content-length"}
"""Fields that only the code which writes a message may set."""

_NEVER_NAMED = frozenset(
    b"host content-length authorization cookie cache-control"
    b" forwarded x-forwarded-for x-forwarded-host x-forwarded-proto".split()
)
"""Fields that `Connection` cannot remove: programs would disagree about who asks and for what.

The latter are a proxy's word about a client, who could take it back where the proxy passes `Connection` on.
"""

_NAMES_NOTHING = frozenset({b"keep-alive", b"close"})
_NOT_SENT = known_names(FRAMING | {b"host", b"expect"})
_FRAMING_OR_DATE = known_names(FRAMING | {b"date"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_METHOD = re.compile(TOKEN)
_TARGET = re.compile(r"/[!-~]*")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_MOST_KNOWN = 256
_EXPECTS_BODY = frozenset({"POST", "PUT", "PATCH"})
CHUNKED = b"Transfer-Encoding: chunked"
_KNOWN_STATUSES = frozenset(map(int, HTTPStatus))
LAST_CHUNK = b"0\r\n\r\n"


def without_named(fields: list[Field], options: list[bytes]) -> list[Field]:
    """Return `fields` without those that the values of `Connection` name."""
    if len(options) == 1 and options[0].lower() in _NAMES_NOTHING:
        return fields
    named = {option.strip(b" \t").lower() for option in b",".join(options).split(b",")} - _NEVER_NAMED
    return [pair for pair in fields if pair[0].lower() not in named]


def chunk(data: bytes) -> bytes:
    """Return `data`, which must not be empty, as one chunk (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@lru_cache(maxsize=1024)
def _status_line(status: int, reason: str | None) -> bytes:
    if not 200 <= status <= 599:
        raise HeaderError(f"{status} is not the status of a final response (RFC 9110 section 15)")
    if reason is None:
        reason = HTTPStatus(status).phrase if status in _KNOWN_STATUSES else ""
    return b"HTTP/1.1 %d %b" % (status, reason.encode("latin-1", "replace"))


def has_no_body(method: str, status: int) -> bool:
    """Whether a response to `method` with `status` ends with its head (RFC 9112 section 6.3)."""
    return method == "HEAD" or status in {204, 304}


class KnownResponseHeads:
    """Writes heads of responses that were received in a known head and have not been changed.

    They end with what differs between them: `Date` and `Content-Length`.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        """Nothing is known."""
        self._known: BoundedMemory[KnownHead, bytes] = BoundedMemory(_MOST_KNOWN)

    def write(self, known: KnownHead, response: Response, date: bytes) -> bytes:
        """Return the head of a response whose body is at hand. Raises `HeaderError`.

        `date` is the line to use unless the response came with one.
        """
        begin = self._known.get(known)
        if begin is None:
            lines = [_status_line(response.status, response.reason)]
            lines += [b": ".join(pair) for pair in response.headers.raw if not _FRAMING_OR_DATE[pair[0]]]
            begin = self._known.remember(known, _join(lines)[:-2])
        stated = response.headers.date
        if stated is not None:
            date = b"Date: " + stated
        return b"%b%b\r\nContent-Length: %d\r\n\r\n" % (begin, date, response.body.length or 0)


def response_head(
    method: str, response: Response, date: bytes, framing: bytes | None, *, close: bool
) -> bytes:
    """Return the head of a response. Raises `HeaderError`.

    `date` is the line to use unless the response has one; `framing` is its Content-Length or
    Transfer-Encoding line.
    """
    lines = [_status_line(response.status, response.reason)]
    for pair in response.headers.raw:
        name = _FRAMING_OR_DATE[pair[0]]
        if not name:
            lines.append(b": ".join(pair))
        elif name == b"date":
            date = b": ".join(pair)
    lines.append(date)
    framing = _announced_length(method, response) if has_no_body(method, response.status) else framing
    if framing is not None:
        lines.append(framing)
    if close:
        lines.append(b"Connection: close")
    return _join(lines)


def _announced_length(method: str, response: Response) -> bytes | None:
    """Return the length of the answer to GET (RFC 9110 section 8.6): as the handler says, else the body's."""
    if response.status == 204:
        return None
    stated = [value for name, value in response.headers.raw if name.lower() == b"content-length"]
    if len(stated) == 1 and _LENGTH.fullmatch(stated[0]):
        return b"Content-Length: " + stated[0]
    return b"Content-Length: %d" % response.body.length if method == "HEAD" and response.body.length else None


class RequestHead:
    """The head of a request to a server, written once for all calls that differ in varying fields only."""

    __slots__ = ("_begin", "_chunked", "_expects_body", "_holes", "_plain", "_sized")

    def __init__(self, method: str, target: Target, headers: Headers, authority: str) -> None:
        """Raises `HeaderError`."""
        lines = [line.replace(b"%", b"%%") for line in _first_lines(method, target, authority)]
        holes: list[int] = []
        for name, value in headers.raw:
            if _NOT_SENT[name]:
                continue
            if type(value) is Varying:
                holes.append(value.at)
                lines.append(name.replace(b"%", b"%%") + b": %b")
            else:
                lines.append((name + b": " + value).replace(b"%", b"%%"))
        self._holes = holes
        self._expects_body = method in _EXPECTS_BODY
        self._begin = _join(lines)[:-2]
        # Completed when they are needed: of most heads it is one.
        self._plain = self._sized = self._chunked = b""

    def render(self, length: int | None, values: Sequence[bytes] = ()) -> bytes:
        """Return the bytes for a body of `length` bytes (`None`: in chunks). `values`: the exchange's."""
        holes = self._holes
        if length is None:
            form = self._chunked = self._chunked or self._begin + CHUNKED + b"\r\n\r\n"
        elif length or self._expects_body:
            form = self._sized = self._sized or self._begin + b"Content-Length: %d\r\n\r\n"
            return form % (*[values[hole] for hole in holes], length) if holes else form % length
        else:
            form = self._plain = self._plain or self._begin + b"\r\n"
        return form % tuple([values[hole] for hole in holes])


def request_head(request: Request, authority: str) -> bytes:
    """Return the head of a request to the server `authority`. Raises `HeaderError`.

    The body has a known length or comes in chunks.
    """
    head = RequestHead(request.method, request.target, request.headers, authority)
    return head.render(request.body.length)


@lru_cache(maxsize=256)
def _first_lines(method: str, target: Target, authority: str) -> tuple[bytes, bytes]:
    """Return request line and Host, which are the same for most requests to an upstream."""
    line = str(target)
    if not (method in _METHODS or _METHOD.fullmatch(method)) or not _TARGET.fullmatch(line):
        raise HeaderError("the method or target cannot stand in a request line")
    return f"{method} {line} HTTP/1.1".encode("ascii"), b"Host: " + authority.encode("latin-1", "replace")


def _join(lines: list[bytes]) -> bytes:
    """Return the head with its empty line, after a check that no field holds a line break or NUL."""
    lines += (b"", b"")
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise HeaderError("a field holds a line break or NUL")
    return head
