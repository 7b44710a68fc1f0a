"""The agents section: which agents may act for a person, what each may do, and how to take it back."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from deputize.authority.endpoint import EndpointCall
from deputize.authority.my.section import Section, Visit
from deputize.authority.signon.disclosure import agent_description, agent_lines, agent_title, resource_lines
from deputize.http.messages import Response
from deputize.oauth.consents import CoversBuilder, choose_text, expiry, is_in_force, keep_granted
from deputize.oauth.records.directory import Agent
from deputize.oauth.records.store import Consent, Covers


async def show(visit: Visit) -> Response:
    """Show the agents that may act for the person, and those that no longer may."""
    call, signed_on, agents = visit.call, visit.signed_on, visit.call.environment.agents
    given = {
        each.client_id: signed_on.consents_for(each.client_id)
        for each in signed_on.consents
        if each.client_id in agents
    }

    def used_last(client_id: str) -> float:
        return max((max(each.accepted_at, each.last_used_at or 0) for each in given[client_id]), default=0)

    holding = {
        client_id: held
        for client_id, consents in given.items()
        if (held := tuple(each for each in consents if holds(call, each)))
    }
    agreed = {client_id: agreed_to(call, consents) for client_id, consents in holding.items()}
    # Those that sign nobody on have no consent of their own, but a part in that of others.
    given |= {agent_id: () for covers in agreed.values() for agent_id in covers if agent_id not in given}
    allowed: list[Mapping[str, object]] = []
    former: list[Mapping[str, object]] = []
    for client_id in sorted(given, key=used_last, reverse=True):
        agent, consents = agents[client_id], given[client_id]
        parts = [
            {
                "through": agent_title(agents[other], visit.languages),
                "resources": resource_lines(call.environment, covers[client_id], visit.languages),
            }
            for other, covers in agreed.items()
            if other != client_id and client_id in covers
        ]
        if client_id in holding:
            own = describe_consents(visit, client_id, holding[client_id], agreed[client_id])
            allowed.append({**describe_agent(agent, visit.languages), "own": own, "parts": parts})
        elif parts:
            allowed.append({**describe_agent(agent, visit.languages), "own": None, "parts": parts})
        else:
            withdrawn = max((each.withdrawn_at for each in consents if each.withdrawn_at), default=None)
            former.append({"name": agent_title(agent, visit.languages), "withdrawn": format_day(withdrawn)})
    return visit.show({"agents": allowed, "former": former})


async def withdraw(visit: Visit, form: Mapping[str, str]) -> Response:
    """Withdraw what the person agreed to for the agent that the form names, whoever signed them on."""
    call, client_id, user = visit.call, form.get("agent", ""), visit.signed_on.user
    if client_id in call.environment.agents:
        consents = call.services.store.consents
        await consents.withdraw_consents(call.environment.id, user.id, client_id, call.now)
        call.record("consent withdrawn", client_id=client_id, user_id=user.id)
    return visit.done("withdrawn")


def holds(call: EndpointCall, consent: Consent) -> bool:
    """Return whether the agent may still act by this consent."""
    agreement = call.environment.agreements.get(consent.agreement_id)
    return agreement is not None and is_in_force(consent, agreement, call.now)


def agreed_to(call: EndpointCall, consents: Sequence[Consent]) -> Covers:
    """Compute what these consents cover, as far as the administrator still grants that."""
    agreed = CoversBuilder()
    for consent in consents:
        agreed.add_all(consent.covers)
    return keep_granted(call.environment, agreed.covers())


def describe_agent(agent: Agent, languages: Sequence[str]) -> dict[str, object]:
    """Describe who an agent is."""
    return {
        "id": agent.id,
        "name": agent_title(agent, languages),
        "description": agent_description(agent, languages),
        "stranger": agent.origin,
    }


def describe_consents(
    visit: Visit, client_id: str, consents: Sequence[Consent], covers: Covers
) -> dict[str, object]:
    """Describe what the user agreed to for an agent that signed them on, and when."""
    environment = visit.call.environment
    agreements = [environment.agreements[each.agreement_id] for each in consents]
    ends = (
        end
        for each, agreement in zip(consents, agreements, strict=True)
        for end in (each.expires_at, expiry(agreement, each.accepted_at))
    )
    texts = (
        (agreement, choose_text(agreement, None, visit.languages, environment.settings.default_language))
        for agreement in agreements
    )
    return {
        "since": format_day(min(each.accepted_at for each in consents)),
        "until": format_day(min((end for end in ends if end is not None), default=None)),
        "last_used": format_day(
            max((each.last_used_at for each in consents if each.last_used_at), default=None)
        ),
        "resources": resource_lines(environment, covers.get(client_id, {}), visit.languages),
        "others": agent_lines(environment, covers, client_id, visit.languages),
        "agreements": [text.title if text else agreement.name for agreement, text in texts],
    }


def format_day(instant: float | None) -> str:
    """Write the day in UTC as ISO 8601, which every language reads alike; empty for never."""
    return "" if instant is None else datetime.fromtimestamp(instant, UTC).date().isoformat()


AGENTS = Section("agents", "deputize.authority.my.sections", show, withdraw)
