"""Whatever agents pass to each other: a chain only shrinks, and ends where anything that it rests on ends."""

import asyncio
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.oauth.access_tokens import Issue
from deputize.oauth.consents import covers_all
from deputize.oauth.delegation import MAX_DEPTH, actors_of
from deputize.oauth.errors import OAuthError
from deputize.oauth.introspection import LiveToken, find_live_token
from deputize.oauth.lineage import MAX_SEGMENTS, Lineage, parse_jti
from deputize.oauth.reach import reach_of
from deputize.oauth.records.directory import Scope
from deputize.oauth.resources import choose_target
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    CHAINED_ACT,
    CODE,
    CONSENT,
    ENVIRONMENT,
    MAY_ACT,
    NOW,
    SUBJECT_SUB,
    TEST,
    USER,
    WHO,
    World,
    attribute,
    grant_id_of,
    with_agent,
    with_resource,
)
from support.examples import examples
from support.records import replace

AGENTS = {AGENT_ID: "a", "bb": "b", "cc": "c"}
RESOURCES = ("first", "second", "third")
SCOPES = {"read": Scope(), "write": Scope(), "pay": Scope("", "on_use")}
named_agents = st.none() | st.sampled_from(sorted(AGENTS))


@dataclass
class Held:
    """A token of a chain, and what it was exchanged for."""

    value: str
    claims: dict[str, Any]
    by_settings: bool
    before: "Held | None"

    @property
    def way(self):
        """The tokens from the sign-on's to this one."""
        return [*(self.before.way if self.before else []), self]


def often(likely, other):
    return st.integers(0, 3).flatmap(lambda n: other if n == 0 else st.just(likely))


@st.composite
def environments(draw):
    """Three agents that may act for each other in some ways, three resources that map `act` or leave it."""
    environment = ENVIRONMENT
    for number, name in enumerate(RESOURCES):
        next_actor = draw(named_agents)
        mapped = draw(often(False, st.just(True)))
        attributes = [attribute("sub", SUBJECT_SUB)]
        attributes += [attribute("act", CHAINED_ACT)] if mapped else []
        attributes += [attribute("may_act", f'{{"sub": "{next_actor}"}}')] if next_actor else []
        resource = replace(
            TEST,
            id=name,
            name=name,
            audience=name,
            scopes=SCOPES,
            attributes=tuple(attributes),
            delegation_required=draw(st.booleans()),
            term=f"r-term-{number + 5}",
            token_lifetime=draw(st.integers(600, 7200)),
            may_outlive_subject=draw(st.booleans()),
        )
        environment = with_resource(environment, resource)
    for agent_id, letter in AGENTS.items():
        granted = {
            name: draw(often(frozenset(SCOPES), st.frozensets(st.sampled_from(sorted(SCOPES)))))
            for name in RESOURCES
        }
        agent = replace(
            AGENT,
            id=agent_id,
            name=agent_id,
            term=f"{letter}-term-1",
            scopes={AGENT_RESOURCE_ID: frozenset({"agent"}), **granted},
            permitted_actors=tuple(draw(often(tuple(AGENTS), st.just(())))),
            loops_allowed=draw(often(False, st.just(True))),
        )
        environment = with_agent(environment, agent)
    first = draw(named_agents)
    may_act = MAY_ACT if first is None else f'{{"sub": "{first}"}}'
    return with_resource(
        environment,
        replace(
            AGENT_RESOURCE, attributes=(attribute("sub", "user.username"), attribute("may_act", may_act))
        ),
    )


attempts = st.lists(
    st.tuples(
        st.integers(0, 9),  # which token, the latest mostly
        st.sampled_from(sorted(AGENTS)),
        st.sampled_from(RESOURCES),
        often("read", st.sampled_from(["read write", "write", "read write pay", ""])),
        often(True, st.just(False)),  # with an actor token
        st.integers(0, 600),  # seconds later
    ),
    min_size=5,
    max_size=12,
)
covers = st.none() | st.fixed_dictionaries(
    {
        agent: st.fixed_dictionaries(
            {name: st.sampled_from([(), ("read",), tuple(SCOPES)]) for name in RESOURCES}
        )
        for agent in AGENTS
    }
)


def reached(environment):
    """What the page of the first agent's sign-on shows."""
    client = environment.agents[AGENT_ID]
    target = choose_target(environment, client, {"scope": "agent"}, user_present=True)
    issue = Issue(
        environment=environment,
        client=client,
        resource=target.resource,
        scopes=target.scopes,
        grant_type="authorization_code",
        now=NOW,
        expires_at=int(NOW) + 3600,
        lineage=Lineage(None, ()),
        authentication=WHO,
        user=USER,
    )
    return reach_of(issue, target)


async def begin(environment, agreed):
    world = World(environment)
    world.store.consents[CONSENT.id] = replace(CONSENT, covers=agreed)
    response = await world.sign_on()
    return world, Held(response.access_token, dict(response.claims), by_settings=False, before=None)


async def grow(world, held, tried):
    """Every token that came of these attempts, each checked against the one it was exchanged for."""
    for which, client_id, resource, scope, acting, later in tried:
        subject = held[-1 - which % len(held)] if which > 4 else held[-1]
        world.now += later
        try:
            actor = await world.actor_token(client_id) if acting else None
            response = await world.exchange(subject.value, actor, client_id, scope=scope, resource=resource)
        except OAuthError:
            continue
        claims = dict(response.claims)
        named = subject.claims.get("may_act", {}).get("sub") == client_id
        by_settings = client_id != subject.claims["client_id"] and not named
        held.append(Held(response.access_token, claims, by_settings, subject))
    return held


