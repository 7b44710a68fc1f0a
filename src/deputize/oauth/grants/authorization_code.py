"""The authorization code grant: a user signed on and consented, the client redeems the proof.

RFC 6749 section 4.1.3. Gives the subject token of a later exchange. The proof is bound to the client that
began by PKCE (RFC 7636) with S256 only: `plain` would protect nothing that TLS does not (OAuth 2.1 section
7.5).
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from typing import Final

from deputize.kernel.digests import digest, same
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.errors import InvalidGrant
from deputize.oauth.grants.grant_type import (
    GrantPorts,
    GrantType,
    TokenRequest,
    TokenResponse,
    check_key,
    check_same_target,
)
from deputize.oauth.grants.sign_on import issue_for, read_grant, sign_on_of, sign_on_response
from deputize.oauth.parameters import required
from deputize.oauth.records.store import RefreshToken
from deputize.oauth.resources import REFRESH_TOKEN

GRANT_TYPE: Final = "authorization_code"
CHALLENGE_METHOD: Final = "S256"
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


async def handle(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """Redeem a code once.

    Everything that can fail is done before; whoever then loses the redemption ends the grant, because a
    second redemption means that the code leaked, or that the client raced itself (RFC 6749 section 4.1.2).
    """
    code = await ports.codes.find_code(digest(required(request.parameters, "code")))
    if code is None:
        raise InvalidGrant("there is no such code")
    state = await read_grant(request, ports, code.grant_id)
    # None of these refusals marks the code: who cannot prove to be the client it was issued to must not be
    # able to spend it. The URI is compared as text with that of the authorization request, random port
    # included.
    if required(request.parameters, "redirect_uri") != code.redirect_uri:
        raise InvalidGrant("redirect_uri is not the one of the authorization request")
    if not verifies(required(request.parameters, "code_verifier"), code.code_challenge):
        raise InvalidGrant("code_verifier does not match the code challenge")
    check_key(request, code.dpop_jkt, "the code")
    if request.now >= code.expires_at:
        # It may be replayed long after it was redeemed: what came of it ends then as well. Of a code never
        # redeemed nothing came.
        await ports.grants.end_grant(code.grant_id, request.now)
        raise InvalidGrant("the code has expired: everything issued for it is ended")
    sign_on = sign_on_of(request, state)
    check_same_target(request, sign_on.resource)
    access = issue_for(request, ports, sign_on, state, GRANT_TYPE)
    refresh, value = None, None
    if REFRESH_TOKEN in request.client.grant_types:
        value = ports.derive(code.grant_id, 1)
        lifetime = request.client.settings.refresh_token_lifetime
        expires_at = min(request.now + lifetime, sign_on.grant.expires_at)
        bound_to = request.key if request.client_auth == PUBLIC else None
        refresh = RefreshToken(code.grant_id, digest(value), None, 1, request.now, expires_at, bound_to)
    if not await ports.codes.redeem_code(code.digest, request.now, refresh):
        await ports.grants.end_grant(code.grant_id, request.now)
        raise InvalidGrant("the code was redeemed before: everything issued for it is ended")
    return sign_on_response(request, ports, sign_on, access, value, code.nonce)


def is_challenge(text: str) -> bool:
    """Whether `text` can be an S256 challenge: the base64url of 32 bytes."""
    return _CHALLENGE.fullmatch(text) is not None


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def verifies(verifier: str, challenge: str) -> bool:
    """Whether `verifier` is well formed and its challenge is `challenge`, compared in constant time."""
    return _VERIFIER.fullmatch(verifier) is not None and same(challenge_of(verifier), challenge)


GRANT: Final = GrantType(GRANT_TYPE, handle, for_public_clients=True)
