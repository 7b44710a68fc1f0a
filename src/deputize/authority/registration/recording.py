"""What is recorded of agents that introduce themselves: how they came, never what they say of themselves."""

from deputize.authority.endpoint import EndpointCall
from deputize.oauth.records.directory import Agent


def record_agent(call: EndpointCall, name: str, agent: Agent) -> None:
    """Record that `name` happened to an agent that introduced itself."""
    origin = agent.origin
    call.record(
        name,
        client_id=agent.id,
        means=origin.means if origin else None,
        detail=origin.detail or None if origin else None,
        redirect_uris=list(agent.redirect_uris),
        client_auth=agent.settings.client_auth,
    )
