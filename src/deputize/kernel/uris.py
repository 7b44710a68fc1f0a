"""Request targets, origins and resource identifiers: a path is read once, before any condition sees it."""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from deputize.kernel.errors import DeputizeError

_TARGET = re.compile(rb"[!-~]{1,8192}")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})?")
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
DEFAULT_PORTS = {"http": 80, "https": 443}


class UriError(DeputizeError):
    """A URI or request target is malformed, or programs would read it differently."""


class Origin(NamedTuple):
    """Scheme, host (lower case, without brackets) and port of an absolute http(s) URI."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The `host[:port]` of a Host header: default ports are left out, IPv6 is bracketed."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if DEFAULT_PORTS[self.scheme] == self.port else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse_origin(uri: str) -> Origin:
    """Return the origin of an absolute http(s) URI; path and query are ignored. Raises `UriError`."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise UriError(f"{uri[:256]!r} is not a URI: {error}") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise UriError(f"{uri[:256]!r} is not an absolute http or https URI")
    return Origin(parts.scheme, parts.hostname, DEFAULT_PORTS[parts.scheme] if port is None else port)


_URI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):"
    r"(?://(?P<user>[^\[\]@/?#]*@)?(?P<host>\[[0-9A-Za-z:.]+\]|[^\[\]:@/?#]*)(?::(?P<port>[0-9]*))?(?=[/?#]|$))?"
    r"(?P<path>[^\[\]?#]*)(?P<rest>(?:\?[^\[\]#]*)?(?:#[^\[\]#]*)?)"
)
_URI_TEXT = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")


def normalise_resource(identifier: str) -> str:
    """Return the one spelling of a resource identifier: equal spellings name the same resource.

    RFC 3986 section 6.2.2 (case of scheme and host, percent-encoding, dot segments) and 6.2.3 (the scheme's
    default port, an empty path is "/") decide, and nothing beyond them: a slash that ends a path stays, and
    so does an empty query. What is not an absolute URI is a name, and names are only equal to themselves.
    """
    parts = _URI.fullmatch(identifier) if _URI_TEXT.fullmatch(identifier) else None
    if parts is None:
        return identifier
    scheme, host, port = parts["scheme"].lower(), parts["host"], parts["port"]
    path, rest = _decode_unreserved(parts["path"]), _decode_unreserved(parts["rest"])
    if host is None:
        return f"{scheme}:{path}{rest}"
    host = _decode_unreserved(host).lower()
    if "%" in host:
        host = _PERCENT.sub(lambda code: code[0].upper(), host)
    default = str(DEFAULT_PORTS[scheme]) if scheme in DEFAULT_PORTS else ""
    authority = f"{_decode_unreserved(parts['user'] or '')}{host}" + (
        f":{port}" if port and port != default else ""
    )
    path = _remove_dot_segments(path) or ("/" if scheme in DEFAULT_PORTS else "")
    return f"{scheme}://{authority}{path}{rest}"


def is_same_resource(one: str, other: str) -> bool:
    """Whether two resource identifiers have the same spelling after `normalise_resource`."""
    return one == other or normalise_resource(one) == normalise_resource(other)


def _decode_unreserved(text: str) -> str:
    """Return `text` with upper-case percent-encoding, only where it is needed (RFC 3986 section 2.3)."""
    if "%" not in text:
        return text

    def spell(code: re.Match[str]) -> str:
        character = chr(int(code[1], 16))
        return character if _UNRESERVED.fullmatch(character) else code[0].upper()

    return _PERCENT.sub(spell, text)


def _remove_dot_segments(path: str) -> str:
    """Remove the dot segments of `path`, which is empty or begins with "/" (RFC 3986 section 5.2.4)."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == ".." and len(kept) > 1:
            kept.pop()
        elif segment not in {".", ".."}:
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/".join(kept)


_SERIALISED_ORIGIN = re.compile(
    r"([A-Za-z][A-Za-z0-9+.\-]{0,63})://([A-Za-z0-9._~\-]{0,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?"
)


def normalise_origin(text: str) -> str | None:
    """Return the one spelling of a web origin (RFC 6454 section 6).

    It is in lower case, without the scheme's default port; `null` stays as it is. `None` for all else, also
    for an origin with a path, and for several.
    """
    parts = _SERIALISED_ORIGIN.fullmatch(text)
    if parts is None:
        return text if text == "null" else None
    scheme, host, port = parts[1].lower(), parts[2].lower(), parts[3]
    return f"{scheme}://{host}" + (f":{int(port)}" if port and int(port) != DEFAULT_PORTS.get(scheme) else "")


def is_loopback_host(host: str) -> bool:
    """Whether `host` is one of the loopback names that native apps redirect to (RFC 8252 section 7.3)."""
    return host.lower() in LOOPBACK_HOSTS


class Target(NamedTuple):
    """A request target split into `path` (starts with "/") and `query` (`None` without "?"), as received."""

    path: str
    query: str | None

    def __str__(self) -> str:
        return self.path if self.query is None else f"{self.path}?{self.query}"


def parse_target(raw: bytes) -> Target:
    """Split an origin-form target (RFC 9112 section 3.2.1); refuse paths that servers normalise differently.

    Raises `UriError` for more than 8192 bytes (a listener bounds what clients send sooner), anything but
    printable ASCII, a fragment, a backslash, bad percent encoding, dot segments (also encoded, and with
    parameters, which some servers drop before they resolve dots), empty inner segments, and encoded slashes,
    backslashes, control characters (patterns do not see beyond a line break) and bytes that are not UTF-8.
    """
    if not _TARGET.fullmatch(raw) or not raw.startswith(b"/") or b"#" in raw:
        raise UriError("the request target is not a plain absolute path")
    path, mark, query = raw.decode("ascii").partition("?")
    if path != "/" and _is_ambiguous(path):
        raise UriError("the request path is ambiguous")
    return Target(path, query if mark else None)


_ENCODED_FORBIDDEN = frozenset({"2f", "5c", "7f", *(f"{code:02x}" for code in range(0x20))})


def _is_ambiguous(path: str) -> bool:
    if "%" not in path:
        return "\\" in path or "//" in path or ("/." in path and _has_dot_segment(path))
    codes = [code.lower() if code else None for code in _PERCENT.findall(path)]
    if any(code is None or code == "" or code in _ENCODED_FORBIDDEN for code in codes):
        return True
    if "\\" in path or "//" in path:
        return True
    try:
        return _has_dot_segment(unquote(path, errors="strict"))
    except UnicodeDecodeError:
        return True


def _has_dot_segment(path: str) -> bool:
    return any(segment.partition(";")[0] in {".", ".."} for segment in path.split("/"))
