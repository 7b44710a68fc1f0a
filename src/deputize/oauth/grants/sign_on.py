"""What the authorization code grant and the refresh token grant share: tokens that rest on a user's sign-on."""

from dataclasses import dataclass, replace

from deputize.oauth.access_tokens import AccessToken, issue_access_token
from deputize.oauth.claims import Issue
from deputize.oauth.errors import InvalidGrant, InvalidScope
from deputize.oauth.grants.grant import expires_at, response_of
from deputize.oauth.id_tokens import issue_id_token, profile_claims
from deputize.oauth.records.directory import Resource
from deputize.oauth.records.store import Authentication, User
from deputize.oauth.resources import resource_of
from deputize.oauth.scopes import OPENID_SCOPES, format_scope
from deputize.oauth.standing import Basis, read_standing, standing_refusal
from deputize.oauth.token_request import GrantPorts, TokenRequest, TokenResponse


@dataclass(frozen=True, slots=True)
class SignOn:
    """A user's sign-on, and what the client may have on its strength."""

    who: Authentication
    user: User
    resource: Resource
    scopes: tuple[str, ...]
    """As authorized, OpenID scopes included."""


async def read_sign_on(
    request: TokenRequest, ports: GrantPorts, who: Authentication, resource_id: str | None, scopes: tuple[str, ...]
) -> SignOn:
    """The sign-on as it stands now. Raises `InvalidGrant` when user, session, consent or resource are gone."""
    basis = Basis(request.client.id, None, who)
    standing = await read_standing(ports.standings, request.environment, basis)
    refusal = standing_refusal(request.environment, basis, standing, request.now)
    resource = resource_of(request.environment, resource_id)
    if refusal or standing.user is None or resource is None:
        raise InvalidGrant(refusal or "the resource has been removed")
    return SignOn(who, standing.user, resource, _still_granted(request, resource_id, scopes))


def issue_for(request: TokenRequest, ports: GrantPorts, sign_on: SignOn, grant_type: str) -> AccessToken:
    """An access token for the sign-on's resource and scopes."""
    issue = Issue(
        environment=request.environment,
        client=request.client,
        resource=sign_on.resource,
        scopes=_token_scopes(sign_on),
        grant_type=grant_type,
        now=request.now,
        expires_at=expires_at(sign_on.resource, request.now),
        jti=ports.new_id(),
        authentication=sign_on.who,
        user=sign_on.user,
        requested_scope=format_scope(sign_on.scopes),
    )
    return issue_access_token(issue)


def sign_on_response(
    request: TokenRequest, sign_on: SignOn, access: AccessToken, refresh_token: str | None, nonce: str | None = None
) -> TokenResponse:
    """The answer with access token, refresh token, and an ID token if `openid` was granted."""
    response = replace(response_of(access, format_scope(sign_on.scopes)), refresh_token=refresh_token)
    if "openid" not in sign_on.scopes:
        return response
    profile = profile_claims(sign_on.user, sign_on.scopes)
    id_token = issue_id_token(request.environment, request.client, sign_on.who, profile, access.token, now=request.now, nonce=nonce)
    return replace(response, id_token=id_token)


def _still_granted(request: TokenRequest, resource_id: str | None, scopes: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes without those taken away from the agent, or from the resource, since they were authorized."""
    resource = request.environment.resources.get(resource_id) if resource_id else None
    mine = request.client.scopes.get(resource_id or "", frozenset[str]()) & (resource.scopes.keys() if resource else frozenset[str]())
    kept = tuple(name for name in scopes if name in OPENID_SCOPES or name in mine)
    if resource_id is not None and not mine.intersection(kept):
        raise InvalidScope("none of the authorized scopes is still granted")
    return kept


def _token_scopes(sign_on: SignOn) -> tuple[str, ...]:
    """A resource's token lists the resource's scopes only; OpenID scopes stand in tokens for the authority itself."""
    return tuple(name for name in sign_on.scopes if name in sign_on.resource.scopes)
