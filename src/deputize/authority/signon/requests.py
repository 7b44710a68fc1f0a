"""Authorization requests as they arrive, and their clients as they are by then."""

from collections.abc import Mapping

from deputize.authority.audit import SOURCE
from deputize.authority.endpoint import EndpointCall
from deputize.authority.registration.recording import record_agent
from deputize.authority.signon.attempts import network_of
from deputize.oauth.authorization_request import AuthorizationRefusal, AuthorizationRequest, validate
from deputize.oauth.errors import OAuthError, TooManyRegistrations
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
        await _let_wait(call, client_id)
    except OAuthError as error:
        return AuthorizationRefusal(error)
    call.asked = {
        # Nobody proved to be it, unless the request was pushed; what is no client's id may be a secret.
        "claimed_client_id": client_id if client_id in call.environment.agents else None,
        "redirect_uri": parameters.get("redirect_uri"),
        "requested_scope": parameters.get("scope"),
        "requested_resource": parameters.get("resource"),
    }
    return validate(call.environment, parameters, is_pushed=is_pushed)


async def _let_wait(call: EndpointCall, client_id: str) -> None:
    """Store a client that comes by its metadata document for the first time and has to wait for approval.

    So administrators see it. Raises `TooManyRegistrations` and whatever `client_documents.introduce` raises.
    """
    environment, introductions = call.environment, call.services.introductions
    agent = environment.agents.get(client_id)
    known = call.services.directory.current.environments[environment.id].agents
    if agent is None or agent.origin is None or agent.enabled or client_id in known:
        return
    found = await call.services.client_documents.introduce(
        call.services.directory.current.environments[environment.id], client_id
    )
    if found is None:
        return
    source = network_of(SOURCE.get().address)
    if not introductions.by_source.admit(source, call.now) or not introductions.overall.admit(
        environment.id, call.now
    ):
        raise TooManyRegistrations("too many clients introduce themselves")
    settled = await introductions.keep(environment.id, found.agent, found.introduction.history(), call.now)
    record_agent(call, "agent introduced", settled)


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
