"""Monitoring → Why: a refused request is decided again, step by step, with the setting to change."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from starlette.responses import Response

from deputize.authority.administration import ListQuery, NoSuchObject
from deputize.authority.administration.views import MAX_LIMIT
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.change_words import CHANGED
from deputize.authority.console.correlation_ids import find_record
from deputize.authority.console.pages.audit import Line, describe
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.storage.activities import Activity, ActivityQuery
from deputize.authority.why import (
    MappingSeen,
    SettingOf,
    WhyDecision,
    WhyQuestion,
    ask_about,
    explain_decision,
    find_resource,
)
from deputize.kernel.values import JsonObject
from deputize.oauth.resources import resource_scopes

MAX_TEXT: Final = 1024
"""Characters of a name that is asked for."""
MAX_REFUSALS: Final = 10
"""Refusals that are offered."""
MAX_LOOKED_THROUGH: Final = 20
"""Agents of an owner whose refusals are looked for."""
_SECTIONS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "resource": ("resources", ()),
    "agreement": ("agreements", ()),
    "policy": ("policies", ()),
    "agent": ("agents", ("configuration",)),
    "user": ("users", ()),
}
"""Where objects are listed, and which of an object's pages has most of its members."""
_TABS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("agent", "scopes"): ("resources",),
    ("agent", "policies"): ("policies",),
    ("agent", "enabled"): (),
    ("agent", "secret"): ("secrets",),
    ("resource", "attributes"): ("attributes",),
    ("resource", "secret"): ("secrets",),
}
"""Where a member is changed that has another place among its object's pages."""
_OF_ENVIRONMENT: Final[Mapping[str, tuple[str, ...]]] = {
    "registration": ("registration", "settings"),
    "identity_providers": ("environment", "providers"),
    "trusted_issuers": ("environment", "trusted"),
    "password_policy": ("environment", "sign-on"),
    "require_dpop_nonce": ("environment", "sign-on"),
}
"""Where a member of the environment's settings is changed; others on the first page."""


@dataclass(frozen=True, slots=True)
class AskedDecision:
    """What the address asks for."""

    question: WhyQuestion
    line: Line | None = None
    """The record that it is about, if it is about one."""
    problems: Mapping[str, str] | None = None
    """What is wrong with it, by the name of a field."""


async def show_why(call: ConsoleCall) -> Response:
    """Show the form, and the decision that the address asks for: a record's, or the form's."""
    reads_all = call.operator.reads_all
    agents = await call.administration.list(
        call.operator, call.environment.id, "agent", ListQuery(limit=MAX_LIMIT)
    )
    asked = await read_question(call)
    decision: WhyDecision | None = None
    claims: JsonObject = {}
    if asked.question.is_complete and not asked.problems:
        services = call.services
        decision = await explain_decision(
            call.environment, services.store, asked.question, services.clock.now()
        )
        # What the agent of an owner is told about people, its owner need not be told.
        claims = decision.claims if reads_all or not asked.question.user else {}
    return call.show(
        "why.html",
        422 if asked.problems and asked.line is None else 200,
        line=asked.line,
        named=await name_parts(call, asked.question),
        problems=asked.problems or {},
        decision=decision,
        claims=[(name, json.dumps(value, ensure_ascii=False)) for name, value in sorted(claims.items())],
        agents=[each.name for each in agents.items],
        resources=sorted(each.name for each in call.environment.resources.values()) if reads_all else (),
        refusals=await find_refusals(call, [each.id for each in agents.items]) if not decision else (),
        pieces_of=pieces_of,
        address_of=partial(address_of, call),
    )


async def read_question(call: ConsoleCall) -> AskedDecision:
    """Read what is asked. Raises `NoSuchObject` for a record that is not there."""
    activity_id = call.query("activity")
    if activity_id:
        return await ask_record(call, activity_id)
    texts = {name: call.query(name)[:MAX_TEXT].strip() for name in ("agent", "resource", "user", "scope")}
    question = WhyQuestion(
        texts["agent"],
        texts["resource"],
        texts["user"] if call.operator.reads_all else "",
        tuple(texts["scope"].split()),
        exchanges=call.query("exchange") == "on",
    )
    problems: dict[str, str] = {}
    if call.is_filtered and not question.agent:
        problems["agent"] = call.t("console.required")
    elif question.agent and not (question.resource or question.scopes):
        problems["resource"] = call.t("why.resource_or_scope")
    elif question.agent and not call.operator.reads_all:
        problems = await find_foreign(call, question)
    return AskedDecision(question, problems=problems)


