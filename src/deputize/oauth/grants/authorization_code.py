"""The authorization code grant.

A user signed on and consented, the agent redeems the proof (RFC 6749 section 4.1.3).

Gives the subject token.
"""

from typing import Final

from deputize.kernel.digests import digest
from deputize.oauth.errors import InvalidGrant
from deputize.oauth.grants.grant_type import GrantType, check_same_target
from deputize.oauth.grants.sign_on import issue_for, read_grant, sign_on_of, sign_on_response
from deputize.oauth.parameters import required
from deputize.oauth.pkce import verifies
from deputize.oauth.records.store import AuthorizationCode, Grant, RefreshToken
from deputize.oauth.token_request import GrantPorts, TokenRequest, TokenResponse

GRANT_TYPE: Final = "authorization_code"


async def handle(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """Redeem a code once.

    Everything that can fail is done first; whoever then loses the redemption ends the grant.

    A second redemption means that the code leaked, or that the client raced itself: RFC 6749 section 4.1.2
    ends what the first gave.
    """
    code = await ports.codes.find_code(digest(required(request.parameters, "code")))
    if code is None:
        raise InvalidGrant("there is no such code")
    state = await read_grant(request, ports, code.grant_id)
    _check(request, code)
    if request.now >= code.expires_at:
        # It may be replayed long after it was redeemed: what came of it ends then as well. Of a code never
        # redeemed nothing came.
        await ports.grants.end_grant(code.grant_id, request.now)
        raise InvalidGrant("the code has expired: everything issued for it is ended")
    sign_on = sign_on_of(request, state)
    check_same_target(request, sign_on.resource)
    access = issue_for(request, ports, sign_on, GRANT_TYPE)
    refresh, value = _refresh_token(request, ports, sign_on.grant)
    if not await ports.codes.redeem_code(code.digest, request.now, refresh):
        await ports.grants.end_grant(code.grant_id, request.now)
        raise InvalidGrant("the code was redeemed before: everything issued for it is ended")
    return sign_on_response(request, ports, sign_on, access, value, code.nonce)


def _check(request: TokenRequest, code: AuthorizationCode) -> None:
    """Nothing here marks the code.

    Who cannot prove to be the one it was issued to must not be able to spend it.
    """
    # The URI of the token request is compared as text with the one of the authorization request, random port
    # included.
    if required(request.parameters, "redirect_uri") != code.redirect_uri:
        raise InvalidGrant("redirect_uri is not the one of the authorization request")
    if not verifies(required(request.parameters, "code_verifier"), code.code_challenge):
        raise InvalidGrant("code_verifier does not match the code challenge")


def _refresh_token(
    request: TokenRequest, ports: GrantPorts, grant: Grant
) -> tuple[RefreshToken | None, str | None]:
    """The grant's first refresh token and its value, if the client may use one."""
    if "refresh_token" not in request.client.grant_types:
        return None, None
    value = ports.derive(grant.id, 1)
    expires_at = min(request.now + request.client.refresh_token_lifetime, grant.expires_at)
    return RefreshToken(grant.id, digest(value), None, 1, request.now, expires_at), value


GRANT: Final = GrantType(GRANT_TYPE, handle)
