"""The ways to get tokens. `answer` is the token endpoint without HTTP."""

from deputize.kernel.families import Family, instance_of
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.dpop import use_up
from deputize.oauth.errors import InvalidGrant, UnauthorizedClient, UnsupportedGrantType
from deputize.oauth.grants import (
    authorization_code,
    client_credentials,
    jwt_bearer,
    refresh_token,
    token_exchange,
)
from deputize.oauth.grants.grant_type import GrantPorts, GrantType, TokenRequest, TokenResponse
from deputize.oauth.parameters import required

_OWN = (
    authorization_code.GRANT,
    client_credentials.GRANT,
    jwt_bearer.GRANT,
    refresh_token.GRANT,
    token_exchange.GRANT,
)
OWN_TYPES = frozenset(grant.grant_type for grant in _OWN)
"""The grant types that wait for the store alone: others may need a task, as `asyncio.timeout` does."""
GRANTS: Family[GrantType] = Family(
    "deputize.grants",
    _OWN,
    lambda grant: (grant.grant_type, grant.word),
    instance_of(GrantType),
)


async def answer(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """The tokens for a request, by the grant it names. Raises `OAuthError`s only."""
    grant_type = required(request.parameters, "grant_type")
    grant = GRANTS.by_name.get(grant_type)
    if grant is None or grant.grant_type != grant_type:  # words are for files
        raise UnsupportedGrantType(f"grant_type {grant_type[:128]!r}")
    if grant_type not in request.client.grant_types:
        raise UnauthorizedClient(f"{request.client.name!r} may not use {grant_type}")
    if request.client_auth == PUBLIC and not grant.for_public_clients:
        reason = "The grant type is for clients that authenticate, and a public client does not"
        raise UnauthorizedClient(f"{request.client.name!r} is a public client, not for {grant_type}", reason)
    if not request.client.term:  # what was issued to nobody who is listed, nobody could end
        raise InvalidGrant(
            f"no user has signed on with {request.client.name!r}, or not since its document says that it is, "
            "or is not, a public client",
            "No user has signed on with this client, or not since it authenticates in this way",
        )
    response = await grant.handle(request, ports)
    if request.proof is not None:
        await use_up(request.proof, request.environment.id, ports.one_time_ids)
    return response
