"""Proofs that a client holds the key its tokens are bound to (DPoP, RFC 9449).

A proof is a JWT of one request: its method and URI, the time, an id that is good once, and the token it comes
with. It carries its key, so what it proves is that its sender has that key and no more: whoever takes it in
compares the key's thumbprint with what the token, the code or the refresh token is bound to, and remembers
the id while the proof is in time.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from deputize.jose import (
    KeyInvalid,
    PublicKey,
    TokenInvalid,
    encode_base64url,
    parse_compact,
    parse_public_key,
)
from deputize.kernel.bounded_memory import BoundedMemory
from deputize.kernel.digests import digest, same
from deputize.kernel.uris import normalise_resource
from deputize.kernel.values import JsonObject, is_number
from deputize.oauth.errors import InvalidDPoPProof, UseDPoPNonce

if TYPE_CHECKING:  # a gateway keeps no ids for others, and the records cost its start a language
    from deputize.oauth.ports import OneTimeIds

PROOF_TYPE: Final = "dpop+jwt"
"""Header `typ` (section 4.2)."""
PROOF_ALGORITHMS: Final = ("ES256", "ES384", "PS256", "RS256", "Ed25519", "EdDSA")
"""Those that proofs may be signed with: asymmetric, and with keys of which many a request costs little."""
PROOF_LIFETIME: Final = 120.0
"""Seconds after its `iat` in which a proof is taken."""
LEEWAY: Final = 60.0
"""Seconds that a client's clock may be ahead."""
NONCE_PERIOD: Final = 120.0
"""Seconds after which there is another nonce; the one before it is still good."""
MAX_PROOF: Final = 4096
"""Characters: an RSA key of 4096 bits and its signature fit."""
MAX_HEADER: Final = 2048
"""Characters of the encoded header."""
MAX_JTI: Final = 256
MAX_URI: Final = 2048
_NONCE_LENGTH: Final = 22
_PURPOSE: Final = "dpop"
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SPAN: Final = 30.0
"""Seconds: ids of proofs are forgotten together, span by span."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that was right for a request; that it is seen for the first time is still to be found out."""

    thumbprint: str
    """Of its key: the JWK SHA-256 thumbprint, as in `cnf.jkt` (section 6)."""
    jti: str
    expires_at: float
    """When it is out of time, in seconds since the epoch."""
    nonce: str | None

    @property
    def id_digest(self) -> str:
        """What the proof is remembered by: its id is one of its key's ids, nobody else's."""
        return digest(f"{self.thumbprint} {self.jti}")


class ProofVerifier:
    """Verifies proofs, with a bounded memory of the keys of those that were right before."""

    __slots__ = ("_keys", "_lifetime")

    def __init__(self, lifetime: float = PROOF_LIFETIME, capacity: int = 1024) -> None:
        """`lifetime` in seconds after a proof's `iat`; `capacity` counts keys."""
        self._lifetime = lifetime
        self._keys: BoundedMemory[str, tuple[str, PublicKey]] = BoundedMemory(capacity)

    def verify(self, text: str, method: str, uri: str, now: float, access_token: str | None = None) -> Proof:
        """Verify a proof of a request by `method` to `uri`, which comes with `access_token` (section 4.3).

        `uri` has neither query nor fragment, and is as `normalise_resource` writes it. Raises
        `InvalidDPoPProof` with the private reason. Whether its nonce is right is `ProofNonces`' to say.
        """
        try:
            signed = parse_compact(text, MAX_PROOF, MAX_HEADER)
            claims = signed.claims()
            known = self._keys.get(signed.encoded_header)
            algorithm, key = known or _read_header(signed.header)
            proof = self._read_claims(claims, key.thumbprint, now)
            fault = _find_fault(claims, method, uri, access_token)
            if fault:
                raise InvalidDPoPProof(fault)
            key.check(signed, algorithm)  # last, for it costs more than all the rest
        except (TokenInvalid, KeyInvalid) as error:
            raise InvalidDPoPProof(str(error)) from error
        if known is None:
            self._keys.remember(signed.encoded_header, (algorithm, key))
        return proof

    def _read_claims(self, claims: JsonObject, thumbprint: str, now: float) -> Proof:
        """What a proof that is in time says of itself. Raises `InvalidDPoPProof`."""
        jti, issued_at, nonce = claims.get("jti"), claims.get("iat"), claims.get("nonce")
        if not isinstance(jti, str) or not 1 <= len(jti) <= MAX_JTI:
            raise InvalidDPoPProof(f"jti is no text of 1 to {MAX_JTI} characters")
        if not is_number(issued_at):
            raise InvalidDPoPProof("iat is no number")
        if not issued_at <= now + LEEWAY:
            raise InvalidDPoPProof(f"iat is {issued_at - now:.0f} s ahead of this clock")
        if not now < issued_at + self._lifetime:
            raise InvalidDPoPProof(f"iat is {now - issued_at:.0f} s ago")
        if nonce is not None and not isinstance(nonce, str):
            raise InvalidDPoPProof("nonce is no text")
        return Proof(thumbprint, jti, issued_at + self._lifetime, nonce)


