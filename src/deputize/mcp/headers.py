"""Read the header fields that MCP gives a meaning (mcp reference, sections 1.3 and 2.1)."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from deputize.mcp.errors import Rejection, bad_origin, header_mismatch

_NAMES: Final = {
    b"accept": "accept",
    b"content-type": "content_type",
    b"content-encoding": "encoding",
    b"origin": "origin",
    b"mcp-protocol-version": "version",
    b"mcp-session-id": "session",
    b"mcp-method": "method",
    b"mcp-name": "name",
}
MAX_SESSION: Final = 1024
"""Characters of a session id as a client sends it."""
_SESSION = re.compile(rf"[!-~]{{1,{MAX_SESSION}}}")
_SERVERS_SESSION = re.compile(rf"[!-~]{{1,{MAX_SESSION // 2}}}")
_PLAIN = re.compile(r"[ -~\t]*")
_WRAPPED = re.compile(r"=\?base64\?(.*)\?=")


@dataclass(slots=True)
class RoutingFields:
    """Field values as received without surrounding blanks; `None` when absent."""

    accept: str | None = None
    content_type: str | None = None
    encoding: str | None = None
    origin: str | None = None
    version: str | None = None
    session: str | None = None
    method: str | None = None
    name: str | None = None

    def with_name(self, name: str) -> "RoutingFields":
        """The fields of a call that differs in `Mcp-Name` only; `dataclasses.replace` takes far longer."""
        return RoutingFields(
            self.accept,
            self.content_type,
            self.encoding,
            self.origin,
            self.version,
            self.session,
            self.method,
            name,
        )


def read_fields(raw: Iterable[tuple[bytes, bytes]]) -> RoutingFields | Rejection:
    """Pick the fields out of a header section.

    A repeated one (but `Accept`) would let two readers choose differently.
    """
    found: dict[str, str] = {}
    for key, value in raw:
        attribute = _NAMES.get(key.lower())
        if attribute is None:
            continue
        text = value.decode("latin-1").strip(" \t")
        if attribute in found:
            if attribute == "origin":
                return bad_origin()
            if attribute != "accept":
                return header_mismatch(f"{key.decode('latin-1')} is repeated")
            text = f"{found[attribute]}, {text}"
        found[attribute] = text
    fields = RoutingFields(**found)
    if fields.session is not None and not _SESSION.fullmatch(fields.session):
        return header_mismatch("Mcp-Session-Id has characters outside visible ASCII")
    return fields


def is_session(value: str) -> bool:
    """Whether a server's session id is visible ASCII and short enough to be sealed within `MAX_SESSION`."""
    return _SERVERS_SESSION.fullmatch(value) is not None


def decode_name(value: str) -> str | None:
    """The text of an `Mcp-Name` or `Mcp-Param-*` value, without `=?base64?…?=`; `None` if malformed."""
    wrapped = _WRAPPED.fullmatch(value) if value.startswith("=?") else None
    if wrapped is None:
        return value if _PLAIN.fullmatch(value) else None
    try:
        return base64.b64decode(wrapped[1], validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


@lru_cache(maxsize=256)
def accepts(accept: str, media_type: str) -> bool:
    """Whether an `Accept` value admits `media_type` ("type/subtype"); ranges with weight zero do not."""
    admitted = {media_type, "*/*", f"{media_type.partition('/')[0]}/*"}
    for each in accept.lower().split(","):
        name, *parameters = (part.strip() for part in each.split(";"))
        weights = [part[2:] for part in parameters if part.startswith("q=")]
        if name in admitted and all(weight.strip("0.") for weight in weights):
            return True
    return False


@lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Whether a `Content-Type` says JSON in UTF-8; other parameters than a charset are tolerated."""
    media_type, _, parameters = content_type.lower().partition(";")
    charsets = [
        each.partition("=")[2].strip(' "')
        for each in parameters.split(";")
        if each.strip().startswith("charset=")
    ]
    return media_type.strip() == "application/json" and all(
        charset in {"utf-8", "utf8"} for charset in charsets
    )
