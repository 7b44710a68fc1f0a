"""What the authorization code grant and the refresh token grant share: tokens that rest on a sign-on."""

from dataclasses import dataclass, replace

from deputize.oauth.access_tokens import AccessToken, Issue, issue_access_token
from deputize.oauth.errors import InvalidGrant, InvalidScope
from deputize.oauth.grants.grant_type import GrantPorts, TokenRequest, TokenResponse, expires_at, response_of
from deputize.oauth.id_tokens import issue_id_token, profile_claims
from deputize.oauth.lineage import Lineage
from deputize.oauth.records.directory import Resource
from deputize.oauth.records.store import Grant, TokenState, User
from deputize.oauth.resources import format_scope, resource_of, resource_scopes
from deputize.oauth.token_state import grant_refusal, lost_scopes


@dataclass(frozen=True, slots=True)
class SignOn:
    """A user's sign-on, and what the client may have on its strength."""

    grant: Grant
    user: User
    resource: Resource
    scopes: tuple[str, ...]
    """As authorized and still granted, OpenID scopes included."""


async def read_grant(request: TokenRequest, ports: GrantPorts, grant_id: str) -> TokenState:
    """A code's or refresh token's grant, and what it rests on. Raises `InvalidGrant` if it is another
    client's.
    """
    state = await ports.token_states.read_token_state(request.environment.id, grant_id, ())
    if state.grant is None or state.grant.client_id != request.client.id:
        raise InvalidGrant("the grant is gone, or was given to another client")
    return state


def sign_on_of(request: TokenRequest, state: TokenState) -> SignOn:
    """The sign-on with the scopes that are still granted.

    Raises `InvalidGrant` when what the grant rests on has ended or its resource is gone, `InvalidScope` when
    no scope is left.
    """
    refusal = grant_refusal(request.environment, state, request.now)
    grant, user = state.grant, state.user
    resource = resource_of(request.environment, grant.resource_id) if grant else None
    if refusal or grant is None or user is None or resource is None:
        raise InvalidGrant(refusal or "the grant is gone")
    lost = lost_scopes(request.client, resource, format_scope(grant.scopes))
    kept = tuple(name for name in grant.scopes if name not in lost)
    if grant.resource_id is not None and not resource_scopes(kept):
        raise InvalidScope("none of the authorized scopes is still granted")
    return SignOn(grant, user, resource, kept)


def issue_for(request: TokenRequest, ports: GrantPorts, sign_on: SignOn, grant_type: str) -> AccessToken:
    """An access token for the sign-on's resource and scopes."""
    issue = Issue(
        environment=request.environment,
        client=request.client,
        resource=sign_on.resource,
        # OpenID scopes stand in tokens for the authority itself only.
        scopes=tuple(name for name in sign_on.scopes if name in sign_on.resource.scopes),
        grant_type=grant_type,
        now=request.now,
        expires_at=expires_at(sign_on.resource, request.now),
        lineage=_lineage(request, ports, sign_on),
        authentication=sign_on.grant.authentication,
        user=sign_on.user,
        requested_scope=format_scope(sign_on.scopes),
    )
    return issue_access_token(issue)


def sign_on_response(
    request: TokenRequest,
    ports: GrantPorts,
    sign_on: SignOn,
    access: AccessToken,
    refresh_token: str | None,
    nonce: str | None = None,
) -> TokenResponse:
    """The response with access token, refresh token, and an ID token if `openid` was granted."""
    response = replace(response_of(access, format_scope(sign_on.scopes)), refresh_token=refresh_token)
    if "openid" not in sign_on.scopes:
        return response
    id_token = issue_id_token(
        request.environment,
        sign_on.grant,
        _lineage(request, ports, sign_on),
        profile_claims(sign_on.user, sign_on.scopes),
        access.token,
        algorithm=request.client.settings.id_token_signed_response_alg,
        now=request.now,
        nonce=nonce,
    )
    return replace(response, id_token=id_token)


def _lineage(request: TokenRequest, ports: GrantPorts, sign_on: SignOn) -> Lineage:
    return Lineage(sign_on.grant.id, (ports.new_segment(request.client.term, sign_on.resource.term),))