async def ask_record(call: ConsoleCall, activity_id: str) -> AskedDecision:
    """Ask what a record decided. Raises `NoSuchObject`, also for one that another's agent had the part in."""
    activity = await find_record(call, activity_id)
    if activity is None or not await is_visible(call, activity):
        raise NoSuchObject(f"there is no record {activity_id!r}")
    [line] = await describe(call, [activity])
    question = await ask_about(call.services.activities, activity)
    if question is None or not question.is_complete:
        return AskedDecision(WhyQuestion("", ""), line, {"": call.t("why.no_question")})
    return AskedDecision(question, line)


async def is_visible(call: ConsoleCall, activity: Activity) -> bool:
    """Return whether who looks may see why this was decided so: readers all, owners what their agents did."""
    if call.operator.reads_all:
        return True
    where = (call.operator, call.environment.id, "agent")
    return (
        bool(activity.agent_ids) and await call.administration.find(*where, activity.agent_ids[0]) is not None
    )


async def find_foreign(call: ConsoleCall, question: WhyQuestion) -> dict[str, str]:
    """Say what of a question is not an owner's own: the agent, or a resource that none of theirs reaches.

    Where scopes alone are asked for, it is about every resource that has them, and the answer would name it.
    """
    where = (call.operator, call.environment.id)
    agent = await call.administration.find_named(*where, "agent", question.agent)
    if agent is None:
        return {"agent": call.t("why.not_yours")}
    wanted = frozenset(resource_scopes(question.scopes))
    if question.resource:
        asked = [find_resource(call.environment, question.resource)]
    elif not wanted or any(wanted <= each for each in call.environment.agents[agent.id].scopes.values()):
        return {}
    else:
        asked = [each for each in call.environment.resources.values() if wanted <= each.scopes.keys()]
    for each in asked or [None]:
        if each is None or await call.administration.find(*where, "resource", each.id) is None:
            return {"resource": call.t("why.not_reached")}
    return {}


async def find_refusals(call: ConsoleCall, agent_ids: Sequence[str]) -> Sequence[Line]:
    """Find what was refused last, of all agents or of an owner's own."""
    query, find = ActivityQuery(outcome="refused", limit=2 * MAX_REFUSALS), call.services.activities.find
    if call.operator.reads_all:
        refused = (await find(call.environment.id, replace(query, limit=MAX_LIMIT))).items
        found = [each for each in refused if each.event != CHANGED]  # whoever typed them saw why
    else:
        queries = [replace(query, agent_id=each) for each in agent_ids[:MAX_LOOKED_THROUGH]]
        had_a_part = [each for one in queries for each in (await find(call.environment.id, one)).items]
        acted = {each.id: each for each in had_a_part if each.agent_ids[0] in agent_ids}
        found = sorted(acted.values(), key=lambda each: each.happened_at, reverse=True)
    return await describe(call, found[:MAX_REFUSALS])


async def name_parts(call: ConsoleCall, question: WhyQuestion) -> WhyQuestion:
    """Return the question with the names of agent, resource and user, where it has their ids."""
    agent = call.environment.agents.get(question.agent)
    resource = find_resource(call.environment, question.resource) if question.resource else None
    user = (await call.services.store.listings.usernames({question.user})).get(question.user)
    return replace(
        question,
        agent=agent.name if agent else question.agent,
        resource=resource.name if resource else question.resource,
        user=user or question.user,
    )


def pieces_of(seen: MappingSeen) -> Sequence[tuple[str, bool]]:
    """Cut a mapping into texts, each with whether it was false, so that those can be marked."""
    marked = {place for part in seen.false for place in range(part.start, part.end)}
    pieces: list[tuple[str, bool]] = []
    for place, sign in enumerate(seen.source):
        is_false = place in marked
        if pieces and pieces[-1][1] == is_false:
            pieces[-1] = (pieces[-1][0] + sign, is_false)
        else:
            pieces.append((sign, is_false))
    return pieces


def address_of(call: ConsoleCall, setting: SettingOf) -> str:
    """Return the path of the page where the setting is changed; empty where there is none for the reader."""
    if not (call.operator.reads_all or setting.kind == "agent"):
        return ""
    member = setting.member.partition(" ")[0].rstrip(",")
    if setting.kind == "environment":
        return call.path(*_OF_ENVIRONMENT.get(member, ("environment",)))
    section, first = _SECTIONS[setting.kind]
    if not setting.id:
        return call.path(section)
    return call.path(section, setting.id, *_TABS.get((setting.kind, member), first))


SECTION = ConsoleSection(
    "why",
    "monitoring",
    (ConsolePage("why", show_why),),
    seen_by=frozenset({"administrator", "auditor", "agent_owner"}),
)
