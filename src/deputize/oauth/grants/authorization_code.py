"""The authorization code grant: a user signed on and consented, the agent redeems the proof (RFC 6749 section 4.1.3).

Gives the subject token.
"""

from typing import Final

from deputize.kernel.digests import digest
from deputize.oauth.errors import InvalidGrant
from deputize.oauth.grants.grant import Grant, check_same_target
from deputize.oauth.grants.sign_on import issue_for, read_sign_on, sign_on_response
from deputize.oauth.parameters import required
from deputize.oauth.pkce import verifies
from deputize.oauth.records.directory import Agent
from deputize.oauth.records.store import AuthorizationCode, RefreshToken
from deputize.oauth.token_request import GrantPorts, TokenRequest, TokenResponse

GRANT_TYPE: Final = "authorization_code"


async def handle(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """Redeem a code once. Everything that can fail is done first; whoever then loses the redemption ends the whole family.

    A second redemption means that the code leaked, or that the client raced itself: RFC 6749 section 4.1.2 ends what the first gave.
    """
    code = await _find(request, ports)
    _check(request, code)
    await _check_expiry(request, ports, code)
    sign_on = await read_sign_on(request, ports, code.authentication, code.resource_id, code.scopes)
    check_same_target(request, sign_on.resource)
    access = issue_for(request, ports, sign_on, GRANT_TYPE)
    refresh, value = _refresh_token(request, ports, code)
    if not await ports.codes.redeem_code(code.digest, request.now, access.issued, refresh):
        await ports.refresh_tokens.revoke_family(code.family_id, request.now)
        raise InvalidGrant("the code was redeemed before: everything issued for it is revoked")
    return sign_on_response(request, sign_on, access, value, code.nonce)


async def _find(request: TokenRequest, ports: GrantPorts) -> AuthorizationCode:
    code = await ports.codes.find_code(digest(required(request.parameters, "code")))
    if code is None or code.environment_id != request.environment.id:
        raise InvalidGrant("there is no such code")
    return code


def _check(request: TokenRequest, code: AuthorizationCode) -> None:
    """Nothing here marks the code: who cannot prove to be the one it was issued to must not be able to spend it."""
    if code.client_id != request.client.id:
        raise InvalidGrant("the code was issued to another client")
    # The URI of the token request is compared as text with the one of the authorization request, random port included.
    if required(request.parameters, "redirect_uri") != code.redirect_uri:
        raise InvalidGrant("redirect_uri is not the one of the authorization request")
    if not verifies(required(request.parameters, "code_verifier"), code.code_challenge):
        raise InvalidGrant("code_verifier does not match the code challenge")


async def _check_expiry(request: TokenRequest, ports: GrantPorts, code: AuthorizationCode) -> None:
    """A code may be replayed long after it was redeemed: what came of it ends then as well. Of a code never redeemed nothing came."""
    if request.now >= code.expires_at:
        await ports.refresh_tokens.revoke_family(code.family_id, request.now)
        raise InvalidGrant("the code has expired: everything issued for it is revoked")


def _refresh_token(request: TokenRequest, ports: GrantPorts, code: AuthorizationCode) -> tuple[RefreshToken | None, str | None]:
    """The family's first refresh token and its value, if the client may use one."""
    if "refresh_token" not in request.client.grant_types:
        return None, None
    value = ports.derive(code.family_id, 1)
    return _first(code, request.client, digest(value), request.now), value


def _first(code: AuthorizationCode, client: Agent, value_digest: str, now: float) -> RefreshToken:
    family_expires_at = now + client.refresh_token_rolling_lifetime
    return RefreshToken(
        family_id=code.family_id,
        environment_id=code.environment_id,
        client_id=code.client_id,
        digest=value_digest,
        previous_digest=None,
        generation=1,
        rotated_at=now,
        expires_at=min(now + client.refresh_token_lifetime, family_expires_at),
        family_expires_at=family_expires_at,
        resource_id=code.resource_id,
        scopes=code.scopes,
        authentication=code.authentication,
        nonce=code.nonce,
    )


GRANT: Final = Grant(GRANT_TYPE, handle)
