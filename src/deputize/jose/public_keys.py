"""Public keys of others: parsed from their JWKs, and used with the algorithms that fit them and no other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Final, NamedTuple, cast

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry
from joserfc.jws import JWSRegistry

from deputize.jose.compact import CompactJws, TokenInvalid, decode_base64url, encode_base64url
from deputize.jose.keys import KeyInvalid, ParsedKey
from deputize.kernel.strict_json import dumps
from deputize.kernel.values import JsonObject

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 4096
"""A longer modulus, or a larger exponent, makes one signature cost as much as a thousand."""
_MAX_EXPONENT: Final = 4
"""Octets."""
PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of private and of symmetric keys (RFC 7518 sections 6.2.2, 6.3.2, 6.4)."""


class _Kind(NamedTuple):
    """Keys of one type and curve."""

    parameters: tuple[str, ...]
    """The members that make the key (RFC 7638 section 3.2)."""
    octets: int | None
    """Of each parameter (RFC 7518 section 6.2.1.2, RFC 8037 section 2); `None` where they vary."""
    algorithms: tuple[str, ...]


_KINDS: Final[Mapping[tuple[str, str | None], _Kind]] = {
    ("EC", "P-256"): _Kind(("x", "y"), 32, ("ES256",)),
    ("EC", "P-384"): _Kind(("x", "y"), 48, ("ES384",)),
    ("EC", "P-521"): _Kind(("x", "y"), 66, ("ES512",)),
    ("OKP", "Ed25519"): _Kind(("x",), 32, ("Ed25519", "EdDSA")),
    ("RSA", None): _Kind(("n", "e"), None, ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
}
VERIFIABLE_ALGORITHMS: Final = tuple(name for kind in _KINDS.values() for name in kind.algorithms)
"""With which signatures of others can be verified: asymmetric ones alone."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key, parsed when made."""

    algorithms: tuple[str, ...]
    """Those of `VERIFIABLE_ALGORITHMS` that sign with such keys."""
    thumbprint: str
    """The SHA-256 JWK thumbprint (RFC 7638), base64url: what `cnf.jkt` holds."""
    parsed: ParsedKey = field(repr=False)
    verifiers: dict[str, Callable[[bytes, bytes], bool]] = field(init=False, repr=False, compare=False)
    """By algorithm: (signing input, signature) to whether the signature is right."""

    def __post_init__(self) -> None:
        verifiers = {name: partial(_verify, name, self.parsed) for name in self.algorithms}
        object.__setattr__(self, "verifiers", verifiers)

    def check(self, signed: CompactJws, algorithm: str) -> None:
        """Check that this key signed it with `algorithm`. Raises `TokenInvalid`.

        The caller says which algorithms may be; the key which of them it is for (RFC 8725 section 3.1).
        """
        verify = self.verifiers.get(algorithm)
        if verify is None:
            raise TokenInvalid(f"the key is not one for {algorithm[:32]!r}")
        if not verify(signed.signing_input, signed.signature):
            raise TokenInvalid("the signature does not verify")


def parse_public_key(jwk: JsonObject) -> PublicKey:
    """Parse a public JWK (RFC 7517, RFC 7518 section 6, RFC 8037). Raises `KeyInvalid`.

    A private or a symmetric key is refused: who sends one gives away what the signature rests on. What the
    JWK says of its use is the caller's to judge.
    """
    if not PRIVATE_MEMBERS.isdisjoint(jwk):
        raise KeyInvalid("the JWK holds a private or a symmetric key")
    kind = jwk.get("kty")
    curve = None if kind == "RSA" else jwk.get("crv")
    known = _KINDS.get((kind, curve)) if isinstance(kind, str) and isinstance(curve, str | None) else None
    if known is None:
        raise KeyInvalid("the JWK is of no type and curve that is supported")
    required: dict[str, str | list[str]] = {"kty": str(kind)}
    if curve is not None:
        required["crv"] = str(curve)
    for name in known.parameters:
        required[name] = _parameter(jwk, name, known.octets)
    if kind == "RSA":
        bits = int.from_bytes(decode_base64url(str(required["n"])), "big").bit_length()
        if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
            raise KeyInvalid(f"the RSA key has fewer than {MIN_RSA_BITS} or more than {MAX_RSA_BITS} bits")
    try:
        parsed = cast("ParsedKey", JWKRegistry.import_key(required))
    except (JoseError, ValueError, TypeError) as error:
        raise KeyInvalid(f"the JWK is no public key: {type(error).__name__}") from error
    # RFC 7638 section 3: the required members in the order of their names, without blanks.
    canonical = dumps(dict(sorted(required.items())))
    thumbprint = encode_base64url(sha256(canonical).digest()).decode("ascii")
    return PublicKey(known.algorithms, thumbprint, parsed)


def _parameter(jwk: JsonObject, name: str, octets: int | None) -> str:
    """The member `name`, in its one spelling (RFC 7518 sections 2, 6.2.1.2). Raises `KeyInvalid`."""
    text = jwk.get(name)
    try:
        decoded = decode_base64url(text) if isinstance(text, str) else b""
    except TokenInvalid as error:
        raise KeyInvalid(f"the JWK's {name} is not base64url") from error
    longest = octets or (_MAX_EXPONENT if name == "e" else MAX_RSA_BITS // 8)
    is_canonical = len(decoded) == octets if octets else decoded[:1] > b"\0"  # without leading zeros
    if not is_canonical or len(decoded) > longest:
        raise KeyInvalid(f"the JWK's {name} is absent, or of a wrong length")
    return str(text)


def _verify(algorithm: str, key: ParsedKey, signing_input: bytes, signature: bytes) -> bool:
    model = _MODELS[algorithm]
    model.check_key(key)
    return model.verify(signing_input, signature, key)


# "EdDSA" is the older name of what "Ed25519" does here (RFC 9864 section 2.2); Ed448 goes by neither.
_MODELS: Final = {
    name: JWSRegistry(algorithms=[known]).get_alg(known)
    for name in VERIFIABLE_ALGORITHMS
    for known in ["Ed25519" if name == "EdDSA" else name]
}
