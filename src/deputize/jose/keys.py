"""One signing key: parsed for use, a private JWK for storage, a public JWK for publication (RFC 7517)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, cast

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import base64_to_int

from deputize.kernel.errors import DeputizeError
from deputize.kernel.values import JsonObject, is_number

ParsedKey: TypeAlias = ECKey | RSAKey | OKPKey
KeyState: TypeAlias = Literal["current", "next", "retired"]
Algorithm: TypeAlias = Literal["ES256", "RS256", "EdDSA", "Ed25519"]

DEFAULT_ALGORITHM: Final = "ES256"
ID_TOKEN_ALGORITHM: Final = "RS256"
"""Of the ID tokens of clients that name none (OpenID Connect Registration section 2)."""
ALWAYS_HELD: Final = (DEFAULT_ALGORITHM, ID_TOKEN_ALGORITHM)
"""Those for which every environment has keys; of others it has where an administrator names them."""
ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "RS256", "EdDSA", "Ed25519")
"""ECDSA on P-256 (the cheapest to sign), RSA with 2048 bits, and Ed25519 by two names.

RFC 7518 section 3.1. `EdDSA` (RFC 8037) is what libraries read; `Ed25519` (RFC 9864) is the name that says
the curve.
"""

STATES: Final = ("current", "next", "retired")
_PARAMETERS: Final[Mapping[str, tuple[str, str | int]]] = {
    "ES256": ("EC", "P-256"),
    "RS256": ("RSA", 2048),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}


class OneAlgorithm(JWSRegistry):
    """joserfc's rules for signatures by one algorithm.

    joserfc warns at each use of `EdDSA`, since RFC 9864 gave it another name; clients that read only the
    older one get it by an administrator's choice.
    """

    def __init__(self, algorithm: str) -> None:
        """`algorithm` is one of `ALGORITHMS`."""
        super().__init__(algorithms=[algorithm])
        self._only = self.algorithms[algorithm]

    def get_alg(self, name: str):  # noqa: ANN201 - joserfc exports no name for its type
        """The algorithm, or what joserfc raises for any other."""
        return self._only if name == self._only.name else super().get_alg(name)


REGISTRIES: Final[Mapping[str, OneAlgorithm]] = {name: OneAlgorithm(name) for name in ALGORITHMS}
"""What signatures are made and checked by, by algorithm."""


class KeyInvalid(DeputizeError):
    """A stored key, or the algorithm asked for, is not one this product signs with."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that signs or signed tokens, parsed when made; `repr` does not show the secret."""

    kid: str
    algorithm: str
    """One of `ALGORITHMS`."""
    state: KeyState
    created_at: float
    """Seconds since the epoch."""
    private_jwk: JsonObject = field(repr=False)
    retired_at: float | None = None
    """When it stopped signing, in seconds since the epoch."""
    parsed: ParsedKey = field(init=False, repr=False, compare=False)
    sign: Callable[[bytes], bytes] = field(init=False, repr=False, compare=False)
    """(signing input) to the signature over it, by the key's algorithm and no other (RFC 7515 section 5.1).
    """

    def __post_init__(self) -> None:
        parsed = _parse(self.algorithm, self.private_jwk)
        object.__setattr__(self, "parsed", parsed)
        object.__setattr__(self, "sign", _signer(self.algorithm, parsed))

    @property
    def public_jwk(self) -> JsonObject:
        """What others verify with; has no private member."""
        public = cast("dict[str, str]", self.parsed.as_dict(private=False))
        return {**public, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def to_json(self) -> JsonObject:
        """The key with its secret, for storage."""
        return {
            "kid": self.kid,
            "algorithm": self.algorithm,
            "state": self.state,
            "created_at": self.created_at,
            "retired_at": self.retired_at,
            "jwk": self.private_jwk,
        }

    @classmethod
    def from_json(cls, stored: JsonObject) -> "SigningKey":
        """What `to_json` made. Raises `KeyInvalid`."""
        kid, algorithm = stored.get("kid"), stored.get("algorithm")
        state, jwk = stored.get("state"), stored.get("jwk")
        if (
            not isinstance(kid, str)
            or not isinstance(algorithm, str)
            or not isinstance(jwk, Mapping)
            or state not in STATES
        ):
            raise KeyInvalid("a stored signing key lacks kid, algorithm, state or jwk")
        retired_at = stored.get("retired_at")
        return cls(
            kid,
            algorithm,
            state,
            _instant(stored.get("created_at")),
            jwk,
            _instant(retired_at) if retired_at else None,
        )


def generate_key(algorithm: str, kid: str, now: float, state: KeyState = "next") -> SigningKey:
    """A fresh key. Raises `KeyInvalid` for an algorithm that is not one of `ALGORITHMS`."""
    kind, size = _parameters(algorithm)
    key = JWKRegistry.generate_key(kind, size)
    return SigningKey(kid, algorithm, state, now, cast("JsonObject", key.as_dict(private=True)))


def read_signing_key(pem: bytes, algorithm: str | None, now: float) -> SigningKey:
    """The private key in `pem` (PKCS #8), whose thumbprint is its `kid` (RFC 7638).

    Without `algorithm` it signs by the one that fits it. Raises `KeyInvalid`.
    """
    for kind in (ECKey, RSAKey, OKPKey):
        try:
            key = kind.import_key(pem)
            break
        except (JoseError, ValueError, TypeError):
            continue
    else:
        raise KeyInvalid("the key is none that tokens are signed with")
    chosen = algorithm or next(name for name, (kind, _) in _PARAMETERS.items() if kind == key.key_type)
    if _parameters(chosen)[0] != key.key_type:
        raise KeyInvalid(f"the key is of type {key.key_type}, which does not sign with {chosen}")
    return SigningKey(key.thumbprint(), chosen, "current", now, cast("JsonObject", key.as_dict(private=True)))


def _instant(value: object) -> float:
    if is_number(value):
        return float(value)
    raise KeyInvalid("a stored signing key has a malformed instant")


def _parameters(algorithm: str) -> tuple[str, str | int]:
    if algorithm not in _PARAMETERS:
        raise KeyInvalid(f"{algorithm[:32]!r} is not one of {', '.join(ALGORITHMS)}")
    return _PARAMETERS[algorithm]


def _parse(algorithm: str, jwk: JsonObject) -> ParsedKey:
    """The private key in `jwk`, of the type and size of the algorithm. Raises `KeyInvalid`."""
    kind, size = _parameters(algorithm)
    try:
        members = cast("dict[str, str | list[str]]", dict(jwk))
        key = _parse_rsa(members) if kind == "RSA" else JWKRegistry.import_key(members, kind)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise KeyInvalid(f"a stored {algorithm} key cannot be read: {type(error).__name__}") from error
    if isinstance(key, RSAKey):
        is_strong = key.public_key.key_size >= int(size)
    else:
        is_strong = isinstance(key, ECKey | OKPKey) and key.curve_name == size
    if not isinstance(key, ECKey | RSAKey | OKPKey) or not key.is_private or not is_strong:
        raise KeyInvalid(f"a stored key is not a private {algorithm} key")
    return key


def _parse_rsa(jwk: Mapping[str, str | list[str]]) -> RSAKey:
    """The private RSA key in a JWK that `generate_key` made.

    Looking whether its factors are primes takes 60 ms of each snapshot, and nobody but the program writes
    them; that they are the factors is looked at.
    """
    if jwk.get("kty") != "RSA":
        raise ValueError("not RSA")
    e, n, d, p, q, dp, dq, qi = (
        base64_to_int(str(jwk[name])) for name in ("e", "n", "d", "p", "q", "dp", "dq", "qi")
    )
    if p * q != n:
        raise ValueError("not the factors of the modulus")
    numbers = RSAPrivateNumbers(p, q, d, dp, dq, qi, RSAPublicNumbers(e, n))
    return RSAKey.import_key(numbers.private_key(unsafe_skip_rsa_key_validation=True))


def _signer(algorithm: str, key: ParsedKey) -> Callable[[bytes], bytes]:
    """(signing input) to the signature; what does not change with the input is done once a key."""
    model = REGISTRIES[algorithm].get_alg(algorithm)
    model.check_key(key)
    if not isinstance(key, ECKey) or key.private_key is None:
        return lambda signing_input: model.sign(signing_input, key)
    private_key, hash_function = key.private_key, ECDSA(SHA256())

    def sign_es256(signing_input: bytes) -> bytes:
        # R and S, 32 octets each (RFC 7518 section 3.4). 14 of 46 us less than through joserfc, which looks
        # the key up by its use at each signature and writes the numbers by way of their hexadecimal digits.
        r, s = decode_dss_signature(private_key.sign(signing_input, hash_function))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign_es256
