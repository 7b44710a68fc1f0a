"""AI Agents: what acts for people, what each may do and did, and one button that stops it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final, get_args

from starlette.responses import Response

from deputize.authority.administration import EtagMismatch, NoSuchObject, ObjectView
from deputize.authority.administration.views import MAX_LIMIT
from deputize.authority.console.addresses import list_addresses
from deputize.authority.console.agent_facts import AgentFacts, collect, count_own_tokens, find_last_stop
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.delegation_picture import Drawing, Party, draw
from deputize.authority.console.ending import ends_by_disabling
from deputize.authority.console.forms import (
    Area,
    Choice,
    Choices,
    EntryForm,
    FilledForm,
    Flag,
    FormField,
    Instant,
    Json,
    Lines,
    Pairs,
)
from deputize.authority.console.owners import find_unknown_owner, suggest_owners
from deputize.authority.console.requests import problems_of
from deputize.authority.console.secrets import (
    change_secrets,
    forget_shown,
    leave_to_show,
    overlaps,
    take_shown,
)
from deputize.authority.console.section import CHANGERS, ConsolePage, ConsoleSection
from deputize.authority.directory.objects.agent import AUTHORIZATION_CODE
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.storage.activities import ActivityQuery
from deputize.jose import ID_TOKEN_ALGORITHM, Algorithm
from deputize.kernel.values import JsonObject
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.grants import GRANTS

GROUPS: Final[Mapping[str, Sequence[FormField]]] = {
    "identity": (
        FormField("name", required=True, maxlength=256),
        Area("description"),
        Pairs("names"),
        Pairs("descriptions"),
        FormField("owner", maxlength=2000),
        FormField("sponsor", maxlength=2000),
        Instant("expires_at"),
    ),
    "access": (
        Choices("grants"),
        Lines("redirect_uris"),
        Choice("client_auth"),
        Json("jwks"),
        FormField("jwks_uri", maxlength=2048),
        Json("workloads"),
        Flag("require_pushed_authorization_requests"),
        Flag("dpop_bound_access_tokens"),
    ),
    "tokens": (
        FormField("refresh_token_lifetime", default="30 days"),
        FormField("refresh_token_rolling_lifetime", default="180 days"),
        FormField("refresh_token_grace", default="30 seconds"),
        Choice("id_token_signed_response_alg", default=ID_TOKEN_ALGORITHM),
        Lines("post_logout_redirect_uris"),
        FormField("backchannel_logout_uri", maxlength=2048),
    ),
    "chains": (
        Choice("delegation_resource"),
        Lines("permitted_actors"),
        Flag("loops_allowed"),
        Json("identity_assertions"),
    ),
}
"""What can be set of an agent but on tabs of its own, under the headings `agents.group_NAME`."""
NEW = EntryForm(
    "agents",
    FormField("name", required=True, maxlength=256),
    Area("description"),
    Choices("grants"),
    Lines("redirect_uris"),
    FormField("owner"),
)
CONFIGURATION = EntryForm("agents", *chain.from_iterable(GROUPS.values()))
OWN = EntryForm("agents", Area("description"), Json("jwks"))
"""What an agent's owner may set of it."""


async def show_agents(call: ConsoleCall) -> Response:
    """List the agents."""
    page = await call.list("agent", "enabled", "introduced", "waiting", "owner")
    used = await call.services.activities.last_used(call.environment.id, [each.id for each in page.items])
    return call.show("agents.html", page=page, used=used)


async def show_new_agent(call: ConsoleCall) -> Response:
    """Show the form of a new agent."""
    grants = ["client_credentials", "refresh_token", "token_exchange"]
    return await show_form(call, NEW.fill({"grants": grants, "owner": call.operator.name}, call.moments))


async def create_agent(call: ConsoleCall) -> Response:
    """Create an agent, and go to where its secret is shown."""
    saved = await call.save("agent", NEW)
    if isinstance(saved, FilledForm):
        return await show_form(call, saved)
    secrets, agent_id = saved.changed.secrets, saved.view.id
    if not secrets:
        return await call.leave("agents", agent_id, flash="agents.saved", name=saved.view.name)
    return await leave_to_show(call, "agents", agent_id, "secret", secret=secrets[0].text)


