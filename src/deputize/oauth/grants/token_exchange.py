"""Token exchange: a subject token and an actor token for one that says who acts for whom (RFC 8693).

Or an ID token or a refresh token for an identity assertion, which another authorization server takes.
"""

from collections.abc import Mapping
from typing import Final

from deputize.jose import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, TokenInvalid
from deputize.kernel.digests import digest
from deputize.oauth.assertions import ID_JAG
from deputize.oauth.errors import ExchangeRefused, InvalidRequest
from deputize.oauth.grants.exchange import StatedToken, TokenExchange, exchange
from deputize.oauth.grants.grant_type import GrantPorts, GrantType, TokenRequest, TokenResponse
from deputize.oauth.grants.identity_assertion import issue_identity_assertion
from deputize.oauth.grants.refresh_token import find_current
from deputize.oauth.grants.sign_on import sign_on_of
from deputize.oauth.lineage import basis_of
from deputize.oauth.parameters import required
from deputize.oauth.records.store import Authentication
from deputize.oauth.resources import TOKEN_EXCHANGE, choose_target
from deputize.oauth.token_state import token_refusal

GRANT_TYPE: Final = TOKEN_EXCHANGE
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"
REFRESH_TOKEN: Final = "urn:ietf:params:oauth:token-type:refresh_token"
_SUBJECT_TYPES: Final = {ACCESS_TOKEN: ACCESS_TOKEN_TYPE, ID_TOKEN: ID_TOKEN_TYPE}
"""Token type identifier to the header `typ` of such tokens."""
_ACTOR_TYPES: Final = {ACCESS_TOKEN: ACCESS_TOKEN_TYPE}


async def handle(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """A token for the target resource about the subject.

    It says who acts, unless the resource allows impersonation by name.
    """
    if request.parameters.get("requested_token_type") == ID_JAG:
        return issue_identity_assertion(request, await _read_sign_on(request, ports))
    if request.parameters.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise InvalidRequest("Only access tokens and identity assertions can be requested")
    subject = _verify(request, ports, "subject_token", _SUBJECT_TYPES)
    actor = _verify_actor(request, ports)
    target = choose_target(request.environment, request.client, request.parameters, carries_act=True)
    lineage = subject.basis.lineage
    jtis = (*lineage.ids, *actor.basis.lineage.ids) if actor else lineage.ids
    state = await ports.token_states.read_token_state(request.environment.id, lineage.grant_id, jtis)
    wanted = TokenExchange(subject, actor, target, request.parameters.get("scope"))
    access = exchange(request, ports, wanted, state)
    return TokenResponse(
        access_token=access.token,
        expires_in=access.lifetime,
        scope=str(access.claims["scope"]),
        claims=access.claims,
        issued_token_type=ACCESS_TOKEN,
        subject_claims=subject.claims,
        actor_claims=actor.claims if actor else None,
        notes=access.notes,
    )


async def _read_sign_on(request: TokenRequest, ports: GrantPorts) -> Authentication:
    """The sign-on for this very client that the subject token tells of, which nothing has ended.

    An ID token for it, or its current refresh token, which is not used up by this.
    """
    if "actor_token" in request.parameters or "actor_token_type" in request.parameters:
        raise InvalidRequest("No actor_token is taken for an identity assertion")
    if request.parameters.get("subject_token_type") == REFRESH_TOKEN:
        presented = digest(required(request.parameters, "subject_token"))
        _, state = await find_current(request, ports, presented)
        return sign_on_of(request, state).grant.authentication
    basis = _verify(request, ports, "subject_token", {ID_TOKEN: ID_TOKEN_TYPE}).basis
    lineage, environment = basis.lineage, request.environment
    state = await ports.token_states.read_token_state(environment.id, lineage.grant_id, lineage.ids)
    refusal = token_refusal(environment, basis, state, request.now)
    if basis.client_id != request.client.id or basis.authentication is None or refusal:
        raise ExchangeRefused(f"the ID token is another client's, or dead: {refusal}")
    return basis.authentication


def _verify_actor(request: TokenRequest, ports: GrantPorts) -> StatedToken | None:
    """The actor token; `None` when none is presented.

    A type without a token is a mistake (RFC 8693 section 2.1).
    """
    if "actor_token" not in request.parameters:
        if "actor_token_type" in request.parameters:
            raise InvalidRequest("The parameter actor_token is missing")
        return None
    return _verify(request, ports, "actor_token", _ACTOR_TYPES)


def _verify(
    request: TokenRequest, ports: GrantPorts, name: str, header_types: Mapping[str, str]
) -> StatedToken:
    """The token in parameter `name`: of one of these types, signed by this environment, in time."""
    token, kind = required(request.parameters, name), required(request.parameters, f"{name}_type")
    if kind not in header_types:
        raise InvalidRequest(f"The {name}_type is not supported")
    environment = request.environment
    try:
        claims, basis = ports.verifier.verify_and_read(
            basis_of, token, environment.keys, environment.issuer, request.now, header_types[kind]
        )
    except TokenInvalid as invalid:
        raise ExchangeRefused(f"the {name} is invalid: {invalid.reason}") from invalid
    if basis is None:
        raise ExchangeRefused(f"the {name} does not tell what it rests on")
    return StatedToken(claims, basis)


GRANT: Final = GrantType(GRANT_TYPE, handle)
