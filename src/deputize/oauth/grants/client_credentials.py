"""The client credentials grant: an agent's token of its own, without a user (RFC 6749 section 4.4).

Gives the actor token.
"""

from typing import Final

from deputize.oauth.access_tokens import Issue, issue_access_token
from deputize.oauth.grants.grant_type import (
    GrantPorts,
    GrantType,
    TokenRequest,
    TokenResponse,
    expires_at,
    response_of,
)
from deputize.oauth.lineage import Lineage
from deputize.oauth.resources import TokenTarget, choose_target

GRANT_TYPE: Final = "client_credentials"


async def handle(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """A token for the one resource asked for. Touches no store: there is nothing single-use about it."""
    target = choose_target(request.environment, request.client, request.parameters)
    issue = own_token(request, ports, target, request.parameters.get("scope"))
    return response_of(issue_access_token(issue))


def own_token(
    request: TokenRequest, ports: GrantPorts, target: TokenTarget, requested_scope: str | None
) -> Issue:
    """The client's own token for `target`, not issued yet."""
    return Issue(
        environment=request.environment,
        client=request.client,
        resource=target.resource,
        scopes=target.scopes,
        grant_type=GRANT_TYPE,
        now=request.now,
        expires_at=expires_at(target.resource, request.now),
        lineage=ports.extend(Lineage(None), request.client.term, target.resource.term),
        requested_scope=requested_scope,
        bound_to=request.key,
    )


GRANT: Final = GrantType(GRANT_TYPE, handle)
