"""A JWS in compact serialisation, taken apart strictly and not yet believed (RFC 7515 section 7.1).

For tokens of others: proofs, assertions, and access tokens of other authorization servers. Each may be
written in one way only, so that no second spelling of one passes for another.
"""

from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deputize.kernel.errors import DeputizeError
from deputize.kernel.strict_json import JsonError, loads
from deputize.kernel.values import JsonObject

_PADDING: Final = ("", None, "==", "=")
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


class TokenInvalid(DeputizeError):
    """A token that is not to be believed; `reason` is for the log, never for the caller."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class CompactJws:
    """The parts of a JWS, decoded."""

    header: JsonObject
    encoded_header: str
    """As it was sent: two with the same one have the same header."""
    payload: bytes
    signing_input: bytes
    signature: bytes

    def claims(self) -> JsonObject:
        """Return the payload of a JWT (RFC 7519 section 7.2). Raises `TokenInvalid`."""
        return parse_json_object(self.payload, "payload")


def parse_compact(text: str, max_size: int, max_header: int) -> CompactJws:
    """Take apart what may be a JWS of at most `max_size` characters, `max_header` of them its header.

    Raises `TokenInvalid`, also for a header with `crit`, of which nothing is understood here (section
    4.1.11).
    """
    parts = text.split(".", 3) if len(text) <= max_size else []
    if len(parts) != 3 or len(parts[0]) > max_header:
        raise TokenInvalid("not a JWS in compact serialisation, or too large a one")
    header_octets, payload, signature = (decode_base64url(part) for part in parts)
    header = parse_json_object(header_octets, "header")
    if "crit" in header:
        raise TokenInvalid("its header has critical parameters")
    return CompactJws(header, parts[0], payload, f"{parts[0]}.{parts[1]}".encode("ascii"), signature)


def decode_base64url(text: str) -> bytes:
    """Decode base64url without padding (RFC 7515 section 2).

    Raises `TokenInvalid` for any other spelling: with padding, other characters, or bits left over.
    """
    padding = _PADDING[len(text) % 4]
    try:
        octets = urlsafe_b64decode(text + padding) if padding is not None else b""
    except ValueError as error:
        raise TokenInvalid("a part is not base64url") from error
    if encode_base64url(octets).decode("ascii") != text:
        raise TokenInvalid("a part is not base64url without padding")
    return octets


def encode_base64url(octets: bytes) -> bytes:
    """Encode without padding (RFC 7515 section 2), in two calls where joserfc takes six."""
    return b2a_base64(octets, newline=False).translate(_URL_SAFE, b"=")


def parse_json_object(octets: bytes, part: str) -> JsonObject:
    """Parse the `part` of a JWT that is a JSON object. Raises `TokenInvalid`."""
    try:
        value = loads(octets, max_depth=32)
    except JsonError as error:
        raise TokenInvalid(f"the {part} is not JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise TokenInvalid(f"the {part} is not a JSON object")
    return value
