"""The first page of an environment: what there is in it, the way to what is not there yet, and what then.

The administrators' own environment leads to the others, in which agents are set up.
"""

from typing import Final, NamedTuple

from starlette.responses import Response

from deputize.authority.administration import ListQuery
from deputize.authority.administration.administrators import ROLES
from deputize.authority.console.addresses import list_addresses
from deputize.authority.console.attention import list_concerns
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.console.session import administrators
from deputize.oauth.records.directory import Agent, Environment, Resource

BESIDE: Final = ("environment", "keys", "registration")
"""Sections that no step of the guide needs, and that are worth a look before people come."""


class GuideStep(NamedTuple):
    """A step on the way to an agent that acts for a user."""

    name: str
    """Of its texts, `overview.NAME` and `overview.NAME_text`."""
    section: str
    """Where it is done."""
    is_done: bool


class ReadyPair(NamedTuple):
    """What can be tried once the guide is done."""

    agent: Agent
    resource: Resource
    """What the agent calls; its tokens say who acts."""


async def show_overview(call: ConsoleCall) -> Response:
    """Count what there is, by kind, and lead to what is missing; to owners of agents show theirs."""
    if not call.operator.reads_all:
        return call.show("overview_agents.html", page=await call.list("agent", "enabled"))
    environment, home = call.environment, administrators(call.services)
    if home is not None and environment.id == home.id:
        others = [each for each in call.frame["environments"] if each.id != home.id]
        return call.show("overview_environments.html", others=others)
    counts = (
        ("resources", len(environment.resources)),
        ("agreements", len(environment.agreements)),
        ("policies", len(environment.policies)),
        ("agents", len(environment.agents)),
    )
    users = await call.administration.list(call.operator, environment.id, "user", ListQuery(limit=1))
    guide = list_steps(environment, has_users=bool(users.items))
    following = next((each for each in guide if not each.is_done), None)
    return call.show(
        "overview.html",
        counts=counts,
        guide=guide,
        following=following,
        beside=BESIDE,
        ready=None if following else find_ready(environment),
        addresses=list_addresses(call),
        authority_url=environment.issuer.removesuffix("/as"),
        is_called=await call.services.activities.last_delivery(environment.id) is not None,
        concerns=await list_concerns(call),
    )


def list_steps(environment: Environment, *, has_users: bool) -> tuple[GuideStep, ...]:
    """List the steps in the order in which they are done, each resting on those before."""
    resources = environment.resources.values()
    asked = (step.type == "AGREEMENT" for each in environment.policies.values() for step in each.steps)
    enabled = any(agreement.enabled for agreement in environment.agreements.values())
    return (
        GuideStep("called", "resources", any(each.maps("act") and each.scopes for each in resources)),
        GuideStep("delegating", "resources", any(each.maps("may_act") and each.scopes for each in resources)),
        GuideStep("agreed", "agreements", enabled),
        GuideStep("asked", "policies", any(asked)),
        GuideStep("acting", "agents", find_ready(environment) is not None),
        GuideStep("acted_for", "users", has_users),
    )


def find_ready(environment: Environment) -> ReadyPair | None:
    """Find an agent that may call a resource whose tokens say who acts, one that signs users on first."""
    called = {each.id: each for each in environment.resources.values() if each.maps("act")}
    pairs = [
        ReadyPair(agent, called[resource_id])
        for agent in environment.agents.values()
        if agent.enabled
        for resource_id, scopes in agent.scopes.items()
        if scopes and resource_id in called
    ]
    return min(
        pairs,
        key=lambda each: (not each.agent.redirect_uris, each.agent.name, each.resource.name),
        default=None,
    )


SECTION = ConsoleSection("overview", "overview", (ConsolePage("", show_overview),), seen_by=frozenset(ROLES))
