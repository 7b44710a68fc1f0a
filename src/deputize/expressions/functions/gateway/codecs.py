"""Base64, digests, the escapes of URLs and forms, and file URLs.

Bytes are lists of integers from 0 to 255: JSON has none.
"""

import base64
import binascii
import hashlib
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from deputize.expressions.errors import OperandError
from deputize.expressions.functions.function import Function, as_integer, as_text, of_one, on_text
from deputize.expressions.patterns import encode
from deputize.expressions.values import Value, is_absent, is_list

# RFC 3986 section 3: what may stand unescaped in each part of a URI, besides the unreserved characters.
_SUB_DELIMITERS = "!$&'()*+,;="
_PATH_ELEMENT = _SUB_DELIMITERS + ":@"
_FRAGMENT = _PATH_ELEMENT + "/?"
_QUERY = _FRAGMENT.translate({ord(character): None for character in "&=+;"})


def read_octets(value: Value) -> bytes:
    """The bytes of a text in UTF-8, or of a list of integers. Raises `OperandError`."""
    if not is_list(value):
        return encode(as_text(value))
    octets = [as_integer(item) for item in value]
    if not all(0 <= octet <= 255 for octet in octets):
        raise OperandError("a byte must be 0 to 255")
    return bytes(octets)


def encode_base64(value: Value) -> Value:
    """Base64 of a text or bytes, with padding."""
    return None if is_absent(value) else base64.b64encode(read_octets(value)).decode("ascii")


def encode_base64url(value: Value) -> Value:
    """Base64 for URLs of a text or bytes, without padding."""
    return (
        None
        if is_absent(value)
        else base64.urlsafe_b64encode(read_octets(value)).rstrip(b"=").decode("ascii")
    )


def decode_base64(text: str, alternative: bytes | None = None) -> Value:
    """Base64 text to UTF-8 text; null when it is neither."""
    try:
        padded = encode(text) + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=alternative, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def digest_sha256(value: Value) -> Value:
    """The SHA-256 hash as a list of 32 integers; `encodeBase64url(digestSha256(x))` makes it a text."""
    return None if is_absent(value) else list(hashlib.sha256(read_octets(value)).digest())


def file_url(path: str) -> str:
    """The `file:` URL of an absolute path."""
    if not path.startswith("/"):
        raise OperandError("the path is not absolute")
    return "file://" + quote(encode(path))


def _encode_form(text: str) -> str:
    return quote_plus(encode(text))


def _quote(name: str, safe: str) -> Function:
    return on_text(name, lambda text: quote(encode(text), safe=safe))


FUNCTIONS: tuple[Function, ...] = (
    of_one("encodeBase64", encode_base64),
    of_one("encodeBase64url", encode_base64url),
    on_text("decodeBase64", decode_base64),
    on_text("decodeBase64url", lambda text: decode_base64(text, b"-_")),
    of_one("digestSha256", digest_sha256),
    on_text("formEncodeParameterNameOrValue", _encode_form),
    on_text("formDecodeParameterNameOrValue", unquote_plus),
    on_text("urlEncode", _encode_form),
    on_text("urlDecode", unquote_plus),
    _quote("urlEncodeFragment", _FRAGMENT),
    on_text("urlDecodeFragment", unquote),
    _quote("urlEncodePathElement", _PATH_ELEMENT),
    on_text("urlDecodePathElement", unquote),
    _quote("urlEncodeQueryParameterNameOrValue", _QUERY),
    on_text("urlDecodeQueryParameterNameOrValue", unquote),
    _quote("urlEncodeUserInfo", _SUB_DELIMITERS),
    on_text("urlDecodeUserInfo", unquote),
    on_text("fileToUrl", file_url),
    on_text("pathToUrl", file_url),
)
