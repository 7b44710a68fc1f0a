"""What a sign-on reaches: what an agent asks for, what it may obtain by exchange, and whom it may pass to.

Users are shown this before they agree, and exchanges are held to what was shown. So it has to be complete
where administrators use `may_act` as it is meant; where a mapping decides by something that is not known yet,
the exchange is refused instead.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from deputize.kernel.values import JsonObject
from deputize.oauth.access_tokens import Issue, assemble, mapping_of
from deputize.oauth.consents import CoversBuilder
from deputize.oauth.delegation import named_actor
from deputize.oauth.errors import InvalidGrant
from deputize.oauth.lineage import Lineage
from deputize.oauth.records.directory import Agent, Environment, Resource
from deputize.oauth.records.store import Covers
from deputize.oauth.resources import TOKEN_EXCHANGE, TokenTarget

MAX_EXCHANGES: Final = 7
"""How many exchanges in a row are followed."""


def reach_of(issue: Issue, target: TokenTarget) -> Covers:
    """What a sign-on for `target` reaches, whose own access token would be `issue`.

    For the agent itself what it asks for and may obtain by exchange, for every other agent of a chain what
    that may obtain. Scopes that are asked for on use count only where `target` names them.
    """
    environment = issue.environment
    reached = CoversBuilder()
    reached.add(issue.client.id, target.resource.id, target.scopes)
    reached.add(issue.client.id, "", target.openid_scopes)
    for resource_id, scopes in target.by_exchange.items():
        reached.add(issue.client.id, resource_id, scopes)
    # Of a sign-on that the authority exchanges at once the agent holds the outcome alone.
    exchanges = 0 if target.subject is None else 1
    if target.subject is not None:
        issue = _exchange(issue, issue.client, target.resource, target.scopes, _claims(issue))
    pending, followed = deque([(issue, exchanges)]), {(issue.client.id, issue.resource.id)}
    while pending:
        held, exchanges = pending.popleft()
        subject = _claims(held)
        for agent in _exchangers(environment, held.client, subject):
            for resource in (
                environment.resources[each] for each in agent.scopes if each in environment.resources
            ):
                scopes = obtainable(agent, resource)
                reached.add(agent.id, resource.id, scopes)
                hop = (agent.id, resource.id)
                leads_on = hop not in followed and (
                    mapping_of(resource, "may_act") is not None or bool(agent.settings.permitted_actors)
                )
                if scopes and leads_on and exchanges + 1 < MAX_EXCHANGES:
                    followed.add(hop)
                    pending.append((_exchange(held, agent, resource, scopes, subject), exchanges + 1))
    return reached.covers()


def _claims(issue: Issue) -> JsonObject:
    """What the token would say; nothing where it could not be issued."""
    try:
        return assemble(issue).claims
    except InvalidGrant:
        return {}


def obtainable(agent: Agent, resource: Resource) -> tuple[str, ...]:
    """The scopes of `resource` that `agent` may obtain without asking for each by name."""
    granted = agent.scopes.get(resource.id, frozenset[str]())
    return tuple(
        name for name, scope in resource.scopes.items() if name in granted and scope.consent == "first"
    )


def _exchangers(environment: Environment, holder: Agent, subject: JsonObject) -> Iterator[Agent]:
    """Who may exchange the token with these claims: its holder, the agent that its `may_act` names, and those
    that its holder permits.
    """
    for agent_id in dict.fromkeys((holder.id, named_actor(subject), *holder.settings.permitted_actors)):
        agent = environment.agents.get(agent_id) if agent_id else None
        if agent and agent.enabled and TOKEN_EXCHANGE in agent.grant_types:
            yield agent


def _exchange(
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
