"""What was agreed to is exactly what a page showed, and whatever goes beyond it is asked for."""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.signon.disclosure import disclose
from deputize.oauth.consents import (
    covers_all,
    due_agreements,
    extend_consent,
    is_in_force,
    join_covers,
    keep_granted,
    new_consent,
    subtract_covers,
)
from deputize.oauth.records.directory import Scope
from deputize.oauth.records.store import Consent
from deputize.oauth.resources import TokenTarget
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    AGREEMENT,
    AGREEMENT_ID,
    ENVIRONMENT,
    ENVIRONMENT_ID,
    NOW,
    OTHER,
    OTHER_ID,
    POLICY,
    TEST,
    TEST_ID,
    TEXT,
    USER,
    USER_ID,
)
from support.authority import Browser, RunningAuthority, running_authority
from support.examples import examples

DAY = 86400
SCOPES = ("x", "y", "z")
RESOURCES = {
    each: replace(
        TEST,
        id=each,
        name=f"name of {each}",
        audience=f"https://{each}.example",
        scopes=dict.fromkeys(SCOPES, Scope()),
    )
    for each in ("r", "s")
}
GRANTED = {each: frozenset(SCOPES) for each in RESOURCES}
AGENTS = {
    "a": replace(AGENT, id="a", name="A", scopes=GRANTED),
    "b": replace(OTHER, id="b", name="B", scopes=GRANTED),
}
SMALL = replace(ENVIRONMENT, resources=RESOURCES, agents=AGENTS)

triples = st.sets(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["r", "s"]), st.sampled_from(SCOPES))
)


def as_covers(chosen):
    covers = {}
    for agent, resource, scope in sorted(chosen):
        covers.setdefault(agent, {}).setdefault(resource, []).append(scope)
    return {
        agent: {each: tuple(scopes) for each, scopes in resources.items()}
        for agent, resources in covers.items()
    }


def as_triples(covers):
    return {
        (agent, resource, scope)
        for agent, resources in covers.items()
        for resource, scopes in resources.items()
        for scope in scopes
    }


@given(triples, triples)
def test_covers_are_sets_of_scopes(one, other):
    first, second = as_covers(one), as_covers(other)
    assert as_triples(join_covers(first, second)) == one | other
    assert as_triples(subtract_covers(first, second)) == one - other
    assert covers_all(first, second) == (one >= other)
    assert as_triples(keep_granted(SMALL, first)) == one


consents = st.builds(
    Consent,
    id=st.just("before"),
    environment_id=st.just(ENVIRONMENT_ID),
    user_id=st.just(USER_ID),
    client_id=st.just("a"),
    agreement_id=st.just(AGREEMENT_ID),
    version=st.integers(1, 3),
    revision=st.just("r1"),
    locale=st.just("en"),
    accepted_at=st.floats(NOW - 300 * DAY, NOW),
    expires_at=st.none() | st.floats(NOW - DAY, NOW + DAY),
    covers=triples.map(as_covers),
    withdrawn_at=st.none() | st.just(NOW - 1),
)


@given(st.none() | consents, triples.filter(bool), st.integers(1, 3))
def test_a_prompt_is_due_exactly_when_a_consent_in_force_does_not_cover_everything(consent, reached, version):
    agreement = replace(AGREEMENT, version=version)
    due = due_agreements(
        POLICY, {AGREEMENT_ID: agreement}, [consent] if consent else [], as_covers(reached), NOW
    )
    in_force = (
        consent is not None
        and consent.withdrawn_at is None
        and consent.version >= version
        and (consent.expires_at is None or consent.expires_at > NOW)
        and consent.accepted_at + 180 * DAY > NOW
    )
    assert bool(due) == (not in_force or not reached <= as_triples(consent.covers))


def shown(disclosure):
    """Every (agent, resource, scope) on the page, as often as it stands there."""
    own = [("a", line) for line in (*disclosure.asked, *disclosure.obtainable, *disclosure.agreed)]
    others = [
        (each.name.lower(), line)
        for each in (*disclosure.others, *disclosure.agreed_others)
        for line in each.resources
    ]
    return [
        (agent, line.name.removeprefix("name of "), scope.name)
        for agent, line in (*own, *others)
        for scope in line.scopes
    ]


