"""The refresh token grant.

Rotation with a grace window, and reuse detection after it (RFC 6749 section 6, OAuth 2.1 section 4.3).

Parallel processes of one client refresh at once, and answers get lost. Within the grace window the
immediately preceding token is therefore answered with the same successor, derived again. Any other use of a
spent token ends its grant.
"""

from dataclasses import replace
from typing import Final

from deputize.kernel.digests import digest
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.errors import InvalidGrant, InvalidScope
from deputize.oauth.grants.grant_type import (
    GrantPorts,
    GrantType,
    TokenRequest,
    TokenResponse,
    check_key,
    check_same_target,
)
from deputize.oauth.grants.sign_on import SignOn, issue_for, read_grant, sign_on_of, sign_on_response
from deputize.oauth.parameters import required
from deputize.oauth.records.store import RefreshToken, TokenState
from deputize.oauth.resources import parse_scope

GRANT_TYPE: Final = "refresh_token"
MAX_PUBLIC_GRACE: Final = 10
"""Seconds of grace that a public client has at most, whatever is set.

Nothing but the refresh token itself proves that it is this client. So a thief is answered for just as long as
a client takes to send again what got no answer.
"""


async def handle(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """A new access token, and the grant's next refresh token."""
    presented = digest(required(request.parameters, "refresh_token"))
    current, state = await find_current(request, ports, presented)
    sign_on = sign_on_of(request, state)
    check_same_target(request, sign_on.resource)
    # Fewer scopes may be asked for; the refresh token itself keeps all of them (RFC 6749 section 6).
    wanted = parse_scope(request.parameters.get("scope")) or sign_on.scopes
    if not set(wanted) <= set(sign_on.scopes):
        raise InvalidScope("asks for more than was authorized")
    if not any(name in sign_on.resource.scopes for name in wanted):
        raise InvalidScope("asks for none of the resource's scopes, so the access token would be for nothing")
    narrowed = replace(sign_on, scopes=wanted)
    access = issue_for(request, ports, narrowed, state, GRANT_TYPE)
    value = await _rotate(request, ports, narrowed, current, presented)
    return sign_on_response(request, ports, narrowed, access, value)


async def find_current(
    request: TokenRequest, ports: GrantPorts, presented: str
) -> tuple[RefreshToken, TokenState]:
    """The refresh token of which `presented` is current, or previous and within the grace window.

    A spent one ends its grant.
    """
    current = await ports.refresh_tokens.find_refresh_token(presented)
    if current is None:
        grant_id = await ports.refresh_tokens.find_spent_grant(presented)
        if grant_id is None:
            raise InvalidGrant("there is no such refresh token")
        await ports.grants.end_grant(grant_id, request.now)
        raise InvalidGrant("a refresh token spent long ago was used: its grant is ended")
    state = await read_grant(request, ports, current.grant_id)
    if request.now >= current.expires_at:
        raise InvalidGrant("the refresh token has expired")
    grace = request.client.settings.refresh_token_grace
    if request.client_auth == PUBLIC:
        grace = min(grace, MAX_PUBLIC_GRACE)
    if presented != current.digest and request.now - current.rotated_at >= grace:
        await ports.grants.end_grant(current.grant_id, request.now)
        raise InvalidGrant("a spent refresh token was used after the grace window: its grant is ended")
    check_key(request, current.dpop_jkt, "the refresh token")
    return current, state


async def _rotate(
    request: TokenRequest, ports: GrantPorts, sign_on: SignOn, current: RefreshToken, presented: str
) -> str:
    """The value of the refresh token that follows `presented`, which is rotated if it is the current one."""
    if presented == current.digest:
        value = ports.derive(current.grant_id, current.generation + 1)
        lifetime = request.client.settings.refresh_token_lifetime
        expires_at = min(request.now + lifetime, sign_on.grant.expires_at)
        # A public client that proves a key has proven it for good; others authenticate (RFC 9449 section 5).
        bound_to = current.dpop_jkt or (request.key if request.client_auth == PUBLIC else None)
        successor = RefreshToken(
            grant_id=current.grant_id,
            digest=digest(value),
            previous_digest=current.digest,
            generation=current.generation + 1,
            rotated_at=request.now,
            expires_at=expires_at,
            dpop_jkt=bound_to,
        )
        if await ports.refresh_tokens.rotate_refresh_token(successor):
            return value
        # Another request of this client was faster, which made `presented` the previous token.
        current, _ = await find_current(request, ports, presented)
    if presented != current.previous_digest:
        raise InvalidGrant("the grant was rotated or ended meanwhile")
    # The current value once more, for whoever presents the one before it within the grace window.
    return ports.derive(current.grant_id, current.generation)


GRANT: Final = GrantType(GRANT_TYPE, handle, for_public_clients=True)
