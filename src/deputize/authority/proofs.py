"""Proofs of possession that come with requests to the authority (RFC 9449 sections 5, 7 and 10)."""

from collections.abc import Sequence
from typing import Protocol

from deputize.authority.services import Services
from deputize.kernel.digests import same
from deputize.kernel.uris import normalise_resource
from deputize.oauth.dpop import PROOF_ALGORITHMS, Proof, use_up
from deputize.oauth.errors import InvalidDPoPProof, InvalidToken, OAuthError, UseDPoPNonce
from deputize.oauth.records.directory import Environment


class ProvenCall(Protocol):
    """What is read of a request that may come with a proof."""

    @property
    def services(self) -> Services:
        """What the authority works with."""
        ...

    @property
    def environment(self) -> Environment:
        """Whose tokens and nonces count."""
        ...

    @property
    def method(self) -> str:
        """As sent."""
        ...

    @property
    def proofs(self) -> Sequence[str]:
        """The values of its fields `DPoP`."""
        ...

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        ...


async def verify_proof(call: ProvenCall, uri: str, access_token: str | None = None) -> Proof | None:
    """Verify the proof of a request to `uri`, which has no query; `None` where there is none.

    The URI is the configured one, whatever host the request names. Raises `InvalidDPoPProof` and
    `UseDPoPNonce`. That it was not used before is to be found out by `oauth.dpop.use_up`.
    """
    if not call.proofs:
        return None
    if len(call.proofs) > 1:
        raise InvalidDPoPProof(f"there are {len(call.proofs)} fields DPoP")
    services, environment = call.services, call.environment
    target = normalise_resource(uri)
    proof = services.proof_verifier.verify(call.proofs[0], call.method, target, call.now, access_token)
    nonces = await services.proof_nonces.of(environment.id)
    nonces.check(proof, call.now, required=environment.settings.require_dpop_nonce)
    return proof


async def check_possession(call: ProvenCall, uri: str, scheme: str, token: str, bound_to: str | None) -> None:
    """Check that the request proves the key that its token is bound to (RFC 9449 section 7).

    Raises `InvalidToken` for a bound token that comes as `Bearer`, and for an unbound one that comes as
    `DPoP`; `InvalidDPoPProof`, `UseDPoPNonce`.
    """
    if (bound_to is None) != (scheme == "bearer"):
        raise InvalidToken(f"the token was presented as {scheme}, and is bound to {bound_to or 'no key'}")
    if bound_to is None:
        return
    proof = await verify_proof(call, uri, token)
    if proof is None or not same(proof.thumbprint, bound_to):
        raise InvalidDPoPProof("there is no proof" if proof is None else "the token is bound to another key")
    await use_up(proof, call.environment.id, call.services.store.one_time_ids)


def status_of(error: OAuthError) -> int:
    """Return the status of a refusal to who presents a token: what is wrong with a proof is 401 there."""
    return 401 if isinstance(error, InvalidDPoPProof | UseDPoPNonce) else error.status


def challenges(authorization: str | None, error: OAuthError) -> Sequence[str]:
    """Return the values of `WWW-Authenticate` for who presented a token, or none.

    As RFC 6750 section 3 and RFC 9449 section 7.1 have it; the error is told in the scheme that was used.
    """
    presented = (authorization or "").partition(" ")[0].lower()
    told = {"dpop" if presented == "dpop" else "bearer": f' error="{error.code}"'} if presented else {}
    algorithms = f'algs="{" ".join(PROOF_ALGORITHMS)}"'
    bound = f"DPoP{told['dpop']}, {algorithms}" if "dpop" in told else f"DPoP {algorithms}"
    is_proof = isinstance(error, InvalidDPoPProof | UseDPoPNonce)
    return (bound,) if is_proof else (f"Bearer{told.get('bearer', '')}", bound)
