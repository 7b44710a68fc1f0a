"""That whoever presents a token has the key it is bound to: each call is to prove it (RFC 9449 section 7).

Or the certificate, which its connection proves (RFC 8705 section 3).

What a token is bound to is known once for all calls with it; the proof is another one each time. So a plan
holds the key, and a step of it looks at the proof of each call.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from deputize.gateway.config.settings import Duration, Settings
from deputize.http.exchange import Exchange, Head
from deputize.kernel.digests import same
from deputize.kernel.uris import Origin, normalise_resource
from deputize.kernel.values import JsonObject
from deputize.oauth.dpop import PROOF_LIFETIME, ProofNonces, ProofVerifier, SeenProofs
from deputize.oauth.errors import InvalidDPoPProof

CERTIFICATE: Final = "x5t#S256"
"""The member of `cnf` that names a certificate by its SHA-256 (RFC 8705 section 3.1)."""
MAX_LIFETIME: Final = 600.0
"""Seconds: the ids of proofs are remembered for as long."""


class DPoPSettings(Settings):
    """`dpop` of the filter: what proofs of possession have to be like (RFC 9449).

    Tokens that are bound to a key (`cnf.jkt`) are accepted as `Authorization: DPoP …` with a proof, and never
    as `Bearer`, whatever is set here. The id of a proof counts once in a gateway process, also on another
    route; of several processes each knows its own.
    """

    required: bool = False
    """Whether a token that is bound to no key is refused, and the metadata of the resource says so."""
    public_origin: str | None = None
    """Scheme, host and port that clients reach the gateway by, such as `https://api.example.com`.

    A proof names the URI of its request: it has to be this one with the path that came in. A
    `McpProtectionFilter` takes that of its `resourceId`. Where neither says it, no bound token is accepted:
    the `Host` of a request is its sender's word.
    """
    require_nonce: bool = False
    """Whether a proof has to hold a nonce that this filter gave, within the last two to four minutes.

    It says that a proof was not made in advance, and clocks of clients do not count. It costs a client's
    first request one more. Nonces come of the first `sessionSecretId`; without one, of the process.
    """
    proof_lifetime: Duration = PROOF_LIFETIME
    """How long after its `iat` a proof is accepted; at most 10 minutes. It may be 60 seconds ahead."""


def find_certificate_fault(info: JsonObject, certificate: str | None) -> str | None:
    """Why a token with these claims is not one for whoever shows `certificate`, or `None`.

    A token that says in a way unknown here what it is bound to could be anybody's, so it is nobody's. Whether
    a key is proven (`cnf.jkt`) is for `ProofCheck` to say.
    """
    confirmation = info.get("cnf")
    if not isinstance(confirmation, Mapping):
        return None
    unknown = [name for name in confirmation if name not in {"jkt", CERTIFICATE}]
    if unknown:
        return f"cnf says in a way that is not supported what the token is bound to: {unknown[0][:32]!r}"
    if CERTIFICATE not in confirmation:
        return None
    bound_to = confirmation[CERTIFICATE]
    if certificate is None:
        return "the token is bound to a certificate (cnf.x5t#S256), and the client showed none in TLS"
    if not isinstance(bound_to, str) or not same(bound_to, certificate):
        return "the token is bound to another certificate than the one that the client showed in TLS"
    return None


@dataclass(frozen=True, slots=True)
class ClientCertificateContext:
    """Left by a filter that takes the client's certificate from a proxy's word instead of the connection."""

    thumbprint: str
    """Its SHA-256, base64url, as in `cnf.x5t#S256`."""


def certificate_of(head: Head) -> str | None:
    """The thumbprint of the certificate that the client showed, here or to a proxy."""
    told = head.find(ClientCertificateContext)
    return told.thumbprint if told else head.peer.certificate


class MemoryFull(Exception):
    """So many proofs came in a short time that no other can be told from one that came before."""


class ProofCheck:
    """Checks the proofs of one filter's calls."""

    __slots__ = ("_nonces", "_seen", "_verifier", "requires_nonce")

    def __init__(self, settings: DPoPSettings, secret: bytes, seen: SeenProofs) -> None:
        """`secret` is what nonces come of; `seen` is shared by the whole gateway."""
        self._verifier = ProofVerifier(settings.proof_lifetime or MAX_LIFETIME)
        self._nonces = ProofNonces(hmac.digest(secret, b"nonces of proofs of possession", "sha256"))
        self._seen = seen
        self.requires_nonce = settings.require_nonce

    def nonce(self, now: float) -> str:
        """Return the nonce for the next proof."""
        return self._nonces.current(now)

    def check(
        self,
        exchange: Exchange,
        proofs: Sequence[str],
        token: str,
        thumbprint: str,
        origin: Origin,
        now: float,
    ) -> None:
        """Check that one of `proofs`, the only one, proves the key of `token` for this call (section 4.3).

        Method and path are those that came in, whatever filters made of them. Raises `InvalidDPoPProof`,
        `UseDPoPNonce`, and `MemoryFull`.
        """
        if len(proofs) != 1:
            raise InvalidDPoPProof(
                "the request has no proof (DPoP)"
                if not proofs
                else f"it has {len(proofs)} DPoP fields, not one"
            )
        received = exchange.received
        uri = normalise_resource(f"{origin}{received.target.path}")
        proof = self._verifier.verify(proofs[0], received.method, uri, now, token)
        if not same(proof.thumbprint, thumbprint):
            raise InvalidDPoPProof("the token is bound to another key")
        if self.requires_nonce:
            self._nonces.check(proof, now, required=True)
        if self._seen.is_full(now):
            raise MemoryFull
        if not self._seen.use(proof):
            raise InvalidDPoPProof("the proof was used before")
