"""A grant, and a way for clients to authenticate."""

from deputize.oauth.access_tokens import Issue, issue_access_token
from deputize.oauth.client_auth.authentication import ClientAuthMethod, Credentials
from deputize.oauth.grants.grant_type import GrantType, response_of
from deputize.oauth.lineage import Lineage
from deputize.oauth.resources import choose_target

GRANT_TYPE = "urn:example:oauth:grant-type:minute"


async def handle(request, ports):
    """Give an agent a token of its own, as client credentials do, that lasts for a minute."""
    target = choose_target(request.environment, request.client, request.parameters)
    issue = Issue(
        environment=request.environment,
        client=request.client,
        resource=target.resource,
        scopes=target.scopes,
        grant_type=GRANT_TYPE,
        now=request.now,
        expires_at=int(request.now) + 60,
        lineage=ports.extend(Lineage(None), request.client.term, target.resource.term),
        requested_scope=request.parameters.get("scope"),
    )
    return response_of(issue_access_token(issue))


def find_credentials(authorization, parameters):
    """`Authorization: ApiKey <client id>.<secret>`; `None` for requests that carry none."""
    scheme, _, value = (authorization or "").partition(" ")
    client_id, dot, secret = value.partition(".")
    return Credentials(client_id, secret, API_KEY.name) if scheme.lower() == "apikey" and dot else None


MINUTE = GrantType(GRANT_TYPE, handle)
API_KEY = ClientAuthMethod("api_key", find_credentials)