def check_shrinks(environment, agreed, token):
    claims, before, way = token.claims, token.before.claims, token.before.way
    client = environment.agents[claims["client_id"]]
    holder = environment.agents[before["client_id"]]
    # Who may: the holder, whom the token names, whom the holder permits. And it is said who acts.
    assert client.id in {holder.id, before.get("may_act", {}).get("sub"), *holder.settings.permitted_actors}
    assert claims["act"]["sub"] == client.id
    assert claims["act"].get("act") == before.get("act")
    assert len(actors_of(claims["act"])) <= MAX_DEPTH
    # Scopes: what was granted, agreed to, and had of the same resource before.
    scopes, resource = set(claims["scope"].split()), claims["aud"][0]
    assert scopes <= client.scopes[resource]
    assert scopes <= set(agreed.get(client.id, {}).get(resource, ()))
    for each in way:
        assert each.claims["aud"] != claims["aud"] or scopes <= set(each.claims["scope"].split())
    # Lifetime: prolonged by the first exchange of the agent that signed the user on at most.
    may_outlive = environment.resources[resource].settings.may_outlive_subject
    first = token.before.before is None and client.id == AGENT_ID
    assert claims["exp"] <= before["exp"] or (first and may_outlive)
    # Depth: each exchange takes one of those that are left.
    terms = parse_jti(claims["jti"]).terms
    assert len(terms) == len(way) + 1 <= MAX_SEGMENTS
    # Loops: nobody comes back whom somebody else followed, unless it may.
    agents = [each.claims["client_id"] for each in way]
    assert agents[-1] == client.id or client.id not in agents or client.settings.loops_allowed


@settings(max_examples=examples(250), deadline=None)
@given(environments(), covers, attempts)
def test_a_chain_only_shrinks(environment, agreed, tried):
    async def run():
        shown = reached(environment) if agreed is None else agreed
        world, first = await begin(environment, shown)
        for token in (await grow(world, [first], tried))[1:]:
            check_shrinks(environment, shown, token)

    asyncio.run(run())


@settings(max_examples=examples(150), deadline=None)
@given(environments(), attempts)
def test_whom_and_what_a_chain_reaches_is_on_the_page(environment, tried):
    """With everything agreed to, nothing is obtained that the page would not have shown."""

    async def run():
        everything = {agent: {name: tuple(SCOPES) for name in RESOURCES} for agent in AGENTS}
        world, first = await begin(environment, everything)
        shown = reached(environment)
        for token in (await grow(world, [first], tried))[1:]:
            client_id, (resource,) = token.claims["client_id"], token.claims["aud"]
            at_first = tuple(
                each for each in token.claims["scope"].split() if SCOPES[each].consent == "first"
            )
            assert covers_all(shown, {client_id: {resource: at_first}})

    asyncio.run(run())


ENDINGS = [
    *("revoked", "agent disabled", "permission taken back", "withdrawn from it", "withdrawn"),
    *("grant ended", "scopes lost"),
]


@settings(max_examples=examples(150), deadline=None)
@given(environments(), attempts, st.sampled_from(ENDINGS), st.integers(0, 20))
def test_what_ends_at_one_hop_ends_for_everything_behind_it_and_nothing_else(
    environment, tried, ending, which
):
    async def run():
        everything = {agent: {name: tuple(SCOPES) for name in RESOURCES} for agent in AGENTS}
        world, first = await begin(environment, everything)
        held = await grow(world, [first], tried)
        hop = held[which % len(held)]
        ends_permission = ending == "permission taken back" and hop.before is not None
        agent = environment.agents[(hop.before if ends_permission else hop).claims["client_id"]]

        def ends(each):
            """Whether this token of a way is ended itself."""
            match ending:
                case "revoked":
                    return each is hop
                case "agent disabled" | "withdrawn from it":
                    return each.claims["client_id"] == agent.id
                case "permission taken back":
                    return each.by_settings and each.before.claims["client_id"] == agent.id
                case "scopes lost":
                    return each.claims["client_id"] == agent.id and each.claims["aud"] == hop.claims["aud"]
            return True

        match ending:
            case "revoked":
                world.store.revoked.add(hop.claims["jti"])
            case "agent disabled":
                world.environment = with_agent(environment, replace(agent, enabled=False))
            case "permission taken back":
                world.environment = with_agent(environment, replace(agent, permitted_actors=()))
            case "withdrawn from it":
                world.store.users[USER.id] = replace(USER, withdrawals={agent.id: 1})
            case "withdrawn":
                world.store.consents[CONSENT.id] = replace(CONSENT, withdrawn_at=world.now)
            case "grant ended":
                grant_id = grant_id_of(CODE)
                world.store.grants[grant_id] = replace(world.store.grants[grant_id], ended_at=world.now)
            case "scopes lost":
                lost = environment.resource_of_audience(hop.claims["aud"][0]).id
                kept = {name: scopes for name, scopes in agent.scopes.items() if name != lost}
                world.environment = with_agent(environment, replace(agent, scopes=kept))
        for token in held:
            found = await find_live_token(
                world.environment, token.value, world.store, world.ports.verifier, world.now
            )
            lapsed = token.claims["exp"] <= world.now
            assert isinstance(found, LiveToken) == (not lapsed and not any(map(ends, token.way))), found

    asyncio.run(run())