class SeenProofs:
    """Remembers the ids of proofs in one process until they are out of time, so that each counts once.

    Of an id 64 bits of a digest are kept, in some 60 bytes: who finds another proof with the same ones has
    used his own up. Full, it takes no more rather than forget one that could come again.
    """

    __slots__ = ("_by_end", "_capacity", "_count")

    def __init__(self, capacity: int = 1_000_000) -> None:
        """`capacity` counts proofs: as many as one process can verify in the longest time one is kept for."""
        self._capacity = capacity
        self._count = 0
        self._by_end: dict[int, set[int]] = {}
        """The ids by the span of time in which they may be forgotten."""

    def is_full(self, now: float) -> bool:
        """Forget what is out of time at `now`, and return whether no other can be remembered."""
        oldest = int(now // _SPAN)
        if any(end < oldest for end in self._by_end):
            self._by_end = {end: ids for end, ids in self._by_end.items() if end >= oldest}
            self._count = sum(map(len, self._by_end.values()))
        return self._count >= self._capacity

    def use(self, proof: Proof) -> bool:
        """Use up a proof's id: true the first time."""
        short = int(proof.id_digest[:16], 16)
        if any(short in ids for ids in self._by_end.values()):
            return False
        self._by_end.setdefault(int(proof.expires_at // _SPAN), set()).add(short)
        self._count += 1
        return True


class ProofNonces:
    """Nonces that a server gives and takes back, computed from the time (section 8).

    All processes with one key give and accept the same ones, so none has to be stored. A nonce says that a
    proof was made lately, by whatever clock; that it is used once is for the proof's `jti` to say.
    """

    __slots__ = ("_key", "_known", "_period")

    def __init__(self, key: bytes, period: float = NONCE_PERIOD) -> None:
        """`key` is known to the server alone; `period` in seconds, a nonce is good for one to two."""
        self._key = key
        self._period = period
        self._known = (-1, "", "")

    def current(self, now: float) -> str:
        """Return the nonce to give to clients."""
        return self._around(now)[1]

    def check(self, proof: Proof, now: float, *, required: bool) -> None:
        """Check a proof's nonce. Raises `UseDPoPNonce` where it is too old, no nonce of ours, or lacking."""
        if proof.nonce is None:
            if required:
                raise UseDPoPNonce("the proof has no nonce")
            return
        _, latest, before = self._around(now)
        # Both are compared, so that time does not tell which one was nearly right.
        if not same(proof.nonce, latest) | same(proof.nonce, before):
            raise UseDPoPNonce("the proof's nonce is too old, or was not given by this server")

    def _around(self, now: float) -> tuple[int, str, str]:
        """The number of the period, its nonce, and the nonce of the one before."""
        step = int(now // self._period)
        if self._known[0] != step:
            self._known = (step, self._compute(step), self._compute(step - 1))
        return self._known

    def _compute(self, step: int) -> str:
        octets = hmac.digest(self._key, f"dpop-nonce {step}".encode(), hashlib.sha256)
        return encode_base64url(octets).decode("ascii")[:_NONCE_LENGTH]


async def use_up(proof: Proof, environment_id: str, one_time_ids: "OneTimeIds") -> None:
    """Use up a proof's id (section 11.1). Raises `InvalidDPoPProof` for one that was used before.

    To be called last: only who would be answered makes the store remember anything.
    """
    kept_until = proof.expires_at + LEEWAY
    if not await one_time_ids.use(environment_id, _PURPOSE, proof.id_digest, kept_until):
        raise InvalidDPoPProof("the proof was used before")


def is_uri_of(htu: str, uri: str) -> bool:
    """Whether `htu` is the URI of a request, whatever its query and fragment (section 4.3).

    Two spellings of one URI are the same (RFC 3986 sections 6.2.2, 6.2.3), as the section recommends.
    """
    return htu == uri or normalise_resource(htu.partition("#")[0].partition("?")[0]) == uri


def is_thumbprint(text: str) -> bool:
    """Whether `text` can be a JWK SHA-256 thumbprint: the base64url of 32 bytes."""
    return _THUMBPRINT.fullmatch(text) is not None


def bound_key(claims: JsonObject) -> str | None:
    """Return the thumbprint of the key that a token with these claims is bound to (section 6.1).

    `None` where no key is named. Raises `TokenInvalid` where `cnf` is of another form: nobody can prove that,
    so nobody may use the token (RFC 7800 section 3.1).
    """
    confirmation = claims.get("cnf")
    if confirmation is None:
        return None
    if not isinstance(confirmation, Mapping):
        raise TokenInvalid("cnf is no object")
    if "jkt" not in confirmation:
        return None
    thumbprint = confirmation["jkt"]
    if not isinstance(thumbprint, str):
        raise TokenInvalid("cnf.jkt is no text")
    return thumbprint


def token_type_of(claims: JsonObject) -> str:
    """Return the type of an access token with these claims: `DPoP` or `Bearer` (sections 5, 6.2)."""
    return "Bearer" if bound_key(claims) is None else "DPoP"


def _read_header(header: JsonObject) -> tuple[str, PublicKey]:
    """The algorithm and the key of a proof with this header. Raises `InvalidDPoPProof`, `KeyInvalid`."""
    algorithm, jwk = header.get("alg"), header.get("jwk")
    if header.get("typ") != PROOF_TYPE:
        raise InvalidDPoPProof(f"typ is not {PROOF_TYPE}")
    if not isinstance(algorithm, str) or algorithm not in PROOF_ALGORITHMS:
        raise InvalidDPoPProof("alg is none of those that proofs may be signed with")
    if not isinstance(jwk, Mapping):
        raise InvalidDPoPProof("there is no jwk in the header")
    return algorithm, parse_public_key(jwk)


def _find_fault(claims: JsonObject, method: str, uri: str, access_token: str | None) -> str | None:
    """Why a proof is not one of this request, or `None`."""
    if claims.get("htm") != method:
        return "htm is not the method of the request"
    target = claims.get("htu")
    if not isinstance(target, str) or len(target) > MAX_URI or not is_uri_of(target, uri):
        return f"htu is not {uri}"
    if access_token is None:
        return None
    expected = encode_base64url(hashlib.sha256(access_token.encode()).digest()).decode("ascii")
    given = claims.get("ath")
    return None if isinstance(given, str) and same(given, expected) else "ath is not that of the access token"