@given(st.none() | consents, triples.filter(bool), triples)
def test_saying_yes_covers_what_the_page_showed_and_nothing_else(previous, reached, later):
    in_force = is_in_force(previous, AGREEMENT, NOW)
    target = TokenTarget(RESOURCES["r"], ("x",))
    page = disclose(
        SMALL, AGENTS["a"], target, as_covers(reached), previous.covers if previous and in_force else {}, ()
    )
    assert sorted(shown(page)) == sorted(as_triples(page.covers)), (
        "each once, and nothing that is not covered"
    )
    assert as_triples(page.covers) == reached | (
        as_triples(previous.covers) if previous and in_force else set()
    )
    accepted = new_consent(USER, AGENTS["a"], AGREEMENT, TEXT, page.covers, consent_id="drawn", now=NOW)
    accepted = extend_consent(previous, AGREEMENT, accepted)
    assert accepted.id == ("before" if in_force else "drawn"), (
        "what ended does not come back, what goes on goes on"
    )
    due = due_agreements(POLICY, {AGREEMENT_ID: AGREEMENT}, [accepted], as_covers(later), NOW)
    assert bool(due) == (not later <= as_triples(page.covers))


WIDE = {
    TEST_ID: replace(
        TEST, scopes={"test": Scope("Use"), "more": Scope("Use more"), "pay": Scope("Pay", "on_use")}
    ),
    AGENT_RESOURCE_ID: AGENT_RESOURCE,
}
EVERY_SCOPE = ("test", "more", "pay")


@dataclass
class Model:
    """Two agents of one user: what the administrator granted them, and what the user agreed to for each."""

    granted: dict[str, set[str]] = field(default_factory=lambda: {AGENT_ID: {"test"}, OTHER_ID: {"test"}})
    agreed: dict[str, set[str]] = field(default_factory=dict)

    def reached(self, agent: str, asked: frozenset[str]) -> set[str]:
        return (self.granted[agent] - {"pay"}) | (asked - {"agent"})

    def covers(self, agent: str, asked: frozenset[str]) -> bool:
        return agent in self.agreed and self.reached(agent, asked) <= self.agreed[agent]

    def agree(self, agent: str, asked: frozenset[str]) -> None:
        kept = self.agreed.get(agent, set()) & (self.granted[agent] | {"email"})
        self.agreed[agent] = kept | self.reached(agent, asked)


agents = st.sampled_from([AGENT_ID, OTHER_ID])
asking = st.sampled_from([frozenset({"agent"}), frozenset({"agent", "email"}), frozenset({"agent", "pay"})])
actions = st.one_of(
    st.tuples(st.just("agree"), agents, asking),
    st.tuples(st.just("decline"), agents, asking),
    st.tuples(st.just("withdraw"), agents, asking),
    st.tuples(st.just("grant"), agents, st.sets(st.sampled_from(EVERY_SCOPE), min_size=1).map(frozenset)),
)


def request(model: Model, agent: str, asked: frozenset[str]) -> frozenset[str]:
    """What the agent asks for, as far as it is granted: other requests are refused whatever was agreed to."""
    return asked if "pay" not in asked or "pay" in model.granted[agent] else frozenset({"agent"})


async def carry_out(
    action, agent, argument, model: Model, authority: RunningAuthority, browser: Browser
) -> None:
    if action == "grant":
        model.granted[agent] = set(argument)
        environment = authority.directory.environment
        changed = replace(
            environment.agents[agent], scopes={AGENT_RESOURCE_ID: frozenset({"agent"}), TEST_ID: argument}
        )
        authority.directory.replace(agents={**environment.agents, agent: changed})
        return
    if action == "withdraw":
        model.agreed.pop(agent, None)
        await authority.store.consents.withdraw_consents(
            ENVIRONMENT_ID, USER_ID, agent, authority.clock.now()
        )
        return
    asked = request(model, agent, argument)
    await browser.get(authority.authorize_url(client_id=agent, scope=" ".join(sorted(asked))))
    assert ("act for you?" in browser.heading) == (not model.covers(agent, asked))
    if "act for you?" in browser.heading:
        await browser.submit(action="accept" if action == "agree" else "decline")
        if action == "agree":
            model.agree(agent, asked)


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(actions, min_size=1, max_size=10))
async def test_nothing_is_had_silently_that_was_not_agreed_to_for_that_agent(steps):
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        async with running_authority(Path(folder) / "data") as authority, authority.client() as client:
            authority.directory.replace(resources=WIDE)
            browser = Browser(authority, client)
            await browser.get(f"{authority.path}/account")
            await browser.sign_on()
            for action, agent, argument in steps:
                await carry_out(action, agent, argument, model, authority, browser)
                authority.clock.instant += 1
                for each in (AGENT_ID, OTHER_ID):
                    for wanted in (
                        frozenset({"agent"}),
                        frozenset({"agent", "email"}),
                        frozenset({"agent", "pay"}),
                    ):
                        asked = request(model, each, wanted)
                        await browser.get(
                            authority.authorize_url(
                                client_id=each, scope=" ".join(sorted(asked)), prompt="none"
                            )
                        )
                        expected = "code" if model.covers(each, asked) else "consent_required"
                        assert browser.answer.get("error", "code") == expected, (each, asked)
