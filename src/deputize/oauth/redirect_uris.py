"""Redirect URIs, compared as texts except for the port of a native app's loopback address.

Clients open whatever port is free (RFC 8252 section 7.3), on `localhost` as well as on `127.0.0.1`; scheme,
host, path and query stay exact.
"""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address, ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from deputize.kernel.uris import is_loopback_host

MAX_LENGTH: Final = 2048
_LOOPBACK: Final = re.compile(
    r"http://(?P<host>localhost|127\.0\.0\.1|\[::1\])(?::(?P<port>\d{1,5}))?(?P<rest>(?:[/?][^#\s\\]*)?)"
)
_ALLOWED: Final = re.compile(r"[!-\[\]^-~]+")
_HOST: Final = re.compile(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
"""A name or an address. Other signs mean something where hosts are written, such as in a page's policy."""
_NUMERIC_HOST: Final = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$")
_IPV4: Final = re.compile(r"(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})")
_UNSAFE_SCHEMES: Final = frozenset(
    {"javascript", "data", "vbscript", "file", "blob", "about", "view-source", "ws", "wss"}
)

_SCHEME_REFUSAL: Final = (
    "has a scheme that is neither https, http on a loopback host, nor a private one such as com.example.app"
)


def is_registered(registered: Iterable[str], requested: str) -> bool:
    """Whether `requested` is one of the registered URIs, where loopback ones may come with any port."""
    registered = tuple(registered)
    if requested in registered:
        return True
    given = _LOOPBACK.fullmatch(requested)
    if given is None or len(requested) > MAX_LENGTH or not _ALLOWED.fullmatch(requested):
        return False
    port = given["port"]
    if port is not None and (port.startswith("0") or int(port) > 65535):
        return False
    known = (match for uri in registered if (match := _LOOPBACK.fullmatch(uri)))
    return any((each["host"], each["rest"]) == (given["host"], given["rest"]) for each in known)


def tell_difference(registered: Iterable[str], requested: str) -> str:
    """Say which of the registered URIs is nearest to one that is none of them, and where they part.

    Empty where none has anything in common with it but its scheme.
    """
    parts = ("scheme", "netloc", "path", "query", "fragment")
    names = ("scheme", "host or port", "path", "query", "fragment")
    try:
        given = urlsplit(requested)
        known = {uri: urlsplit(uri) for uri in registered}
    except ValueError:
        return ""
    differing = {
        uri: [
            name
            for name, part in zip(names, parts, strict=True)
            if getattr(given, part) != getattr(split, part)
        ]
        for uri, split in known.items()
    }
    nearest = min(differing, key=lambda uri: len(differing[uri]), default="")
    if not nearest or not {"host or port", "path"} - set(differing[nearest]):
        return ""
    return f"The nearest is {nearest}, with another {' and '.join(differing[nearest])}"


def is_on_device(uri: str) -> bool:
    """Whether programs on the user's own device receive what is sent there, and any of them may.

    That is where the host is a loopback one, or the scheme a private one (RFC 8252 section 8.6): neither says
    which program listens. An https URI on another host is its owner's.
    """
    parts = urlsplit(uri)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in {"http", "https"} or is_loopback_host(host) or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def registration_refusal(uri: str) -> str | None:
    """Why `uri` must not be registered as a redirect URI, or `None` (OAuth 2.1 sections 2.3.1, 8.4).

    `https`, `http` on a loopback host, and private-use schemes with a dot (RFC 8252 section 7.1) may.
    """
    if len(uri) > MAX_LENGTH or not _ALLOWED.fullmatch(uri) or "*" in uri:
        return "is not a plain URI without wildcards"
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "is not a URI"
    if "#" in uri or parts.username is not None:
        return "has a fragment or user information"
    return _origin_refusal(parts.scheme, parts.hostname)


def receives_cookies(uri: str, issuer: str) -> bool:
    """Whether browsers send the cookies of the environment with that `issuer` along to `uri`.

    Cookies know neither ports nor schemes (RFC 6265 section 8.5). Those of an authority at https go to its
    whole host; those of one at http to the paths below the environment's own, which is the issuer's without
    its last segment.
    """
    here, there = urlsplit(issuer), urlsplit(uri)
    if there.scheme not in {"http", "https"} or _cookie_host(there.hostname) != _cookie_host(here.hostname):
        return False
    if here.scheme == "https":
        return True
    # Browsers resolve dot segments before they compare paths, and encoded ones too.
    dots = any(unquote(segment) in {".", ".."} for segment in there.path.split("/"))
    return dots or there.path.startswith(here.path.rpartition("/")[0] + "/")


def _cookie_host(host: str | None) -> str:
    """One spelling of a host as browsers see it; other spellings of IPv4 are refused at registration."""
    try:
        return str(IPv6Address(host or ""))
    except AddressValueError:
        return (host or "").lower()


def _origin_refusal(scheme: str, host: str | None) -> str | None:
    """Why nobody may be sent to that scheme and host, or `None`."""
    if scheme == "http":
        return None if host and is_loopback_host(host) else "uses http, which only a loopback host may"
    if scheme != "https":
        is_private = scheme not in _UNSAFE_SCHEMES and "." in scheme
        return None if is_private else _SCHEME_REFUSAL
    if not host:
        return "names no host"
    if not _HOST.fullmatch(host):
        return "has a host that is no name in ASCII letters, digits and hyphens, and no address"
    # Browsers read 127.1, 0x7f000001 and 2130706433 as 127.0.0.1.
    if _NUMERIC_HOST.search(host) and not _IPV4.fullmatch(host):
        return "has a host that browsers read as another one"
    return None
