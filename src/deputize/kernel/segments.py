"""Ids as segments of paths: an agent's id may be a URL, and no slash stays encoded in a path all the way."""

import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from deputize.kernel.uris import UriError

_PLAIN: Final = frozenset(string.ascii_letters + string.digits + "-._")


def write_segment(text: str) -> str:
    """Write an id as one segment of a path: as it is where it is plain, otherwise encoded behind a tilde."""
    if text and _PLAIN.issuperset(text) and not set(text) <= {"."}:
        return text
    return "~" + urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_segment(segment: str) -> str:
    """Return what `write_segment` wrote. Raises `UriError` for what it would not have written so."""
    if not segment.startswith("~"):
        return segment
    try:
        text = urlsafe_b64decode(segment[1:] + "=" * (-len(segment[1:]) % 4)).decode()
    except ValueError as error:
        raise UriError(f"{segment[:64]!r} is no id") from error
    if write_segment(text) != segment:
        raise UriError(f"{segment[:64]!r} is no id as it is written here")
    return text