async def show_agent(call: ConsoleCall) -> Response:
    """Show what the agent can do, for whom, since when, and when it did so last."""
    agent = await call.find("agent")
    facts = await collect(call, agent)
    layers = draw_layers(call, agent, facts)
    pictures: list[Drawing] = [draw(layers, "across"), draw(layers, "down")]
    values: dict[str, object] = {"known": facts, "pictures": pictures, "most": MAX_LIMIT}
    values["lately"] = call.moments.local_input(facts.lately)
    values["unknown_owner"] = await find_unknown_owner(call, agent)
    is_stopped = not agent.entry.get("enabled", True)
    values["stop"] = await find_last_stop(call, agent.id) if is_stopped else None
    return show_tab(call, "agents_overview.html", agent, "overview", **values)


async def show_configuration(call: ConsoleCall) -> Response:
    """Show the agent's settings."""
    agent = await call.find("agent")
    return await show_form(call, choose_form(call).fill(agent.entry, call.moments), agent)


async def save_configuration(call: ConsoleCall) -> Response:
    """Change the agent's settings."""
    agent = await call.find("agent")
    saved = await call.save("agent", choose_form(call), agent.id)
    if isinstance(saved, FilledForm):
        return await show_form(call, saved, agent)
    return await call.leave("agents", agent.id, "configuration", flash="agents.saved", name=saved.view.name)


async def show_resources(call: ConsoleCall) -> Response:
    """Show what the agent is granted on each resource."""
    return show_grants(call, await call.find("agent"))


async def save_resources(call: ConsoleCall) -> Response:
    """Grant exactly the scopes that were ticked."""
    agent = await call.find("agent")
    scopes: dict[str, list[str]] = {}
    for ticked in call.typed.get("scope", ()):
        resource_id, _, scope = ticked.partition(" ")
        if resource_id not in call.environment.resources:
            raise NoSuchObject(f"there is no resource {resource_id!r}")
        scopes.setdefault(call.environment.resources[resource_id].name, []).append(scope)
    return await _save(call, agent, {"scopes": scopes}, "resources")


async def show_policies(call: ConsoleCall) -> Response:
    """Show the policies that the agent's users sign on by."""
    return show_policy_list(call, await call.find("agent"))


async def save_policies(call: ConsoleCall) -> Response:
    """Add a policy, take one out, or move one up."""
    agent = await call.find("agent")
    names = _policies_of(agent)
    name = next(iter(call.typed.get("policy", ())), "")
    if "add" in call.typed:
        names = [*names, name]
    elif name in names:
        place = names.index(name)
        names.remove(name)
        if "up" in call.typed:
            names.insert(max(0, place - 1), name)
    return await _save(call, agent, {"policies": names}, "policies")


async def show_secrets(call: ConsoleCall) -> Response:
    """Show the client ID, and when its secrets came and go."""
    values = {"overlaps": overlaps(call), "addresses": list_addresses(call)}
    return show_tab(call, "agents_secrets.html", await call.find("agent"), "secrets", **values)


async def save_secrets(call: ConsoleCall) -> Response:
    """Draw a new secret, or end those before it."""
    return await change_secrets(call, "agent", await call.find("agent"))


async def show_new_secret(call: ConsoleCall) -> Response:
    """Show a new secret, this once, and what is done next."""
    agent = await call.find("agent")
    shown = await take_shown(call, "agents", agent.id, "secret")
    return forget_shown(call, show_tab(call, "agents_secret.html", agent, "secrets", shown=shown))


async def show_activity(call: ConsoleCall) -> Response:
    """Show what the agent did, the newest first."""
    agent = await call.find("agent")
    query = ActivityQuery(agent_id=agent.id, cursor=call.query("cursor") or None)
    page = await call.services.activities.find(call.environment.id, query)
    ids = {each.user_id for each in page.items if each.user_id}
    names = await call.services.store.listings.usernames(ids)
    resources = {each.id: each.name for each in call.environment.resources.values()}
    values = {"page": page, "usernames": names, "resources": resources}
    return show_tab(call, "agents_activity.html", agent, "activity", **values)


async def confirm_stop(call: ConsoleCall) -> Response:
    """Ask whether the agent is to be stopped, and say what ends with that."""
    agent = await call.find("agent")
    facts = await collect(call, agent)
    consequences = [
        *await ends_by_disabling(call, "agent", agent, "grants"),
        call.t("agents.ends_own", count=await count_own_tokens(call, agent.id)),
        call.t("agents.ends_people", count=facts.people),
    ]
    cancel = call.path("agents", agent.id)
    return call.confirm("stop", agent, cancel=cancel, consequences=consequences, name=agent.name)


