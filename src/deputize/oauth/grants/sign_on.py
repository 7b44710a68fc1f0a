"""What the authorization code grant and the refresh token grant share: tokens that rest on a sign-on.

A sign-on for a resource that requires delegation yields the token of an exchange. The authority makes that
itself, of what the agent would have presented: a subject token for its delegation resource, and an actor
token of its own. Neither is signed, for nobody is to hold it.
"""

from dataclasses import dataclass, replace

from deputize.oauth.access_tokens import AccessToken, Issue, issue_access_token
from deputize.oauth.errors import ExchangeRefused, InvalidGrant, InvalidScope
from deputize.oauth.grants.client_credentials import own_token
from deputize.oauth.grants.exchange import TokenExchange, exchange, state_token
from deputize.oauth.grants.grant_type import GrantPorts, TokenRequest, TokenResponse, expires_at, response_of
from deputize.oauth.id_tokens import issue_id_token, profile_claims
from deputize.oauth.lineage import Lineage
from deputize.oauth.records.directory import Agent, Resource
from deputize.oauth.records.store import Grant, TokenState, User
from deputize.oauth.resources import (
    TokenTarget,
    choose_target,
    format_scope,
    openid_scopes,
    resource_of,
    resource_scopes,
)
from deputize.oauth.token_state import grant_refusal, lost_scopes


@dataclass(frozen=True, slots=True)
class SignOn:
    """A user's sign-on, and what the client may have on its strength."""

    grant: Grant
    user: User
    resource: Resource
    """What its access tokens are for."""
    scopes: tuple[str, ...]
    """As authorized and still granted, OpenID scopes included."""
    subject: TokenTarget | None
    """What the token would be for that is exchanged; `None` where none is."""


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
    kept = _still_granted(request.client, resource, grant.scopes)
    if grant.resource_id is not None and not resource_scopes(kept):
        raise InvalidScope("none of the authorized scopes is still granted")
    if grant.delegated_resource_id is None:
        return SignOn(grant, user, resource, kept, None)
    delegated = request.environment.resources.get(grant.delegated_resource_id)
    if delegated is None:
        raise InvalidGrant("the resource that the user signed on for, which requires delegation, is gone")
    wanted = _still_granted(request.client, delegated, grant.delegated_scopes)
    if not wanted:
        raise InvalidScope(f"none of the authorized scopes of {delegated.name!r} is still granted")
    subject = TokenTarget(resource, resource_scopes(kept), openid_scopes(kept))
    return SignOn(grant, user, delegated, (*subject.openid_scopes, *wanted), subject)


def _still_granted(client: Agent, resource: Resource, scopes: tuple[str, ...]) -> tuple[str, ...]:
    lost = lost_scopes(client, resource, format_scope(scopes))
    return tuple(name for name in scopes if name not in lost)


def issue_for(
    request: TokenRequest, ports: GrantPorts, sign_on: SignOn, state: TokenState, grant_type: str
) -> AccessToken:
    """An access token for the sign-on's resource and scopes."""
    # OpenID scopes stand in tokens for the authority itself only.
    scopes = tuple(name for name in sign_on.scopes if name in sign_on.resource.scopes)
    target = sign_on.subject or TokenTarget(sign_on.resource, scopes, openid_scopes(sign_on.scopes))
    issue = Issue(
        environment=request.environment,
        client=request.client,
        resource=target.resource,
        scopes=target.scopes,
        grant_type=grant_type,
        now=request.now,
        expires_at=expires_at(target.resource, request.now),
        lineage=_lineage(request, ports, sign_on),
        authentication=sign_on.grant.authentication,
        user=sign_on.user,
        requested_scope=format_scope(target.requested),
        bound_to=request.key,
    )
    if sign_on.subject is None:
        return issue_access_token(issue)
    own = choose_target(request.environment, request.client, {"resource": target.resource.audience})
    try:
        wanted = TokenExchange(
            subject=state_token(issue),
            actor=state_token(own_token(request, ports, own, format_scope(own.scopes))),
            target=TokenTarget(sign_on.resource, scopes),
            requested_scope=format_scope(scopes),
        )
        return exchange(request, ports, wanted, state)
    except ExchangeRefused as refused:
        # A client that redeems a code or a refresh token knows of no exchange (RFC 6749 section 5.2).
        raise InvalidGrant(
            f"the exchange that a sign-on for {sign_on.resource.name!r} asks for is refused: {refused.detail}"
        ) from refused


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
    """Of a token that comes of the sign-on directly."""
    resource = sign_on.subject.resource if sign_on.subject else sign_on.resource
    return ports.extend(Lineage(sign_on.grant.id), request.client.term, resource.term)
