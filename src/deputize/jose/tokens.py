"""JWTs in compact serialisation (RFC 7515, RFC 7519): signed by a current key, verified by the named."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, TypeVar

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.util import json_b64encode, urlsafe_b64decode

from deputize.jose.compact import TokenInvalid, encode_base64url, parse_json_object
from deputize.jose.key_ring import KeyRing
from deputize.jose.keys import DEFAULT_ALGORITHM, REGISTRIES, SigningKey
from deputize.kernel.strict_json import JsonError, dumps
from deputize.kernel.values import JsonObject, is_number

Reading = TypeVar("Reading")

ACCESS_TOKEN_TYPE: Final = "at+jwt"
"""Header `typ` of access tokens (RFC 9068 section 2.1)."""
ID_TOKEN_TYPE: Final = "JWT"
LOGOUT_TOKEN_TYPE: Final = "logout+jwt"
"""OpenID Connect Back-Channel Logout 1.0 section 2.4."""
MAX_TOKEN: Final = 48 * 1024
"""Characters; claims are at most 16 KB of mapped attributes and a bounded `act` chain."""
MAX_HEADER: Final = 512
"""Characters of the encoded header, joserfc's own limit too."""


def sign(
    claims: JsonObject, ring: KeyRing, typ: str = ACCESS_TOKEN_TYPE, algorithm: str = DEFAULT_ALGORITHM
) -> str:
    """`claims` as a JWT signed by the ring's current key of an algorithm; numbers are finite, texts Unicode.

    Raises `KeyInvalid` where the ring has no such key.
    """
    return sign_with(claims, ring.signing_key(algorithm), typ)


def sign_with(claims: JsonObject, key: SigningKey, typ: str) -> str:
    """`claims` as a JWT signed by one key; numbers are finite, texts Unicode."""
    payload = encode_base64url(dumps(dict(claims)))
    signing_input = _protected_header(key.algorithm, key.kid, typ) + b"." + payload
    return (signing_input + b"." + encode_base64url(key.sign(signing_input))).decode("ascii")


def presented(claims: JsonObject) -> JsonObject:
    """`claims` as they are read from a token that says them; for a token that is never signed.

    Raises `TokenInvalid` where such a token would not be read.
    """
    try:
        return parse_json_object(dumps(dict(claims)), "claims")
    except JsonError as error:
        raise TokenInvalid(f"the claims are not JSON: {error}") from error


def verify(token: str, ring: KeyRing, issuer: str, now: float, typ: str = ACCESS_TOKEN_TYPE) -> JsonObject:
    """The claims of a token this ring signed for `issuer` and that is valid at `now`, or `TokenInvalid`.

    The algorithm is the named key's, never the header's choice; `typ` keeps ID tokens from passing as access
    tokens (RFC 8725 sections 3.1, 3.11).
    """
    return _check_claims(_verify_signature(token, ring, typ).claims, issuer, now)


@dataclass(frozen=True, slots=True)
class _Signed:
    key: SigningKey
    typ: str
    claims: JsonObject
    readings: dict[object, Any] = field(default_factory=dict[object, Any])
    """What was read from the claims, by what read it."""


class Verifier:
    """`verify` with a bounded memory of signatures already checked, least recently used out first.

    Only signatures are remembered, under the SHA-256 of the token: issuer, instants and whether the key is
    still in the ring are checked every time.
    """

    __slots__ = ("_capacity", "_seen")

    def __init__(self, capacity: int = 4096) -> None:
        """`capacity` counts tokens."""
        self._capacity = capacity
        self._seen: OrderedDict[bytes, _Signed] = OrderedDict()

    def verify(
        self, token: str, ring: KeyRing, issuer: str, now: float, typ: str = ACCESS_TOKEN_TYPE
    ) -> JsonObject:
        """Do what the function `verify` does, and check a signature that was seen before no second time."""
        return dict(_check_claims(self._find_signed(token, ring, typ).claims, issuer, now))

    def verify_and_read(
        self,
        read: Callable[[JsonObject], Reading],
        token: str,
        ring: KeyRing,
        issuer: str,
        now: float,
        typ: str = ACCESS_TOKEN_TYPE,
    ) -> tuple[JsonObject, Reading]:
        """Verify, and return the claims with what `read` makes of them, which is remembered as well.

        `read` depends on the claims alone. Both results are the same objects each time, and nobody's to
        change.
        """
        signed = self._find_signed(token, ring, typ)
        claims = _check_claims(signed.claims, issuer, now)
        if read not in signed.readings:
            signed.readings[read] = read(claims)
        return claims, signed.readings[read]

    def _find_signed(self, token: str, ring: KeyRing, typ: str) -> _Signed:
        """The claims that a key of the ring signed, perhaps long ago. Raises `TokenInvalid`."""
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        signed = self._seen.get(digest)
        key = ring.find(signed.key.kid) if signed and signed.typ == typ else None
        if signed and key and (key is signed.key or key.private_jwk == signed.key.private_jwk):
            self._seen.move_to_end(digest)
            return signed
        signed = _verify_signature(token, ring, typ)
        self._seen[digest] = signed
        if len(self._seen) > self._capacity:
            self._seen.popitem(last=False)
        return signed


def _verify_signature(token: str, ring: KeyRing, typ: str) -> _Signed:
    """The claims that a key of the ring signed. Raises `TokenInvalid`."""
    encoded, dot, _ = token.partition(".")
    if len(token) > MAX_TOKEN or not dot or len(encoded) > MAX_HEADER:
        raise TokenInvalid("not a JWT, or too large a one")
    try:
        header = parse_json_object(urlsafe_b64decode(encoded.encode("ascii")), "header")
    except ValueError as error:
        raise TokenInvalid("the header is not base64url") from error
    kid = header.get("kid")
    key = ring.find(kid) if isinstance(kid, str) else None
    if key is None:
        raise TokenInvalid("names no key of this environment")
    if header.get("alg") != key.algorithm:
        raise TokenInvalid("its algorithm is not the named key's")
    if header.get("typ") != typ:
        raise TokenInvalid(f"its type is not {typ}")
    try:
        signature = jws.deserialize_compact(token, key.parsed, registry=REGISTRIES[key.algorithm])
    except (JoseError, ValueError) as error:
        raise TokenInvalid(f"the signature does not verify: {type(error).__name__}") from error
    return _Signed(key, typ, parse_json_object(signature.payload or b"", "claims"))


@lru_cache(maxsize=256)
def _protected_header(algorithm: str, kid: str, typ: str) -> bytes:
    """The encoded header, the same for every token of a key and type."""
    return json_b64encode({"alg": algorithm, "kid": kid, "typ": typ})


def _check_claims(claims: JsonObject, issuer: str, now: float) -> JsonObject:
    if claims.get("iss") != issuer:
        raise TokenInvalid("another issuer's")
    if not now < _numeric_date(claims, "exp"):
        raise TokenInvalid("expired")
    if "nbf" in claims and now < _numeric_date(claims, "nbf"):
        raise TokenInvalid("not valid yet")
    return claims


def _numeric_date(claims: JsonObject, name: str) -> float:
    value = claims.get(name)
    if not is_number(value):
        raise TokenInvalid(f"{name} is not a number")
    return value
