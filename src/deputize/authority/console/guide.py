"""The guide through an environment that is new: what there is to do, in its order, and what is next."""

from typing import Final, NamedTuple

from deputize.authority.administration import ListQuery
from deputize.authority.console.call import ConsoleCall
from deputize.authority.directory.objects import DEFAULT_POLICY
from deputize.oauth.records.directory import Agent, Environment, Resource

_SAID_AFTER: Final = frozenset(
    {
        "resources.attribute_saved",
        "resources.scope_saved",
        "agreements.saved",
        "policies.step_saved",
        "policies.saved",
        "agents.saved",
        "users.saved",
    }
)
"""What a page says after a change that something usually follows."""


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


class Begun(NamedTuple):
    """What a step of the guide lacks, where somebody has begun with it."""

    name: str
    """Of the object."""
    place: tuple[str, ...]
    """The segments of the path where it goes on."""


class NextStep(NamedTuple):
    """A link to what is usually done next."""

    words: str
    path: str


async def list_guide(call: ConsoleCall) -> tuple[GuideStep, ...]:
    """List the steps of the environment that the call is about."""
    users = await call.administration.list(call.operator, call.environment.id, "user", ListQuery(limit=1))
    return list_steps(call.environment, has_users=bool(users.items))


async def find_next(call: ConsoleCall, said: str) -> NextStep | None:
    """Find what is usually next after the change of which a page says `said`, the name of a text.

    That is what the object itself lacks, else the next step of the guide, and once that is done to try it.
    """
    if said not in _SAID_AFTER or not (call.may_change and call.operator.reads_all):
        return None
    if claim := find_missing_claim(call):
        return NextStep(claim, call.path("resources", call.id(), "add-attribute"))
    if lacking := find_lacking(call):
        return NextStep(call.t(f"{call.section}.tab_{lacking}"), call.path(call.section, call.id(), lacking))
    following = next((each for each in await list_guide(call) if not each.is_done), None)
    if following is None:
        is_called = await call.services.activities.last_delivery(call.environment.id) is not None
        return None if is_called else NextStep(call.t("overview.ready_next"), call.path())
    if following.section == call.section and call.section != "resources":
        return None  # the page itself says what is left to do
    return NextStep(call.t(f"overview.{following.name}_begin"), call.path(following.section, "new"))


def find_missing_claim(call: ConsoleCall) -> str:
    """Find what the tokens of the resource in the path do not say yet beside whom they are about; or nothing.

    That is who acts, or who may, whichever no resource says yet.
    """
    object_id = call.id() if call.section == "resources" and "id" in call.request.path_params else ""
    resources = call.environment.resources
    if object_id not in resources or [each.name for each in resources[object_id].attributes] != ["sub"]:
        return ""
    missing = (name for name in ("act", "may_act") if not any(each.maps(name) for each in resources.values()))
    return next(missing, "")


def find_lacking(call: ConsoleCall) -> str:
    """Find the tab of the resource or agent in the path on which something is still to be put in; or none."""
    object_id = call.id() if "id" in call.request.path_params else ""
    resource = call.environment.resources.get(object_id) if call.section == "resources" else None
    agent = call.environment.agents.get(object_id) if call.section == "agents" else None
    if resource is not None:
        return "attributes" if not resource.attributes else "scopes" if not resource.scopes else ""
    if agent is not None:
        return "resources" if not any(agent.scopes.values()) else "policies" if not agent.policies else ""
    return ""


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


def find_begun(environment: Environment, step: GuideStep) -> Begun | None:
    """Find the object with which the step was begun; by name, the first one."""
    resources = sorted(environment.resources.values(), key=lambda each: each.name)
    match step.name:
        case "called" | "delegating":
            claim = "act" if step.name == "called" else "may_act"
            begun = [
                Begun(each.name, ("resources", each.id, "scopes")) for each in resources if each.maps(claim)
            ]
            begun += [
                Begun(each.name, ("resources", each.id, "attributes"))
                for each in resources
                if not each.attributes
            ]
        case "agreed":
            begun = [Begun(each.name, ("agreements", each.id)) for each in environment.agreements.values()]
        case "asked":
            begun = [
                Begun(each.name, ("policies", each.id))
                for each in environment.policies.values()
                if each.name != DEFAULT_POLICY
            ]
        case "acting":
            begun = [
                Begun(each.title, ("agents", each.id, "resources"))
                for each in environment.agents.values()
                if each.enabled
            ]
        case _:
            begun = []
    return next(iter(begun), None) if step.section == "resources" else min(begun, default=None)


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
