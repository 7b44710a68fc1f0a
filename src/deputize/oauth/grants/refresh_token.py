"""The refresh token grant: rotation with a grace window, and reuse detection after it (RFC 6749 section 6, OAuth 2.1 section 4.3).

Parallel processes of one client refresh at once, and answers get lost. Within the grace window the immediately preceding token is
therefore answered with the same successor, derived again. Any other use of a spent token ends its family.
"""

from dataclasses import replace
from typing import Final

from deputize.kernel.digests import digest
from deputize.oauth.errors import InvalidGrant, InvalidScope
from deputize.oauth.grants.grant import Grant, check_same_target
from deputize.oauth.grants.sign_on import SignOn, issue_for, read_sign_on, sign_on_response
from deputize.oauth.parameters import required
from deputize.oauth.ports import IssuedToken
from deputize.oauth.records.store import RefreshToken
from deputize.oauth.scopes import parse_scope
from deputize.oauth.token_request import GrantPorts, TokenRequest, TokenResponse

GRANT_TYPE: Final = "refresh_token"


async def handle(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """A new access token, and the family's next refresh token."""
    presented = digest(required(request.parameters, "refresh_token"))
    family = await _find(request, ports, presented)
    sign_on = await read_sign_on(request, ports, family.authentication, family.resource_id, family.scopes)
    check_same_target(request, sign_on.resource)
    narrowed = _narrowed(sign_on, request.parameters.get("scope"))
    access = issue_for(request, ports, narrowed, GRANT_TYPE)
    value = await _spend(request, ports, family, presented, access.issued)
    return sign_on_response(request, narrowed, access, value)


async def _find(request: TokenRequest, ports: GrantPorts, presented: str) -> RefreshToken:
    """The family in which `presented` is current, or previous and within the grace window. Ends the family of a spent token."""
    family = await ports.refresh_tokens.find_refresh_token(presented)
    if family is None:
        raise await _unknown(request, ports, presented)
    _check(request, family)
    if presented != family.digest and request.now - family.rotated_at >= request.client.refresh_token_grace:
        await ports.refresh_tokens.revoke_family(family.family_id, request.now)
        raise InvalidGrant("a spent refresh token was used after the grace window: its family is revoked")
    return family


async def _unknown(request: TokenRequest, ports: GrantPorts, presented: str) -> InvalidGrant:
    family_id = await ports.refresh_tokens.find_replayed_family(presented)
    if family_id is None:
        return InvalidGrant("there is no such refresh token")
    await ports.refresh_tokens.revoke_family(family_id, request.now)
    return InvalidGrant("a refresh token spent long ago was used: its family is revoked")


def _check(request: TokenRequest, family: RefreshToken) -> None:
    if family.client_id != request.client.id or family.environment_id != request.environment.id:
        raise InvalidGrant("the refresh token was issued to another client")
    if family.revoked_at is not None:
        raise InvalidGrant("the family is revoked")
    if request.now >= min(family.expires_at, family.family_expires_at):
        raise InvalidGrant("the refresh token has expired")


async def _spend(request: TokenRequest, ports: GrantPorts, family: RefreshToken, presented: str, issued: IssuedToken) -> str:
    """The value of the refresh token that follows `presented`."""
    if presented == family.digest:
        value = ports.derive(family.family_id, family.generation + 1)
        if await ports.refresh_tokens.rotate_refresh_token(_successor(request, family, digest(value)), issued):
            return value
        # Another request of this client was faster, which made `presented` the previous token.
        family = await _find(request, ports, presented)
    return await _repeat(ports, family, presented, issued)


async def _repeat(ports: GrantPorts, family: RefreshToken, presented: str, issued: IssuedToken) -> str:
    """The current value once more, for whoever presents the one before it within the grace window."""
    if presented != family.previous_digest or not await ports.refresh_tokens.record_issued(family.family_id, issued):
        raise InvalidGrant("the family was rotated or revoked meanwhile")
    return ports.derive(family.family_id, family.generation)


def _successor(request: TokenRequest, family: RefreshToken, value_digest: str) -> RefreshToken:
    """The same family one generation on: same scopes, a new rolling expiry, the same end."""
    return replace(
        family,
        digest=value_digest,
        previous_digest=family.digest,
        generation=family.generation + 1,
        rotated_at=request.now,
        expires_at=min(request.now + request.client.refresh_token_lifetime, family.family_expires_at),
    )


def _narrowed(sign_on: SignOn, scope: str | None) -> SignOn:
    """The sign-on with only the scopes asked for: fewer at most. The refresh token itself keeps all of them."""
    wanted = parse_scope(scope) or sign_on.scopes
    if not set(wanted) <= set(sign_on.scopes):
        raise InvalidScope("asks for more than was authorized")
    if not any(name in sign_on.resource.scopes for name in wanted):
        raise InvalidScope("asks for none of the resource's scopes, so the access token would be for nothing")
    return replace(sign_on, scopes=wanted)


GRANT: Final = Grant(GRANT_TYPE, handle)
