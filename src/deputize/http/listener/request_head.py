"""What a request's head must look like beyond what llhttp insists on (RFC 9112 sections 2, 3 and 6)."""

import re
from functools import lru_cache

from deputize.http.hop_by_hop import HOP_BY_HOP, Field, end_to_end
from deputize.http.messages import Headers, Request
from deputize.kernel.errors import DeputizeError
from deputize.kernel.uris import DEFAULT_PORTS, Origin, Target, UriError, parse_target

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}))(?::([0-9]{1,5}))?")
_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")}
_FORWARDABLE = re.compile(rb"(?!CONNECT$|TRACE$|PRI$|SOURCE$)[A-Z-]{1,20}")
_NOTED = HOP_BY_HOP | {b"host", b"content-length", b"expect"}
_CACHED_TARGET_BYTES = 256


class Refused(DeputizeError):
    """A request that is answered with `status` by the listener itself, after which the connection closes."""

    def __init__(self, status: int, reason: str, *, in_body: bool = False) -> None:
        """`reason` is for the log; `in_body` when a handler may be at work on the request, whose failure is the answer then."""
        self.status = status
        self.in_body = in_body
        super().__init__(reason)


class HeadNotes:
    """What the listener itself needs to know of a head: the fields that decide about framing and connection."""

    __slots__ = ("fields",)

    def __init__(self, raw: list[Field]) -> None:
        """Gather the noted fields by lower-case name."""
        self.fields: dict[bytes, list[bytes]] = {}
        for name, value in raw:
            lowered = name.lower()
            if lowered in _NOTED:
                self.fields.setdefault(lowered, []).append(value.strip(b" \t"))

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for 100 Continue before it sends the body (RFC 9110 section 10.1.1)."""
        return b"expect" in self.fields

    @property
    def wants_upgrade(self) -> bool:
        """Whether the client offers another protocol, which is ignored (RFC 9110 section 7.8)."""
        return b"upgrade" in self.fields

    @property
    def is_chunked(self) -> bool:
        """Whether the body is framed by chunks."""
        return b"transfer-encoding" in self.fields

    @property
    def content_length(self) -> int | None:
        """The announced length of the body, which llhttp has found to be one number."""
        lengths = self.fields.get(b"content-length")
        return int(lengths[0]) if lengths else None


def build_request(method: bytes, target: bytes, version: str, raw: list[Field], notes: HeadNotes, *, secure: bool) -> Request:
    """The request without its body. Raises `Refused`."""
    if version not in {"1.1", "1.0"}:
        raise Refused(505, f"HTTP version {version}")
    fields = notes.fields
    _check_framing(fields, version)
    return Request(
        _METHODS.get(method) or _other_method(method),
        _short_target(target) if len(target) <= _CACHED_TARGET_BYTES else _target(target),
        Headers(_kept(raw, fields)),
        origin=_origin(fields, version, secure=secure),
        version=version,
    )


def _check_framing(fields: dict[bytes, list[bytes]], version: str) -> None:
    codings = fields.get(b"transfer-encoding")
    if codings is not None and (version != "1.1" or b"content-length" in fields):
        raise Refused(400, "Transfer-Encoding where it must not be")
    if codings is not None and [each.lower() for each in codings] != [b"chunked"]:
        raise Refused(501, "a transfer coding other than chunked")
    expectations = fields.get(b"expect")
    if expectations is not None and [each.lower() for each in expectations] != [b"100-continue"]:
        raise Refused(417, "an expectation other than 100-continue")


def _other_method(method: bytes) -> str:
    if not _FORWARDABLE.fullmatch(method):
        raise Refused(501, "a method that cannot be forwarded")
    return method.decode("ascii")


@lru_cache(maxsize=1024)
def _short_target(raw: bytes) -> Target:
    return _target(raw)


def _target(raw: bytes) -> Target:
    try:
        return parse_target(raw)
    except UriError as error:
        raise Refused(400, str(error)) from error


def _kept(raw: list[Field], fields: dict[bytes, list[bytes]]) -> list[Field]:
    """The end-to-end fields; surrounding whitespace is not part of a value (RFC 9112 section 5.1), and `Expect` is met here."""
    kept = end_to_end(raw) if not fields.keys() <= {b"host", b"content-length"} else raw
    if b"expect" in fields:
        kept = [pair for pair in kept if pair[0].lower() != b"expect"]
    return [(name, value.strip(b" \t")) for name, value in kept]


def _origin(fields: dict[bytes, list[bytes]], version: str, *, secure: bool) -> Origin | None:
    hosts = fields.get(b"host")
    if hosts is None and version == "1.0":
        return None
    if hosts is None or len(hosts) != 1:
        raise Refused(400, "not exactly one Host")
    return _origin_of_host(hosts[0], secure)


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
