"""Base64, digests, and the escapes of URLs and forms.

Bytes are lists of integers from 0 to 255: JSON has none.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from deputize.expressions.errors import OperandError
from deputize.expressions.functions import operands
from deputize.expressions.functions.function import Function, of_one
from deputize.expressions.functions.gateway.texts import on_text
from deputize.expressions.patterns import encoded
from deputize.expressions.values import Value, is_absent, is_list

# RFC 3986 section 3: what may stand unescaped in each part of a URI, besides the unreserved characters.
_SUB_DELIMITERS = "!$&'()*+,;="
_PATH_ELEMENT = _SUB_DELIMITERS + ":@"
_FRAGMENT = _PATH_ELEMENT + "/?"
_USER_INFO = _SUB_DELIMITERS
_QUERY = _FRAGMENT.translate({ord(character): None for character in "&=+;"})


def octets(value: Value) -> bytes:
    """The bytes of a text in UTF-8, or of a list of integers. Raises `OperandError`."""
    if is_list(value):
        return bytes(_octet(item) for item in value)
    return encoded(operands.text(value))


def _octet(value: Value) -> int:
    octet = operands.integer(value)
    if 0 <= octet <= 255:
        return octet
    raise OperandError("a byte must be 0 to 255")


def _encoding(encode: Callable[[bytes], bytes]) -> Function:
    """Bytes or text to Base64 without padding kept as the encoder gives it."""
    return of_one(lambda value: None if is_absent(value) else encode(octets(value)).decode("ascii"))


def _decoding(alternative: bytes | None) -> Function:
    """Base64 text to UTF-8 text; null when it is neither."""

    def decode(text: str) -> Value:
        try:
            return base64.b64decode(
                encoded(text) + b"=" * (-len(text) % 4), altchars=alternative, validate=True
            ).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None

    return of_one(on_text(decode))


def digest_sha256(value: Value) -> Value:
    """The SHA-256 hash as a list of 32 integers; `encodeBase64url(digestSha256(x))` makes it a text."""
    return None if is_absent(value) else list(hashlib.sha256(octets(value)).digest())


def _quoting(safe: str) -> Function:
    return of_one(on_text(lambda text: quote(encoded(text), safe=safe)))


_UNQUOTE = of_one(on_text(unquote))
_FORM_ENCODE = of_one(on_text(lambda text: quote_plus(encoded(text))))
_FORM_DECODE = of_one(on_text(unquote_plus))

FUNCTIONS: Mapping[str, Function] = {
    "encodeBase64": _encoding(base64.b64encode),
    "encodeBase64url": _encoding(lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")),
    "decodeBase64": _decoding(None),
    "decodeBase64url": _decoding(b"-_"),
    "digestSha256": of_one(digest_sha256),
    "formEncodeParameterNameOrValue": _FORM_ENCODE,
    "formDecodeParameterNameOrValue": _FORM_DECODE,
    "urlEncode": _FORM_ENCODE,
    "urlDecode": _FORM_DECODE,
    "urlEncodeFragment": _quoting(_FRAGMENT),
    "urlDecodeFragment": _UNQUOTE,
    "urlEncodePathElement": _quoting(_PATH_ELEMENT),
    "urlDecodePathElement": _UNQUOTE,
    "urlEncodeQueryParameterNameOrValue": _quoting(_QUERY),
    "urlDecodeQueryParameterNameOrValue": _UNQUOTE,
    "urlEncodeUserInfo": _quoting(_USER_INFO),
    "urlDecodeUserInfo": _UNQUOTE,
}
