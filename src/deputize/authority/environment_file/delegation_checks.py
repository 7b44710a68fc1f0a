"""What an environment file says about who acts for users, as far as the protocol's rules can judge it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from deputize.authority.directory.objects import AgentObject, ResourceObject
from deputize.authority.environment_file.outcome import Outcome
from deputize.authority.environment_file.problems import Problems, known_names
from deputize.kernel import pointers
from deputize.oauth.resources import TOKEN_EXCHANGE

_DECIDING = frozenset({"scopes", "redirect_uris", "grants", "delegation_resource"})


def check_delegation(outcome: Outcome, problems: Problems) -> None:
    """It is clear what users sign on for where the authority makes an exchange itself.

    An agent that can exchange tokens has another way to resources that require delegation, and one without
    users of its own gets there by others' tokens only. What is stored was judged before.
    """
    resources = {each.name: each for each in outcome.objects(ResourceObject).values()}
    for pointer, agent in outcome.entries(AgentObject):
        if _DECIDING.isdisjoint(agent.model_fields_set):
            continue
        granted = granted_resources(agent.scopes, outcome)
        if agent.delegation_resource is not None:
            place = f"{pointer}/delegation_resource"
            _check_named(agent.delegation_resource, granted, resources, place, problems)
        elif (
            agent.redirect_uris
            and TOKEN_EXCHANGE not in agent.grant_types
            and (found := find_unreached(granted))
        ):
            place = pointers.join(pointer, "scopes", found.resource)
            problems.add(place, found.reason, found.fix, at_key=True)
    registration = outcome.settings.registration
    if registration and registration.agent.delegation_resource is not None:
        granted = granted_resources(registration.agent.scopes, outcome)
        place = "/registration/agent/delegation_resource"
        _check_named(registration.agent.delegation_resource, granted, resources, place, problems)


def _check_named(
    named: str,
    granted: Mapping[str, ResourceObject],
    resources: Mapping[str, ResourceObject],
    place: str,
    problems: Problems,
) -> None:
    if named not in resources:
        problems.add(place, f"there is no resource {named!r}", known_names(resources))
    elif named not in granted:
        problems.add(place, f"the agent is granted no scope of the resource {named!r}", "grant it one")
    elif granted[named].requires_delegation:
        reason = f"the resource {named!r} requires delegation itself, so nobody can sign on for it first"
        fix = "name a resource that maps may_act and does not require delegation"
        problems.add(place, reason, fix)


def check_permitted_actors(outcome: Outcome, problems: Problems) -> None:
    """Agents permit others that there are and that can exchange tokens. What is stored was judged before."""
    agents = {each.name: each for each in outcome.objects(AgentObject).values()}
    for pointer, agent in outcome.entries(AgentObject):
        named = agent.permitted_actors if "permitted_actors" in agent.model_fields_set else ()
        for index, name in enumerate(named):
            place = f"{pointer}/permitted_actors/{index}"
            if name not in agents:
                problems.add(place, f"there is no agent {name!r}", known_names(agents))
            elif name == agent.name:
                problems.add(place, "an agent needs no permission to use its own tokens", "leave it out")
            elif TOKEN_EXCHANGE not in agents[name].grant_types:
                reason = f"the agent {name!r} cannot exchange tokens, so it would never act"
                problems.add(place, reason, "give it the grant token_exchange, or leave it out")


class Unreached(NamedTuple):
    """A resource that requires delegation and that no sign-on reaches."""

    resource: str
    reason: str
    fix: str


def find_unreached(granted: Mapping[str, ResourceObject]) -> Unreached | None:
    """What of `granted` no sign-on reaches where `delegation_resource` has its default.

    That is the only granted resource that maps `may_act` and does not require delegation itself.
    """
    delegated = [name for name, resource in granted.items() if resource.requires_delegation]
    possible = [
        name
        for name, resource in granted.items()
        if resource.maps("may_act") and not resource.requires_delegation
    ]
    if not delegated or len(possible) == 1:
        return None
    reason = (
        f"the resource {delegated[0]!r} requires delegation, and nothing says for what users sign on first: "
        f"{len(possible)} of the granted resources map may_act without requiring delegation"
    )
    choose = f"set delegation_resource to one of {', '.join(possible)}"
    grant = "grant scopes of such a resource, or the grant token_exchange"
    return Unreached(delegated[0], reason, choose if possible else grant)


def granted_resources(scopes: Mapping[str, Sequence[str]], outcome: Outcome) -> Mapping[str, ResourceObject]:
    """The resources of which `scopes` grants any, by name."""
    resources = {each.name: each for each in outcome.objects(ResourceObject).values()}
    return {name: resources[name] for name, names in scopes.items() if names and name in resources}
