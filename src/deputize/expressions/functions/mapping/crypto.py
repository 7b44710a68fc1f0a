"""`#crypto`: keyed digests."""

import hmac
from collections.abc import Mapping

from deputize.expressions.errors import OperandError
from deputize.expressions.functions.function import Function, as_text, exactly
from deputize.expressions.patterns import encode
from deputize.expressions.values import Value, is_absent

_ALGORITHMS: Mapping[str, str] = {
    "HmacMD5": "md5",
    "HmacSHA1": "sha1",
    "HmacSHA224": "sha224",
    "HmacSHA256": "sha256",
    "HmacSHA384": "sha384",
    "HmacSHA512": "sha512",
}


def hmac_hex_digest(data: Value, key: Value, algorithm: Value) -> Value:
    """The HMAC of `data` under `key`, both in UTF-8, in lower-case hex; null when `data` is absent."""
    if is_absent(data):
        return None
    digest = _ALGORITHMS.get(as_text(algorithm))
    if digest is None:
        raise OperandError(f"the algorithm must be one of {', '.join(_ALGORITHMS)}")
    return hmac.new(encode(as_text(key)), encode(as_text(data)), digest).hexdigest()


FUNCTIONS: tuple[Function, ...] = (exactly("crypto.hmacHexDigest", 3, hmac_hex_digest),)
