"""JWK sets of other issuers, and JWTs that are verified with them (RFC 7515, RFC 7517, RFC 8725).

Which algorithms count is the caller's and the key's to say; a token only chooses among those that fit both.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from deputize.jose.compact import CompactJws, TokenInvalid, parse_compact
from deputize.jose.keys import KeyInvalid
from deputize.jose.public_keys import PublicKey, parse_public_key
from deputize.jose.tokens import MAX_TOKEN
from deputize.kernel.values import JsonObject, JsonValue

MAX_KEYS: Final = 100
"""Keys that a set may have."""
MAX_TRIES: Final = 16
"""Keys of a set that a token may be tried with."""
_MAX_HEADER: Final = 4096
_SAME: Final = {"EdDSA": frozenset({"EdDSA", "Ed25519"}), "Ed25519": frozenset({"EdDSA", "Ed25519"})}
"""Names of one algorithm (RFC 9864 section 2.2)."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key that an issuer signs with, and by which algorithms."""

    kid: str | None
    algorithms: frozenset[str]
    key: PublicKey


@dataclass(frozen=True, slots=True)
class ForeignToken:
    """A JWT that nobody has verified yet, and what its header says."""

    jws: CompactJws
    algorithm: str
    kid: str | None
    typ: str | None


def read_key_set(document: JsonValue) -> tuple[IssuerKey, ...]:
    """Return the keys of a JWK set, without those that verify nothing here (RFC 7517 section 5).

    These are keys for encryption, symmetric and private ones, and those too weak or of another kind. Raises
    `KeyInvalid` for what is no JWK set of at most `MAX_KEYS` keys.
    """
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list | tuple):
        raise KeyInvalid("it is no JWK set: it has no list of keys")
    if len(keys) > MAX_KEYS:
        raise KeyInvalid(f"it has more than {MAX_KEYS} keys")
    found: list[IssuerKey] = []
    for jwk in keys:
        try:
            if isinstance(jwk, Mapping):
                found.append(read_key(jwk))
        except KeyInvalid:
            continue
    return tuple(found)


def key_of_certificate(key: PublicKeyTypes) -> IssuerKey:
    """Return a key as certificates hold it. Raises `KeyInvalid`."""
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for kind in (ECKey, RSAKey, OKPKey):
        try:
            jwk: JsonObject = kind.import_key(pem).as_dict(private=False)
        except (JoseError, ValueError, TypeError):
            continue
        return read_key(jwk)
    raise KeyInvalid("a key is of no kind that verifies signatures here")


def parse_foreign_token(token: str) -> ForeignToken:
    """Take apart a JWT of another issuer. Raises `TokenInvalid`.

    Keys that its header holds or points to (`jwk`, `jku`, `x5c`, `x5u`) are nobody's.
    """
    if token.count(".") == 4:
        raise TokenInvalid("it is encrypted, which is not supported")
    parsed = parse_compact(token, MAX_TOKEN, _MAX_HEADER)
    algorithm, kid, typ = (parsed.header.get(name) for name in ("alg", "kid", "typ"))
    if not isinstance(algorithm, str):
        raise TokenInvalid("its header names no algorithm")
    if not isinstance(kid, str | None) or not isinstance(typ, str | None):
        raise TokenInvalid("kid or typ in its header is no text")
    return ForeignToken(parsed, algorithm, kid, typ)


def choose_keys(
    token: ForeignToken, keys: Iterable[IssuerKey], algorithms: Collection[str]
) -> tuple[IssuerKey, ...]:
    """Return the keys that may have signed such a token, at most `MAX_TRIES`.

    They are for its algorithm, and those that have its `kid`; where none has it, those without any. A token
    without a `kid` may be signed by each.
    """
    if token.algorithm not in algorithms:
        return ()
    fitting = [key for key in keys if token.algorithm in key.algorithms]
    if token.kid is not None:
        named = [key for key in fitting if key.kid == token.kid]
        fitting = named or [key for key in fitting if key.kid is None]
    return tuple(fitting[:MAX_TRIES])


def verify_with(token: ForeignToken, keys: Iterable[IssuerKey]) -> JsonObject:
    """Return the claims of a token that one of `keys`, which `choose_keys` returned, has signed.

    Raises `TokenInvalid`.
    """
    for each in keys:
        try:
            each.key.check(token.jws, token.algorithm)
        except TokenInvalid:
            continue
        return token.jws.claims()
    raise TokenInvalid("the signature does not verify")


def read_key(jwk: JsonObject) -> IssuerKey:
    """Return the key in a public JWK, which is meant for signatures (RFC 7517 sections 4.2 to 4.4).

    Raises `KeyInvalid`.
    """
    kid, use, operations, algorithm = (jwk.get(name) for name in ("kid", "use", "key_ops", "alg"))
    if use is not None and use != "sig":
        raise KeyInvalid("the JWK is not meant for signatures")
    if operations is not None and (not isinstance(operations, list | tuple) or "verify" not in operations):
        raise KeyInvalid("the JWK is not meant to verify")
    key = parse_public_key(jwk)
    fitting = frozenset(key.algorithms)
    if algorithm is not None:
        fitting &= _SAME.get(algorithm, frozenset({algorithm})) if isinstance(algorithm, str) else frozenset()
    if not fitting:
        raise KeyInvalid("the JWK is for no algorithm that fits it")
    return IssuerKey(kid if isinstance(kid, str) else None, fitting, key)