async def stop_agent(call: ConsoleCall) -> Response:
    """Stop the agent now: every token that it has ends."""
    agent = await call.find("agent")
    where = (call.operator, call.environment.id, "agent", {"enabled": False})
    own = str(await count_own_tokens(call, agent.id))
    changed = await call.administration.change(*where, object_id=agent.id)
    ended = {"count": str(changed.ends.get("grants", 0)), "own": own}
    return await call.leave("agents", agent.id, flash="agents.stopped", name=agent.name, **ended)


async def confirm_start(call: ConsoleCall) -> Response:
    """Ask whether the agent is to act again, and say what comes back in force and what does not."""
    agent = await call.find("agent")
    if agent.facts.get("waiting"):
        return await call.leave("registration", "agents", agent.id, "approve")
    facts = await collect(call, agent)
    count = f"{facts.people}{'+' if facts.has_more else ''}"
    return call.confirm("start", agent, cancel=call.path("agents", agent.id), name=agent.name, count=count)


async def enable_agent(call: ConsoleCall) -> Response:
    """Let the agent act again; one that waits is approved of where what it says of itself is shown."""
    agent = await call.find("agent")
    if agent.facts.get("waiting"):
        return await call.leave("registration", "agents", agent.id, "approve")
    where = (call.operator, call.environment.id, "agent", {"enabled": True})
    await call.administration.change(*where, object_id=agent.id)
    return await call.leave("agents", agent.id, flash="agents.enabled_again", name=agent.name)


async def confirm_removal(call: ConsoleCall) -> Response:
    """Ask whether the agent is to go, and say what goes with it."""
    agent = await call.find("agent")
    where = (call.operator, call.environment.id, "agent", agent.id)
    removal = await call.administration.remove(*where, dry_run=True)
    consequences = [
        call.t(f"agents.ends_{name}", count=count)
        for name, count in removal.ends.items()
        if name in {"grants", "consents"}
    ]
    cancel = call.path("agents", agent.id)
    return call.confirm("remove", agent, cancel=cancel, consequences=consequences, name=agent.name)


async def remove_agent(call: ConsoleCall) -> Response:
    """Remove the agent."""
    agent = await call.find("agent")
    await call.administration.remove(call.operator, call.environment.id, "agent", agent.id)
    return await call.leave("agents", flash="agents.removed", name=agent.name)


def draw_layers(call: ConsoleCall, agent: ObjectView, facts: AgentFacts) -> Sequence[Sequence[Party]]:
    """Return who has a part in the delegation, as the picture shows it: from people to resources."""

    def used(instant: float | None) -> str:
        return call.t("agents.used", day=call.moments.day(instant)) if instant else call.t("agents.unused")

    once = [call.t("agents.former_people", count=facts.former_people)] if facts.former_people else []
    count = f"{facts.people}{'+' if facts.has_more else ''}"
    people = Party("people", call.t("agents.people", count=count), once)
    grounds = [
        Party(
            "agreement",
            each.agreement,
            [call.t("agents.version", version=each.version)],
            call.t("agents.agreed", count=each.people),
        )
        for each in facts.grounds
    ]
    middle = Party("agent", agent.name, [used(facts.last_used)])
    reached = [
        Party(
            "resource",
            each.name,
            [*(name for name, _ in each.scopes), *(str(total.tool) for total in each.tools)],
            call.t("agents.calls", count=each.permitted) if each.permitted else "",
            call.path("resources", each.id),
        )
        for each in facts.reaches
    ]
    return [[people] if call.operator.reads_all else [], grounds, [middle], reached]


def show_tab(call: ConsoleCall, template: str, agent: ObjectView, tab: str, **values: object) -> Response:
    """Show one of the agent's tabs."""
    whole = {"title": agent.name, "crumbs": _crumbs(call), "unknown_owner": "", **values}
    return call.show(template, **whole, agent=agent, tab=tab)


