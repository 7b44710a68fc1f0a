"""How clients, and resource servers at introspection, prove who they are (RFC 6749 section 2.3.1)."""

from collections.abc import Mapping

from deputize.kernel.families import Family, instance_of
from deputize.oauth.client_auth import client_secret_basic, client_secret_post
from deputize.oauth.client_auth.authentication import ClientAuthMethod, Credentials
from deputize.oauth.errors import InvalidClient, InvalidRequest

CLIENT_AUTH_METHODS: Family[ClientAuthMethod] = Family(
    "deputize.client_authentication",
    (client_secret_basic.METHOD, client_secret_post.METHOD),
    lambda method: (method.name,),
    instance_of(ClientAuthMethod),
)


def are_lasting(credentials: Credentials) -> bool:
    """Whether the same header and form will have these credentials again.

    What the method of another package finds may expire, or be good once.
    """
    return any(credentials.method == method.name for method in CLIENT_AUTH_METHODS.own)


def read_credentials(authorization: str | None, parameters: Mapping[str, str]) -> Credentials:
    """The credentials of a request with this `Authorization` header and these form parameters.

    Raises `InvalidClient` when there are none, `InvalidRequest` when they come in more than one way.
    """
    found = [
        credentials
        for method in CLIENT_AUTH_METHODS.members
        if (credentials := method.find_credentials(authorization, parameters))
    ]
    if not found:
        raise InvalidClient("no client credentials were presented")
    if len(found) > 1:
        raise InvalidRequest("The client authenticated in more than one way")
    if parameters.get("client_id", found[0].client_id) != found[0].client_id:
        raise InvalidRequest("The parameter client_id is not the authenticated client")
    return found[0]
