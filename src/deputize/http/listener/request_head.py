"""Checks of a request's head beyond those of llhttp (RFC 9112 sections 2, 3 and 6)."""

import re
import string
from dataclasses import dataclass
from functools import lru_cache

from deputize.http.heads import HOP_BY_HOP, Field, without_named
from deputize.http.messages import Body, Headers, NameTable, Request, known_names
from deputize.kernel.errors import DeputizeError
from deputize.kernel.uris import DEFAULT_PORTS, Origin, Target, UriError, parse_target

_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*)(.*)", re.IGNORECASE)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}))(?::([0-9]{1,5}))?")
_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")}
_FORWARDABLE = re.compile(rb"(?!CONNECT$|TRACE$|PRI$|SOURCE$)[A-Z-]{1,20}")
_KEPT_THOUGH_NOTED = frozenset({b"host", b"content-length", b"authorization"})
_NOTED = known_names(HOP_BY_HOP | _KEPT_THOUGH_NOTED | {b"expect"})
_NO_BODY_YET = Body()
_PLAIN = (string.ascii_letters + string.digits + "-").encode()
_IS_TWIN = NameTable(lambda name: bool(name.translate(None, _PLAIN)))
_IS_TWIN_BUT_FOR_UNDERSCORES = NameTable(lambda name: bool(name.translate(None, _PLAIN + b"_")))
_CACHED_TARGET_BYTES = 256
ITSELF = Target("*", None)
"""The target `*` of OPTIONS, which asks about the server itself (RFC 9110 section 9.3.7).

With other methods it is refused.
"""


class Refused(DeputizeError):
    """A request that the listener itself answers with `status`, after which the connection closes."""

    def __init__(self, status: int, reason: str, *, in_body: bool = False) -> None:
        """Set `reason` for the log. With `in_body` a handler may be at work, whose failure is then the
        answer.
        """
        self.status = status
        self.in_body = in_body
        super().__init__(reason)


@dataclass(slots=True)
class ParsedHead:
    """A request whose body has yet to come, with what the listener itself needs to know about it."""

    request: Request
    length: int | None
    """The announced length of the body, 0 without one; `None` when it comes in chunks."""
    expects_continue: bool
    """Whether the client waits for 100 Continue before it sends the body (RFC 9110 section 10.1.1)."""
    wants_upgrade: bool
    """Whether the client offers another protocol, which is ignored (RFC 9110 section 7.8)."""


def without_twins(raw: list[Field], *, underscores: bool) -> list[Field]:
    """Return `raw` without fields that servers take for others.

    CGI and what descends from it (WSGI, FastCGI) makes variables of field names, where `-` and `_` are the
    same; some map every other character that is neither letter nor digit to `_` as well. So `X_Agent` would
    stand in for an `X-Agent` that was removed.
    """
    is_twin = _IS_TWIN_BUT_FOR_UNDERSCORES if underscores else _IS_TWIN
    return [pair for pair in raw if not is_twin[pair[0]]]


def build_head(method: bytes, target: bytes, version: str, raw: list[Field], *, secure: bool) -> ParsedHead:
    """Build the request without its body. Raises `Refused`."""
    if version not in {"1.1", "1.0"}:
        raise Refused(505, f"HTTP version {version}")
    kept, noted = sort_out(raw)
    if b"transfer-encoding" in noted or b"expect" in noted:
        _check_framing(noted, version)
    if len(noted.get(b"authorization", ())) > 1:
        raise Refused(400, "more than one Authorization")
    name = _METHODS.get(method)
    if name is None:
        if not _FORWARDABLE.fullmatch(method):
            raise Refused(501, "a method that cannot be forwarded")
        name = method.decode("ascii")
    origin: Origin | None = None
    hosts = noted.get(b"host")
    if hosts is not None or version != "1.0":
        if hosts is None or len(hosts) != 1:
            raise Refused(400, "not exactly one Host")
        origin = _origin_of_host(hosts[0], secure)
    if target[:1] != b"/":
        target = _origin_form(method, target, origin, secure=secure)
    request = Request(
        name,
        _short_target(target) if len(target) <= _CACHED_TARGET_BYTES else _target(target),
        Headers(kept),
        _NO_BODY_YET,
        origin,
        version,
    )
    lengths = noted.get(b"content-length")
    length = None if b"transfer-encoding" in noted else int(lengths[0]) if lengths else 0
    return ParsedHead(request, length, b"expect" in noted, b"upgrade" in noted)


def sort_out(raw: list[Field]) -> tuple[list[Field], dict[bytes, list[bytes]]]:
    """Return the end-to-end fields, and the values of those that decide about framing, connection and
    destination.

    The names of the latter are in lower case.
    """
    kept: list[Field] = []
    noted: dict[bytes, list[bytes]] = {}
    for pair in raw:
        name = _NOTED[pair[0]]
        if name:
            noted.setdefault(name, []).append(pair[1])
            if name not in _KEPT_THOUGH_NOTED:
                continue
        kept.append(pair)
    options = noted.get(b"connection")
    return (without_named(kept, options) if options else kept), noted


def _check_framing(fields: dict[bytes, list[bytes]], version: str) -> None:
    codings = fields.get(b"transfer-encoding")
    if codings is not None and (version != "1.1" or b"content-length" in fields):
        raise Refused(400, "Transfer-Encoding where it must not be")
    if codings is not None and [each.lower() for each in codings] != [b"chunked"]:
        raise Refused(501, "a transfer coding other than chunked")
    expectations = fields.get(b"expect")
    if expectations is not None and [each.lower() for each in expectations] != [b"100-continue"]:
        raise Refused(417, "an expectation other than 100-continue")


def _origin_form(method: bytes, target: bytes, origin: Origin | None, *, secure: bool) -> bytes:
    """Return the origin form of a target in another form (RFC 9112 sections 3.2.2 and 3.2.4).

    The target must name the same origin as the Host field.
    """
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        if target == b"*" and method == b"OPTIONS":
            return target
        raise Refused(400, "the request target is not a plain absolute path")
    if (absolute[1].lower() == b"https") is not secure:
        raise Refused(
            421, "the request target has a scheme that is not this connection's (RFC 9110 section 7.4)"
        )
    if origin is None or _origin_of_host(absolute[2], secure) != origin:
        raise Refused(400, "the request target and Host name different origins")
    if absolute[3][:1] == b"/":
        return absolute[3]
    return b"*" if method == b"OPTIONS" and not absolute[3] else b"/" + absolute[3]


@lru_cache(maxsize=1024)
def _short_target(raw: bytes) -> Target:
    return _target(raw)


def _target(raw: bytes) -> Target:
    if raw == b"*":
        return ITSELF
    try:
        return parse_target(raw)
    except UriError as error:
        raise Refused(400, str(error)) from error


@lru_cache(maxsize=256)
def _origin_of_host(host: bytes, secure: bool) -> Origin:  # noqa: FBT001 - lru_cache is quicker with positions
    match = _HOST.fullmatch(host.decode("latin-1"))
    if match is None:
        raise Refused(400, "Host is not a host with an optional port")
    scheme = "https" if secure else "http"
    port = int(match[2]) if match[2] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise Refused(400, "the port in Host is out of range")
    return Origin(scheme, match[1].strip("[]").lower(), port)