async def show_form(call: ConsoleCall, form: FilledForm, agent: ObjectView | None = None) -> Response:
    """Show an agent's settings, or the form of a new one."""
    words = sorted({each.word for each in GRANTS.members})
    methods = [
        ("", call.t("agents.client_auth_default")),
        *((name, name) for name in CLIENT_AUTH_METHODS.by_name),
    ]
    resources = sorted(each.name for each in call.environment.resources.values())
    form = form.with_options(
        grants=[(word, word.replace("_", " ")) for word in words],
        client_auth=methods,
        id_token_signed_response_alg=[(each, each) for each in get_args(Algorithm)],
        delegation_resource=[
            ("", call.t("agents.delegation_default")),
            *((each, each) for each in resources),
        ],
    )
    if any(each.name == "owner" for each in form.fields):
        form = form.with_options(owner=await suggest_owners(call))
    if form.value("redirect_uris").strip():
        form = replace(form, locked={"grants": (AUTHORIZATION_CODE,)})
    title = agent.name if agent else call.t("agents.new")
    crumbs = _crumbs(call)
    groups = GROUPS if form.fields == CONFIGURATION.fields else {}
    values = {"title": title, "crumbs": crumbs, "agent": agent, "groups": groups}
    values["unknown_owner"] = await find_unknown_owner(call, agent) if agent else ""
    return call.show_form("agents_form.html", form, **values, tab="configuration")


def choose_form(call: ConsoleCall) -> EntryForm:
    """Return the form of an agent's settings: an owner may set less than an administrator."""
    return CONFIGURATION if "administrator" in call.operator.roles else OWN


def show_grants(call: ConsoleCall, agent: ObjectView, problems: Sequence[str] = ()) -> Response:
    """Show the scopes of each resource, with those ticked that the agent is granted.

    Who reads only own agents sees the resources that the agent is granted, of which alone they may know.
    """
    granted = call.environment.agents[agent.id].scopes
    known = call.environment.resources.values()
    seen = (each for each in known if call.operator.reads_all or each.id in granted)
    resources = sorted(seen, key=lambda each: each.name)
    values = {"resources": resources, "granted": granted, "problems": problems}
    return show_tab(call, "agents_resources.html", agent, "resources", **values)


def show_policy_list(call: ConsoleCall, agent: ObjectView, problems: Sequence[str] = ()) -> Response:
    """Show the agent's policies in their order, and those that can be added."""
    chosen = _policies_of(agent)
    others = sorted(each.name for each in call.environment.policies.values() if each.name not in chosen)
    values = {"chosen": chosen, "others": others, "problems": problems}
    return show_tab(call, "agents_policies.html", agent, "policies", **values)


async def _save(call: ConsoleCall, agent: ObjectView, members: JsonObject, tab: str) -> Response:
    """Change members of the agent that a tab is about; where that fails the tab says why."""
    try:
        await call.administration.change(
            call.operator, call.environment.id, "agent", members, object_id=agent.id, expected=call.seen
        )
    except EnvironmentFileInvalid as error:
        told = [*problems_of(error).values()]
    except EtagMismatch:
        told = [call.t("console.changed_meanwhile")]
    else:
        return await call.leave("agents", agent.id, tab, flash="agents.saved", name=agent.name)
    return (show_grants if tab == "resources" else show_policy_list)(call, agent, told)


def _policies_of(agent: ObjectView) -> list[str]:
    named = agent.entry.get("policies", ())
    return [str(each) for each in named] if isinstance(named, Sequence) else []


def _crumbs(call: ConsoleCall) -> list[tuple[str, str]]:
    return [(call.t("agents.title"), call.path("agents"))]


SECTION = ConsoleSection(
    "agents",
    "agents",
    (
        ConsolePage("agents", show_agents),
        ConsolePage("agents/new", show_new_agent, create_agent, CHANGERS),
        ConsolePage("agents/{id}", show_agent),
        ConsolePage("agents/{id}/configuration", show_configuration, save_configuration),
        ConsolePage("agents/{id}/resources", show_resources, save_resources, CHANGERS),
        ConsolePage("agents/{id}/policies", show_policies, save_policies, CHANGERS),
        ConsolePage("agents/{id}/secrets", show_secrets, save_secrets),
        ConsolePage("agents/{id}/secret", show_new_secret),
        ConsolePage("agents/{id}/activity", show_activity),
        ConsolePage("agents/{id}/stop", confirm_stop, stop_agent),
        ConsolePage("agents/{id}/enable", confirm_start, enable_agent, CHANGERS),
        ConsolePage("agents/{id}/remove", confirm_removal, remove_agent, CHANGERS),
    ),
    seen_by=frozenset({"administrator", "auditor", "agent_owner"}),
    changed_by=frozenset({"administrator", "agent_owner"}),
)
