"""Proofs of possession that come with requests to the authority (RFC 9449 sections 5, 7 and 10)."""

from deputize.authority.endpoint import EndpointCall
from deputize.kernel.uris import normalise_resource
from deputize.oauth.dpop import Proof
from deputize.oauth.errors import InvalidDPoPProof


async def verify_proof(call: EndpointCall, endpoint: str, access_token: str | None = None) -> Proof | None:
    """Verify the proof of a request to `endpoint` of the environment; `None` where there is none.

    Its URI is the configured one, whatever host the request names. Raises `InvalidDPoPProof` and
    `UseDPoPNonce`. That it was not used before is to be found out by `oauth.dpop.use_up`.
    """
    if not call.proofs:
        return None
    if len(call.proofs) > 1:
        raise InvalidDPoPProof(f"there are {len(call.proofs)} fields DPoP")
    services, environment = call.services, call.environment
    uri = normalise_resource(f"{environment.issuer}/{endpoint}")
    proof = services.proof_verifier.verify(call.proofs[0], call.head.method, uri, call.now, access_token)
    nonces = await services.proof_nonces.of(environment.id)
    nonces.check(proof, call.now, required=environment.settings.require_dpop_nonce)
    return proof
