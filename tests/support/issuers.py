"""Issuers of JWTs that are not ours: their keys, their JWK sets, their tokens."""

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64encode

from deputize.kernel.strict_json import dumps
from support.gateway import FixedClock

ISSUER = "https://login.example.com/realms/demo"
NOW = FixedClock().now()
ALGORITHMS = {
    "ES256": ECKey.generate_key("P-256"),
    "ES384": ECKey.generate_key("P-384"),
    "ES512": ECKey.generate_key("P-521"),
    "RS256": (RSA := RSAKey.generate_key(2048)),
    "RS384": RSA,
    "RS512": RSA,
    "PS256": RSA,
    "PS384": RSA,
    "PS512": RSA,
    "EdDSA": (ED := OKPKey.generate_key("Ed25519")),
    "Ed25519": ED,
}
"""A key for each algorithm."""
CLAIMS = {
    "iss": ISSUER,
    "sub": "demouser",
    "aud": "https://ig.example.com:8443/mcp",
    "client_id": "agent-1",
    "scope": "test other",
    "exp": NOW + 300,
    "iat": NOW - 1,
    "jti": "jti-1",
}


def public_jwk(key, kid=None, **members):
    """Return what an issuer publishes of `key`."""
    jwk = {**key.as_dict(private=False), **({} if kid is None else {"kid": kid}), **members}
    return {name: value for name, value in jwk.items() if value is not None}


def jwk_set(**keys):
    """Return the set of keys by their ids."""
    return {"keys": [public_jwk(key, kid) for kid, key in keys.items()]}


def signed(key, claims=CLAIMS, alg="ES256", header=None, **more):
    """Return a JWT; `header` and `more` are members of its header, whatever it is signed with."""
    members = {"alg": alg, "typ": "JWT", **more, **(header or {})}
    members = {name: value for name, value in members.items() if value is not None}
    payload = claims if isinstance(claims, bytes) else dumps(claims)
    signing_input = urlsafe_b64encode(dumps(members)) + b"." + urlsafe_b64encode(payload)
    model = JWSRegistry(algorithms=[named := "Ed25519" if alg == "EdDSA" else alg]).get_alg(named)
    return (signing_input + b"." + urlsafe_b64encode(model.sign(signing_input, key))).decode()


class Issuer:
    """Signs with one key under a `kid`, and publishes the set of those it has had."""

    def __init__(self, kid="k1", alg="ES256", issuer=ISSUER):
        self.issuer, self.alg, self.keys = issuer, alg, {}
        self.rotate(kid)

    def rotate(self, kid, key=None):
        self.kid = kid
        self.keys[kid] = key or (ECKey.generate_key("P-256") if self.keys else ALGORITHMS[self.alg])

    def jwks(self):
        return jwk_set(**self.keys)

    def token(self, claims=None, kid=None, **header):
        kid = kid or self.kid
        key = self.keys.get(kid) or self.keys[self.kid]
        return signed(key, {**CLAIMS, "iss": self.issuer, **(claims or {})}, self.alg, kid=kid, **header)
