"""Where the `Location` of an answer leads, and the redirects that a client may follow."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from deputize.kernel.uris import Origin, UriError, parse_origin

_PLAIN: Final = re.compile(r"[!-\[\]-~]*")
"""Printable ASCII without the backslash. To browsers that is a slash, and `/<TAB>/host` names a host."""
_NAMES_NO_HOST: Final = re.compile(r"(?!//)(?:[^:/?#]*(?:[/?#]|$))")
_HAS_SCHEME: Final = re.compile(r"[^:/?#]*:")


def leads_to(location: str, origin: Origin | None) -> bool:
    """Whether `location` names `origin`; without a scheme it has that of `origin` (RFC 3986 section 4.2)."""
    if origin is None:
        return False
    try:
        return (
            parse_origin(location if _HAS_SCHEME.match(location) else f"{origin.scheme}:{location}") == origin
        )
    except UriError:
        return False


def without_host(location: str) -> str:
    """Path, query and fragment of a URI, as a reference that names no host."""
    parts = urlsplit(location)
    return parts._replace(scheme="", netloc="", path=plain_path(parts.path or "/")).geturl()


def plain_path(path: str) -> str:
    """Keep what follows the first slash from being read as a host (RFC 3986 section 4.2).

    Browsers take a backslash for a slash.
    """
    return f"/.{path}" if path.startswith(("//", "/\\")) else path


def redirect_within(location: str, here: Iterable[Origin | None], destination: Origin | None) -> str | None:
    """`location` as the client may get it, on one of the origins `here`; `None` when it leads elsewhere.

    `here` are the origins the client knows the gateway by. A server that names itself, the `destination` of
    the request, means the gateway: that is where the client has found it.
    """
    if not _PLAIN.fullmatch(location):
        return None
    if _NAMES_NO_HOST.match(location) or any(leads_to(location, origin) for origin in here):
        return location
    return without_host(location) if leads_to(location, destination) else None
