"""The agents section: which agents may act for a person, what each may do, and how to take it back."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from deputize.authority.activities.search import ActivityQuery, CursorInvalid
from deputize.authority.dead_ends import turn_away
from deputize.authority.endpoint import EndpointCall
from deputize.authority.my.calls import find_calls, format_second
from deputize.authority.my.section import Section, Visit
from deputize.authority.signon.disclosure import agent_description, agent_lines, agent_title, resource_lines
from deputize.http.messages import Response
from deputize.oauth.consents import CoversBuilder, choose_text, expiry, is_in_force, keep_granted
from deputize.oauth.records.directory import Agent
from deputize.oauth.records.store import WITHDRAWN_BY_USER, Acceptance, Consent, Covers

SHOWN_CALLS: Final = 5
"""Calls of an agent beside its name; a page of its own has them all."""


async def show(visit: Visit) -> Response:
    """Show the agents that may act for the person, or of one what it called, or what stopping it did."""
    asked = visit.call.query()
    if asked.get("calls"):
        return await show_calls(visit, asked["calls"], asked.get("cursor"))
    if asked.get("stopped"):
        return await show_stopped(visit, asked["stopped"])
    return await show_all(visit)


async def show_all(visit: Visit) -> Response:
    """Show the agents that may act for the person, what each did last, and those that no longer may."""
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
    calls = await find_calls(visit)
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
        did = {
            "calls": calls.by_agent.get(client_id, ())[:SHOWN_CALLS],
            "unreported": calls.unreported.get(client_id, ()),
        }
        if client_id in holding:
            own = describe_consents(visit, client_id, holding[client_id], agreed[client_id])
            allowed.append({**describe_agent(agent, visit.languages), **did, "own": own, "parts": parts})
        elif parts:
            allowed.append({**describe_agent(agent, visit.languages), **did, "own": None, "parts": parts})
        else:
            ended = [each for each in consents if each.withdrawn_at]
            last = max(ended, key=lambda each: each.withdrawn_at or 0, default=None)
            former.append(
                {
                    "id": client_id,
                    "name": agent_title(agent, visit.languages),
                    "withdrawn": format_day(last.withdrawn_at if last else None),
                    "by": say_by_whom(visit, last) if last else "",
                    "has_calls": client_id in calls.by_agent,
                }
            )
    return visit.show({"agents": allowed, "former": former})


async def show_calls(visit: Visit, agent_id: str, cursor: str | None) -> Response:
    """Show what one agent did for the person, page by page."""
    call, agent = visit.call, visit.call.environment.agents.get(agent_id)
    try:
        found = await find_calls(visit, agent_id, cursor) if agent else None
    except CursorInvalid:
        found = None
    consents = visit.signed_on.consents
    is_known = cursor or any(agent_id == each.client_id or agent_id in each.covers for each in consents)
    if agent is None or found is None or not (found.by_agent or is_known):
        return turn_away(call.head.headers, 404, "There is nothing here", call.correlation_id)
    following = urlencode({"calls": agent_id, "cursor": found.next_cursor or ""})
    values = {
        "name": agent_title(agent, visit.languages),
        "calls": found.by_agent.get(agent_id, ()),
        "unreported": found.unreported.get(agent_id, ()),
        "older": f"{visit.common['my_path']}?{following}" if found.next_cursor else "",
    }
    return visit.show(values, template="agent_calls.html")


async def withdraw(visit: Visit, form: Mapping[str, str]) -> Response:
    """Withdraw what the person agreed to for the agent that the form names, whoever signed them on."""
    call, client_id, user = visit.call, form.get("agent", ""), visit.signed_on.user
    if client_id not in call.environment.agents:
        return visit.done("withdrawn")
    live = [each for each in visit.signed_on.consents if each.withdrawn_at is None]
    consents = call.services.store.consents
    await consents.withdraw_consents(call.environment.id, user.id, client_id, call.now, WITHDRAWN_BY_USER)
    call.record(
        "consent withdrawn",
        client_id=client_id,
        user_id=user.id,
        consents=[each.id for each in live if each.client_id == client_id],
        through=[each.client_id for each in live if each.client_id != client_id and client_id in each.covers],
    )
    return visit.done("withdrawn", stopped=client_id)


async def show_stopped(visit: Visit, agent_id: str) -> Response:
    """Show what stopping this agent did, as it was recorded when the person did so last."""
    call, agents, signed_on = visit.call, visit.call.environment.agents, visit.signed_on
    query = ActivityQuery(user_id=signed_on.user.id, agent_id=agent_id, event="consent withdrawn", limit=1)
    stopped = next(iter((await call.services.activities.find(call.environment.id, query)).items), None)
    if stopped is None or agent_id not in agents:
        return await show_all(visit)
    record = stopped.read_record()
    ended, through = (
        [each for each in named if isinstance(each, str)]
        if isinstance(named := record.get(name), list)
        else []
        for name in ("consents", "through")
    )
    consents = [each for each in signed_on.consents if each.id in ended]
    covers = CoversBuilder()
    for each in consents:
        covers.add_all(each.covers)
    granted = keep_granted(call.environment, covers.covers())
    reached = {resource_id for each in granted.values() for resource_id in each}
    lifetimes = [
        each.settings.token_lifetime for each in call.environment.resources.values() if each.id in reached
    ]
    last = stopped.happened_at + max(lifetimes, default=0)
    values = {
        "name": agent_title(agents[agent_id], visit.languages),
        "at": format_second(stopped.happened_at),
        "agreements": agreement_titles(visit, consents),
        "resources": resource_lines(call.environment, granted.get(agent_id, {}), visit.languages),
        "others": agent_lines(call.environment, granted, agent_id, visit.languages),
        "through": [agent_title(agents[each], visit.languages) for each in through if each in agents],
        "held_until": format_second(last) if last > call.now else "",
        "sessions_path": f"/{call.environment.id}/my/sessions",
    }
    return visit.show(values, template="agent_stopped.html")


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
    return {
        "since": format_day(min(each.accepted_at for each in consents)),
        "until": format_day(min((end for end in ends if end is not None), default=None)),
        "last_used": format_day(
            max((each.last_used_at for each in consents if each.last_used_at), default=None)
        ),
        "resources": resource_lines(environment, covers.get(client_id, {}), visit.languages),
        "others": agent_lines(environment, covers, client_id, visit.languages),
        "agreements": agreement_titles(visit, consents),
    }


def agreement_titles(visit: Visit, consents: Sequence[Consent]) -> list[str]:
    """Return what the agreements of these consents are called, as far as there still are any."""
    environment = visit.call.environment
    found = (environment.agreements.get(each.agreement_id) for each in consents)
    texts = (
        (each, choose_text(each, None, visit.languages, environment.settings.default_language))
        for each in found
        if each
    )
    return [text.title if text else agreement.name for agreement, text in texts]


def say_by_whom(visit: Visit, given: Consent | Acceptance) -> str:
    """Say to the user who withdrew it; empty where nobody did, or it is not known who."""
    by = given.withdrawn_by
    if by is None:
        return ""
    say, section = visit.language.text, visit.section.name
    if by == WITHDRAWN_BY_USER:
        return say(f"{section}.withdrawn_by_you")
    return say(f"{section}.withdrawn_by_administrator", name=by.removeprefix("administrator "))


def format_day(instant: float | None) -> str:
    """Write the day in UTC as ISO 8601, which every language reads alike; empty for never."""
    return "" if instant is None else datetime.fromtimestamp(instant, UTC).date().isoformat()


AGENTS = Section("agents", "deputize.authority.my.sections", show, withdraw)
