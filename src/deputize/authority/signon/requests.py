"""Authorization requests as they arrive, and their clients as they are by then."""

from collections.abc import Mapping

from deputize.authority.endpoint import EndpointCall
from deputize.authority.registration.recording import record_agent
from deputize.oauth.authorization_request import AuthorizationRefusal, AuthorizationRequest, validate
from deputize.oauth.errors import OAuthError
from deputize.oauth.records.directory import Agent


async def read_request(
    call: EndpointCall, parameters: Mapping[str, str], *, is_pushed: bool = False
) -> AuthorizationRequest | AuthorizationRefusal:
    """Return the request that these parameters make, or the refusal, as `validate` does.

    A client whose id is the URL of its metadata document is as that says now; from here on, the call's
    environment knows it.
    """
    client_id, registration = parameters.get("client_id", ""), call.environment.registration
    if registration and registration.settings.dynamic and client_id not in call.environment.agents:
        # It may have registered itself with another process of this authority a moment ago.
        await call.services.directory.refresh()
        environments = call.services.directory.current.environments
        call.environment = environments.get(call.environment.id, call.environment)
    try:
        call.environment = await call.services.client_documents.introduced(call.environment, client_id)
    except OAuthError as error:
        return AuthorizationRefusal(error)
    return validate(call.environment, parameters, is_pushed=is_pushed)


async def settle(call: EndpointCall, client: Agent) -> Agent:
    """Return the client as it is stored, which one of a metadata document is when a user has signed on.

    It is stored anew where its document has changed. Raises `TooManyRegistrations` and whatever
    `client_documents.introduce` raises.
    """
    if client.origin is None or client.origin.means != "document":
        return client
    environment = call.services.directory.current.environments[call.environment.id]
    found = await call.services.client_documents.introduce(environment, client.id)
    if found is None or found.agent == found.stored:
        return client
    settled = await call.services.introductions.keep(
        environment.id, found.agent, found.introduction.history(), call.now
    )
    record_agent(call, "agent changed" if found.stored else "agent introduced", settled)
    return settled
