"""What a sign-on reaches.

What an agent asks for directly, what it may obtain by exchange, and whom it may pass to.

Users are shown this before they agree, and exchanges are held to what was shown. So it has to be complete
where administrators use `may_act` as it is meant; where a mapping decides by something that is not known yet,
the exchange is refused instead.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

from deputize.kernel.values import JsonObject
from deputize.oauth.access_tokens import Issue, assemble, mapping_of
from deputize.oauth.consents import CoversBuilder
from deputize.oauth.errors import InvalidGrant
from deputize.oauth.lineage import Lineage
from deputize.oauth.records.directory import Agent, Environment, Resource
from deputize.oauth.records.store import Covers
from deputize.oauth.resources import TOKEN_EXCHANGE, TokenTarget

MAX_EXCHANGES: Final = 7
"""How many exchanges in a row are followed."""


def reach_of(issue: Issue, target: TokenTarget) -> Covers:
    """What a sign-on for `target` reaches, whose access token would be `issue`.

    For the agent itself what it asks for and may obtain by exchange, for every other agent of a chain what
    that may obtain. Scopes that are asked for on use count only where `target` names them.
    """
    reached = CoversBuilder()
    for resource_id, scopes in (
        (target.resource.id, target.scopes),
        ("", target.openid_scopes),
        *target.by_exchange.items(),
    ):
        reached.add(issue.client.id, resource_id, scopes)
    pending, followed = deque([(issue, 0)]), {(issue.client.id, issue.resource.id)}
    while pending:
        held, exchanges = pending.popleft()
        subject = _claims(held)
        for agent in _exchanging(issue.environment, held.client, subject):
            for resource in _granted(issue.environment, agent):
                scopes = obtainable(agent, resource)
                reached.add(agent.id, resource.id, scopes)
                leads_on = (agent.id, resource.id) not in followed and mapping_of(
                    resource, "may_act"
                ) is not None
                if scopes and leads_on and exchanges + 1 < MAX_EXCHANGES:
                    followed.add((agent.id, resource.id))
                    pending.append((_exchanged(held, agent, resource, scopes, subject), exchanges + 1))
    return reached.covers()


def obtainable(agent: Agent, resource: Resource) -> tuple[str, ...]:
    """The scopes of `resource` that `agent` may obtain without asking for each by name."""
    granted = agent.scopes.get(resource.id, frozenset[str]())
    return tuple(
        name for name, scope in resource.scopes.items() if name in granted and scope.consent == "first"
    )


def _claims(issue: Issue) -> JsonObject:
    """The claims that the token would have; none if it could not be issued."""
    try:
        return assemble(issue).claims
    except InvalidGrant:
        return {}


def _exchanging(environment: Environment, holder: Agent, subject: JsonObject) -> Iterator[Agent]:
    """Who may exchange the token with these claims: its holder, and the agent that its `may_act` names."""
    may_act = subject.get("may_act")
    named = may_act.get("sub") if isinstance(may_act, Mapping) else None
    for agent_id in dict.fromkeys((holder.id, named)):
        agent = environment.agents.get(agent_id) if isinstance(agent_id, str) else None
        if agent and agent.enabled and TOKEN_EXCHANGE in agent.grant_types:
            yield agent


def _granted(environment: Environment, agent: Agent) -> Iterator[Resource]:
    return (environment.resources[each] for each in agent.scopes if each in environment.resources)


def _exchanged(
    held: Issue, agent: Agent, resource: Resource, scopes: tuple[str, ...], subject: JsonObject
) -> Issue:
    """The token that `agent` would get for `held`, as far as it is known before anybody asked for it."""
    environment = held.environment
    actor: JsonObject = {
        "client_id": agent.id,
        "env": environment.id,
        "iss": environment.issuer,
        "org": environment.organization_id,
    }
    return Issue(
        environment=environment,
        client=agent,
        resource=resource,
        scopes=scopes,
        grant_type=TOKEN_EXCHANGE,
        now=held.now,
        expires_at=held.expires_at,
        lineage=Lineage(None, ()),
        authentication=held.authentication,
        user=held.user,
        subject=subject,
        actor=actor,
        requested_scope=" ".join(scopes),
    )
