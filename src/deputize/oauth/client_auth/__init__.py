"""How clients, and resource servers at introspection, prove who they are (RFC 6749 sections 2.1 and 2.3)."""

from collections.abc import Coroutine, Mapping
from typing import Any, Final

from deputize.kernel.families import Family, instance_of
from deputize.oauth.client_auth import (
    client_secret_basic,
    client_secret_post,
    federated_jwt,
    none,
    private_key_jwt,
)
from deputize.oauth.client_auth.authentication import (
    PUBLIC,
    Authenticated,
    Caller,
    ClientAuthMethod,
    ClientAuthPorts,
    Credentials,
    check_registered,
    check_secret,
)
from deputize.oauth.document_urls import is_document_id
from deputize.oauth.errors import InvalidClient, InvalidRequest
from deputize.oauth.records.directory import Agent, Environment

CLIENT_AUTH_METHODS: Family[ClientAuthMethod] = Family(
    "deputize.client_authentication",
    (
        client_secret_basic.METHOD,
        client_secret_post.METHOD,
        private_key_jwt.METHOD,
        federated_jwt.METHOD,
        none.METHOD,
    ),
    lambda method: (method.name,),
    instance_of(ClientAuthMethod),
)
LASTING: Final = frozenset(each.name for each in CLIENT_AUTH_METHODS.own if each.authenticate is None)
"""The methods by which the same header and form prove the same again.

What others find may expire, or be good once.
"""


def needs_secret(client_auth: str | None) -> bool:
    """Whether an agent that is held to this method authenticates by a secret; who is held to none does."""
    method = CLIENT_AUTH_METHODS.by_name.get(client_auth or "")
    return method is None or method.authenticate is None


def authenticate_agent(
    environment: Environment,
    authorization: str | None,
    parameters: Mapping[str, str],
    ports: ClientAuthPorts,
    now: float,
) -> Coroutine[Any, Any, Authenticated[Agent]]:
    """The enabled agent that sent a request with this `Authorization` header and these form parameters.

    It came by the method that it is held to; one that is held to nothing by any kind of secret. Raises
    `InvalidClient`, or `InvalidRequest` when credentials come in more than one way. Waits for nothing where
    the proof is a secret.
    """
    return _authenticate(environment, *read_credentials(authorization, parameters), ports, now)


async def authenticate_caller(
    environment: Environment,
    authorization: str | None,
    parameters: Mapping[str, str],
    ports: ClientAuthPorts,
    now: float,
) -> Authenticated[Caller]:
    """The agent or the resource that sent the request and proved it: who may introspect (RFC 7662).

    Raises as `authenticate_agent` does.
    """
    method, credentials = read_credentials(authorization, parameters)
    resource = environment.resources.get(credentials.client_id)
    if resource is not None and method.authenticate is None:
        return Authenticated(check_secret(credentials, resource), method.name)
    if method.name == PUBLIC:
        reason = "Introspection is for callers that authenticate, and no credentials were presented"
        raise InvalidClient(f"{credentials.client_id[:64]!r} presented its id alone", reason)
    return await _authenticate(environment, method, credentials, ports, now)


async def _authenticate(
    environment: Environment,
    method: ClientAuthMethod,
    credentials: Credentials,
    ports: ClientAuthPorts,
    now: float,
) -> Authenticated[Agent]:
    if environment.registration is not None and is_document_id(credentials.client_id):
        environment = await ports.documents.introduced(environment, credentials.client_id)
    if method.authenticate is None:
        agent = check_secret(credentials, environment.agents.get(credentials.client_id))
    else:
        agent = await method.authenticate(environment, credentials, ports, now)
    # Judged last: only who knows the secret learns, by a failure, which method the agent is registered for.
    check_registered(agent, method.name, is_by_secret=method.authenticate is None)
    return Authenticated(agent, method.name)


def read_credentials(
    authorization: str | None, parameters: Mapping[str, str]
) -> tuple[ClientAuthMethod, Credentials]:
    """The credentials of a request with this `Authorization` header and these form parameters.

    And the method that found them. Raises `InvalidClient` when there are none, `InvalidRequest` when they
    come in more than one way.
    """
    found: tuple[ClientAuthMethod, Credentials] | None = None
    for method in CLIENT_AUTH_METHODS.members:
        if method is none.METHOD:  # asked last: a package's method may find a proof beside the id
            continue
        credentials = method.find_credentials(authorization, parameters)
        if credentials is None:
            continue
        if found is not None:
            raise InvalidRequest("The client authenticated in more than one way")
        found = (method, credentials)
    if found is None:
        credentials = none.find_credentials(authorization, parameters)
        if credentials is None:
            raise InvalidClient("no client credentials were presented")
        return none.METHOD, credentials
    client_id = found[1].client_id
    if parameters.get("client_id", client_id) != client_id:
        raise InvalidRequest("The parameter client_id is not the authenticated client")
    return found
