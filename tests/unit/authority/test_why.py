"""Each refusal is decided again: the step that failed, the false part of a mapping, the setting to change."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from deputize.authority.why import WhyQuestion, explain_decision, question_of
from deputize.diagnosis import causes
from deputize.diagnosis.cause import PAGES
from deputize.oauth.errors import OAuthError
from deputize.oauth.records.directory import Scope
from deputize.oauth.records.settings import AgreementSettings, ResourceSettings
from support import agent_delegation as use_case
from support.agent_delegation import World, attribute, with_agent, with_resource
from support.records import replace

STRANGER = replace(use_case.AGENT, id="stranger", name="Stranger", term="s-term-1", scopes={})
ASKED = WhyQuestion("MCP Tutorial", "test", "demouser", ("test",), exchanges=True)


def mapping(resource, *attributes, **changes):
    return lambda world: setattr(
        world,
        "environment",
        with_resource(world.environment, replace(resource, attributes=attributes, **changes)),
    )


def agent(**changes):
    return lambda world: setattr(
        world, "environment", with_agent(world.environment, replace(use_case.AGENT, **changes))
    )


def environment(**changes):
    return lambda world: setattr(world, "environment", replace(world.environment, **changes))


def consent(**changes):
    return lambda world: world.store.consents.update(
        {use_case.CONSENT_ID: replace(use_case.CONSENT, **changes)}
    )


def user(**changes):
    return lambda world: world.store.users.update({use_case.USER_ID: replace(use_case.USER, **changes)})


AGREEMENT = use_case.AGREEMENT
FREE = ResourceSettings.model_construct(impersonation_allowed=True)


@dataclass
class Refusal:
    """What is wrong, and what has to be said about it."""

    cause: Any
    breaks: Any
    step: str
    setting: tuple[str, str] | None = None
    false: str = ""
    """The part of a mapping that is highlighted."""
    asks: WhyQuestion = ASKED


REFUSALS = {
    "disabled": Refusal(causes.AGENT_DISABLED, agent(enabled=False), "agent", ("agent", "enabled")),
    "past-its-end": Refusal(
        causes.AGENT_EXPIRED, agent(enabled=False, is_over=True), "agent", ("agent", "expires_at")
    ),
    "no-agent": Refusal(
        causes.CLIENT_UNKNOWN, agent(), "agent", asks=WhyQuestion("Nobody", "test", "demouser")
    ),
    "no-resource": Refusal(
        causes.AUDIENCE_UNKNOWN,
        agent(),
        "resource",
        asks=WhyQuestion("MCP Tutorial", f"{use_case.TEST_AUDIENCE}/", "demouser"),
    ),
    "scope": Refusal(
        causes.SCOPE_NOT_GRANTED,
        agent(scopes={use_case.AGENT_RESOURCE_ID: frozenset({"agent"})}),
        "scopes",
        ("agent", "scopes"),
    ),
    "grant": Refusal(
        causes.GRANT_NOT_GRANTED,
        agent(grant_types=frozenset({"client_credentials", "authorization_code"})),
        "grants",
        ("agent", "grants"),
    ),
    "policy-gone": Refusal(causes.POLICY_MISSING, environment(policies={}), "policy", ("agent", "policies")),
    "user-disabled": Refusal(causes.USER_DISABLED, user(enabled=False), "user", ("user", "enabled")),
    "withdrawn": Refusal(
        causes.CONSENT_MISSING, consent(withdrawn_at=use_case.NOW - 1), "consent", ("user", "consents")
    ),
    "expired": Refusal(causes.CONSENT_MISSING, consent(expires_at=use_case.NOW - 1), "consent"),
    "older-version": Refusal(
        causes.CONSENT_MISSING,
        environment(agreements={AGREEMENT.id: replace(AGREEMENT, version=2)}),
        "consent",
    ),
    "interval": Refusal(
        causes.CONSENT_MISSING,
        environment(
            agreements={
                AGREEMENT.id: replace(AGREEMENT, settings=AgreementSettings(reconsent_every="1 minute"))
            }
        ),
        "consent",
    ),
    "not-covered": Refusal(
        causes.CONSENT_DOES_NOT_COVER,
        consent(covers={use_case.AGENT_ID: {use_case.AGENT_RESOURCE_ID: ("agent",)}}),
        "consent",
    ),
    "no-may-act": Refusal(
        causes.MAY_ACT_MISSING,
        mapping(use_case.AGENT_RESOURCE, attribute("sub", "user.username")),
        "may_act",
        ("resource", "attributes"),
        "#root.context.requestData.subjectToken.may_act",
    ),
    "may-act-null": Refusal(
        causes.MAY_ACT_MISSING,
        mapping(use_case.AGENT_RESOURCE, attribute("may_act", "user.nothing")),
        "may_act",
        ("resource", "attributes"),
        "user.nothing",
    ),
    "may-act-other": Refusal(
        causes.MAY_ACT_NAMES_ANOTHER,
        mapping(use_case.AGENT_RESOURCE, attribute("may_act", "{'sub': 'x'}")),
        "may_act",
        ("resource", "attributes"),
        use_case.ACT.partition("(")[2].partition(")")[0],
    ),
    "act-null": Refusal(
        causes.ACT_MAPPING_FALSE,
        mapping(use_case.TEST, attribute("act", "#root.context.requestData.subjectToken.mayact")),
        "act",
        ("resource", "attributes"),
        "#root.context.requestData.subjectToken.mayact",
    ),
    "required": Refusal(
        causes.REQUIRED_CLAIM_MISSING,
        mapping(use_case.TEST, attribute("mail", "user.mail", required=True)),
        "claims",
        ("resource", "attributes"),
    ),
    "another-agents-token": Refusal(
        causes.MAY_ACT_NAMES_ANOTHER,
        agent(),
        "may_act",
        ("resource", "attributes"),
        use_case.ACT.partition("(")[2].partition(")")[0],
        asks=replace(ASKED, agent="Other Agent", signed_on_by="MCP Tutorial"),
    ),
    "scope-of-none": Refusal(
        causes.SCOPE_NOT_GRANTED,
        agent(),
        "scopes",
        ("agent", "scopes"),
        asks=WhyQuestion("MCP Tutorial", "", "demouser", ("nothing",)),
    ),
    "scope-of-two": Refusal(
        causes.REQUEST_REFUSED,
        mapping(use_case.AGENT_RESOURCE, scopes={"test": Scope(), "agent": Scope()}),
        "resource",
        asks=WhyQuestion("Stranger", "", "demouser", ("test",)),
    ),
    "own": Refusal(
        causes.DELEGATION_REQUIRED,
        agent(),
        "delegation",
        ("resource", "delegation_required"),
        asks=WhyQuestion("MCP Tutorial", "test", scopes=("test",)),
    ),
    "own-grant": Refusal(
        causes.GRANT_NOT_GRANTED,
        agent(grant_types=frozenset({"authorization_code"})),
        "grants",
        asks=WhyQuestion("MCP Tutorial", "agent", scopes=("agent",)),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_explained(name):
    refusal, world = REFUSALS[name], World(with_agent(use_case.ENVIRONMENT, STRANGER))
    refusal.breaks(world)
    decision = await explain_decision(world.environment, world.ports, refusal.asks, world.now)
    failed = decision.failed
    assert (failed.cause, failed.name) == (refusal.cause, refusal.step)
    assert decision.steps[-1] is failed
    assert decision.claims == {}
    if refusal.setting:
        assert (failed.setting.kind, failed.setting.member) == refusal.setting
    assert bool(failed.setting) == (failed.cause.setting.kind in PAGES or bool(refusal.setting))
    shown = [seen.source[part.start : part.end] for seen in failed.mappings for part in seen.false]
    assert refusal.false in shown or not refusal.false
    assert failed.because
    assert failed.fix


async def test_what_holds_is_told_step_by_step():
    world = World()
    decision = await explain_decision(world.environment, world.ports, ASKED, world.now)
    assert [(each.name, each.outcome) for each in decision.steps] == [
        (name, "held")
        for name in (
            "agent",
            "resource",
            "scopes",
            "grants",
            "sign-on",
            "policy",
            "user",
            "consent",
            "exchange",
        )
    ]
    claims = decision.claims
    assert (claims["aud"], claims["act"], claims["sub"]) == (
        [use_case.TEST_AUDIENCE],
        {"sub": use_case.AGENT_ID},
        "demouser",
    )


async def test_a_policy_without_an_agreement_is_noted_and_refuses_nobody():
    world = World()
    policy = replace(use_case.POLICY, steps=use_case.POLICY.steps[:1])
    world.environment = replace(world.environment, policies={policy.name: policy})
    decision = await explain_decision(world.environment, world.ports, ASKED, world.now)
    assert [(each.name, each.cause) for each in decision.steps if each.outcome == "note"] == [
        ("policy", causes.NO_CONSENT_PROMPT)
    ]
    assert decision.failed is None


async def test_a_disabled_agreement_is_noted_as_such():
    world = World()
    environment(agreements={AGREEMENT.id: replace(AGREEMENT, enabled=False)})(world)
    decision = await explain_decision(world.environment, world.ports, ASKED, world.now)
    noted = next(each for each in decision.steps if each.outcome == "note")
    assert (noted.cause, noted.setting.id) == (causes.AGREEMENT_DISABLED, AGREEMENT.id)


async def test_what_was_granted_since_is_noted_as_asked_for_anew():
    world = World()
    more = replace(use_case.TEST, scopes={**use_case.TEST.scopes, "new": Scope("More")})
    world.environment = with_agent(
        with_resource(world.environment, more),
        replace(
            use_case.AGENT, scopes={**use_case.AGENT.scopes, use_case.TEST_ID: frozenset({"test", "new"})}
        ),
    )
    decision = await explain_decision(world.environment, world.ports, ASKED, world.now)
    assert [each.cause for each in decision.steps if each.outcome == "note"] == [causes.SCOPES_CHANGE]
    assert decision.failed is None


async def test_a_record_is_a_question_about_the_sign_on_it_rested_on():
    world = World()
    issued = await world.sign_on()
    record = {
        "eventName": "DEPUTIZE-TOKEN-REFUSED",
        "clientId": use_case.AGENT_ID,
        "userId": use_case.USER_ID,
        "requestedResource": use_case.TEST_AUDIENCE,
        "requestedScope": "test",
        "subjectJti": issued.claims["jti"],
        "reason": "the subject_token is dead: the session was ended",
    }
    question = question_of(json.loads(json.dumps(record)))
    assert question.grant_id == issued.claims["jti"].partition(".")[0]
    world.store.sessions[use_case.SESSION_ID] = replace(use_case.SESSION, ended_at=world.now)
    decision = await explain_decision(world.environment, world.ports, question, world.now)
    assert decision.steps[0].cause is causes.GRANT_ENDED
    assert (decision.failed.name, decision.failed.values["reason"]) == ("grant", "the session was ended")


async def test_a_sign_on_in_one_step_is_decided_as_the_exchange_is():
    world, asked = World(), replace(ASKED, exchanges=False)
    decision = await explain_decision(world.environment, world.ports, asked, world.now)
    assert (decision.failed, decision.claims["act"]) == (None, {"sub": use_case.AGENT_ID})
    REFUSALS["no-may-act"].breaks(world)
    decision = await explain_decision(world.environment, world.ports, asked, world.now)
    assert (decision.failed.name, decision.failed.cause) == ("sign-on", causes.MAY_ACT_MISSING)
    assert "set its delegation_resource" in decision.failed.values["reason"]


async def test_scopes_alone_say_which_resource_and_openid_ones_are_beside_them():
    asked = replace(ASKED, resource="", scopes=("openid", "test"))
    world = World()
    decision = await explain_decision(world.environment, world.ports, asked, world.now)
    assert (decision.failed, decision.claims["aud"]) == (None, [use_case.TEST_AUDIENCE])


async def test_a_sign_on_alone_is_decided_by_policy_and_user():
    world = World()
    asked = WhyQuestion("MCP Tutorial", "", "demouser", reason="the password is wrong")
    decision = await explain_decision(world.environment, world.ports, asked, world.now)
    names = [(each.name, each.outcome) for each in decision.steps]
    assert names == [("recorded", "note"), ("agent", "held"), ("policy", "held"), ("user", "held")]
    user(enabled=False)(world)
    decision = await explain_decision(world.environment, world.ports, asked, world.now)
    assert (decision.failed.name, decision.failed.cause) == ("user", causes.USER_DISABLED)


def test_a_record_without_an_agent_is_no_question():
    assert question_of({"eventName": "DEPUTIZE-SIGNED-ON", "userId": "x"}) is None


def held(world):
    return repr({name: value for name, value in vars(world.store).items() if name != "calls"})


async def test_deciding_again_changes_nothing():
    world = World()
    await world.sign_on()
    before = held(world)
    await explain_decision(world.environment, world.ports, ASKED, world.now)
    assert held(world) == before


async def test_a_mapping_that_fails_open_gives_a_token_in_which_nobody_acts():
    world = World()
    mapping(use_case.TEST, attribute("act", "null"), settings=FREE, delegation_required=False)(world)
    decision = await explain_decision(world.environment, world.ports, ASKED, world.now)
    assert decision.failed is None
    assert "act" not in decision.claims


async def sign_on_and_exchange(world):
    issued = await world.sign_on()
    await world.exchange(issued.access_token, await world.actor_token())


@pytest.mark.parametrize(
    "name",
    [
        each
        for each in REFUSALS
        if each not in {"no-agent", "no-resource", "own", "own-grant"} and REFUSALS[each].asks is ASKED
    ],
)
async def test_the_real_exchange_is_refused_where_the_replay_says_so(name):
    world = World()
    REFUSALS[name].breaks(world)
    with pytest.raises((OAuthError, KeyError)):
        await sign_on_and_exchange(world)
