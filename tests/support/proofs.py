"""Proofs of possession as clients make them, right ones and, with changes, wrong ones (RFC 9449)."""

import itertools
import json
from dataclasses import dataclass, field
from hashlib import sha256

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from deputize.jose import encode_base64url, parse_public_key

_counted = itertools.count(1)


def text_of(octets):
    """Return base64url of `octets`, as text."""
    return encode_base64url(octets).decode()


def generate_key(algorithm):
    """Return a new private key for one of `VERIFIABLE_ALGORITHMS`."""
    if algorithm[:2] in {"RS", "PS"}:
        return RSAKey.generate_key(2048)
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
    return ECKey.generate_key(curves[algorithm]) if algorithm in curves else OKPKey.generate_key("Ed25519")


@dataclass
class Prover:
    """A client with a key."""

    algorithm: str = "ES256"
    key: object = None
    thumbprint: str = field(init=False)

    def __post_init__(self):
        self.key = self.key or generate_key(self.algorithm)
        self.thumbprint = parse_public_key(self.public_jwk).thumbprint

    @property
    def public_jwk(self):
        return self.key.as_dict(private=False)

    def header(self, **changes):
        return without_none({"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.public_jwk, **changes})

    def prove(self, method, uri, now, token=None, *, header=None, **changes):
        """Return a proof with an id of its own; of `changes` to claims and `header`, `None` leaves out."""
        claims = {
            "jti": f"jti-{next(_counted)}",
            "htm": method,
            "htu": uri,
            "iat": int(now),
            "ath": None if token is None else text_of(sha256(token.encode()).digest()),
            **changes,
        }
        return self.sign(self.header(**(header or {})), without_none(claims))

    def sign(self, header, claims):
        """Return the JWS of any header and claims; each may be bytes."""
        parts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, claims)]
        signing_input = b".".join(map(encode_base64url, parts))
        known = "Ed25519" if self.algorithm == "EdDSA" else self.algorithm
        signature = JWSRegistry(algorithms=[known]).get_alg(known).sign(signing_input, self.key)
        return (signing_input + b"." + encode_base64url(signature)).decode()


def without_none(members):
    """Return `members` without those that are `None`."""
    return {name: value for name, value in members.items() if value is not None}
