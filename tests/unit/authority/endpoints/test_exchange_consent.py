"""An exchange obtains what the user agreed to on the page and nothing else, through the real endpoints."""

from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from deputize.oauth.records.directory import Scope
from deputize.oauth.resources import TOKEN_EXCHANGE
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    CHAINED_ACT,
    ENVIRONMENT_ID,
    OTHER,
    OTHER_ID,
    REDIRECT_URI,
    SUBJECT_SUB,
    TEST,
    TEST_ID,
    TEST_SECRET,
    USER_ID,
    VERIFIER,
    attribute,
)
from support.authority import basic
from support.records import replace

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
PAYING = replace(TEST, scopes={"test": Scope("Use the tools"), "pay": Scope("Pay bills", "on_use")})


@pytest.fixture
async def client(authority):
    async with authority.client() as client:
        yield client


@pytest.fixture
def world(authority, browser, client):
    """Signing on, exchanging and introspecting."""

    async def token(form, client_id=AGENT_ID):
        return (await client.post(f"{authority.path}/as/token", data=form, headers=basic(client_id))).json()

    pages = []

    async def sign_on(**changes):
        await browser.get(authority.authorize_url(**changes))
        if browser.heading == "Sign on":
            await browser.sign_on()
        pages.append(browser.heading)
        if browser.heading.startswith("Let "):
            await browser.accept()
        form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        client_id = changes.get("client_id", AGENT_ID)
        return (await token({**form, "code": browser.answer["code"]}, client_id))["access_token"]

    async def exchange(subject, scope="test", client_id=AGENT_ID):
        actor = (await token({"grant_type": "client_credentials", "scope": "agent"}, client_id))[
            "access_token"
        ]
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": subject,
            "subject_token_type": ACCESS_TOKEN,
            "scope": scope,
        }
        return await token({**form, "actor_token": actor, "actor_token_type": ACCESS_TOKEN}, client_id)

    async def active(value):
        answer = await client.post(
            f"{authority.path}/as/introspect", data={"token": value}, headers=basic(TEST_ID, TEST_SECRET)
        )
        return answer.json()["active"]

    def configure(resources, *agents):
        authority.directory.replace(
            resources={**authority.directory.environment.resources, **{each.id: each for each in resources}},
            agents={**authority.directory.environment.agents, **{each.id: each for each in agents}},
        )

    async def withdraw(client_id):
        await authority.store.consents.withdraw_consents(
            ENVIRONMENT_ID, USER_ID, client_id, authority.clock.now()
        )

    return SimpleNamespace(
        sign_on=sign_on, exchange=exchange, active=active, configure=configure, withdraw=withdraw, pages=pages
    )


async def test_what_the_page_listed_is_obtained(world):
    assert await world.active((await world.exchange(await world.sign_on()))["access_token"])


async def test_what_is_asked_for_on_use_is_refused_until_the_user_agreed(world):
    agent = replace(AGENT, scopes={**AGENT.scopes, TEST_ID: frozenset({"test", "pay"})})
    world.configure([PAYING], agent)
    subject = await world.sign_on()
    with capture_logs() as logs:
        refused = await world.exchange(subject, "test pay")
    assert "access_token" not in refused
    assert any(
        "does not cover that 'MCP Tutorial' obtains ['pay'] of 'test'" in str(each.get("reason"))
        for each in logs
    )
    assert "access_token" in await world.exchange(subject, "test")
    await world.sign_on(scope="agent pay")
    assert await world.active((await world.exchange(subject, "test pay"))["access_token"]), (
        "the consent that it rests on was extended"
    )


async def test_a_scope_granted_after_the_consent_is_refused(world):
    subject = await world.sign_on()
    agent = replace(AGENT, scopes={**AGENT.scopes, TEST_ID: frozenset({"test", "more"})})
    world.configure([replace(TEST, scopes={**TEST.scopes, "more": Scope()})], agent)
    assert "access_token" not in await world.exchange(subject, "more")
    assert "access_token" in await world.exchange(subject, "test")


def chained():
    """MCP Tutorial's tokens permit Other Agent, which acts at the resource `test`."""
    passing = replace(
        AGENT_RESOURCE,
        attributes=(attribute("sub", "user.username"), attribute("may_act", f'{{"sub": "{OTHER_ID}"}}')),
    )
    return passing, replace(
        OTHER, scopes={AGENT_RESOURCE_ID: frozenset({"agent"}), TEST_ID: frozenset({"test"})}
    )


async def test_in_a_chain_the_consent_of_the_agent_that_signed_the_user_on_counts(world):
    passing, other = chained()
    world.configure([passing], other)
    subject = await world.sign_on()
    obtained = (await world.exchange(subject, client_id=OTHER_ID))["access_token"]
    assert await world.active(obtained)
    await world.withdraw(AGENT_ID)
    assert not await world.active(obtained)


async def test_withdrawing_from_an_agent_ends_its_part_in_the_sign_ons_of_others_for_good(world):
    anybody = replace(TEST, attributes=(attribute("sub", SUBJECT_SUB), attribute("act", CHAINED_ACT)))
    world.configure([anybody], replace(AGENT, permitted_actors=(OTHER_ID,)))
    subject = await world.sign_on()
    own = (await world.exchange(subject))["access_token"]
    obtained = (await world.exchange(subject, client_id=OTHER_ID))["access_token"]
    await world.withdraw(OTHER_ID)
    assert not await world.active(obtained)
    assert await world.active(own), "the agent that passed to it goes on"
    assert "access_token" in await world.exchange(subject)
    with capture_logs() as logs:
        assert "access_token" not in await world.exchange(subject, client_id=OTHER_ID)
    assert any(
        "what the user had agreed to for 'Other Agent' was withdrawn" in str(each.get("reason"))
        for each in logs
    )
    new = await world.sign_on()
    assert world.pages[-1].startswith("Let "), "the user is asked for the other agent again"
    renewed = (await world.exchange(new, client_id=OTHER_ID))["access_token"]
    assert await world.active(renewed)
    assert not await world.active(obtained), "agreeing again revives nothing"
    assert "access_token" not in await world.exchange(subject, client_id=OTHER_ID)
    assert await world.active(own)


async def test_an_agent_that_the_page_did_not_name_obtains_nothing(world):
    """Its token permits it, but the user was never told: at sign-on it could not exchange."""
    passing, other = chained()
    world.configure([passing], replace(other, grant_types=other.grant_types - {TOKEN_EXCHANGE}))
    subject = await world.sign_on()
    world.configure([passing], other)
    with capture_logs() as logs:
        assert "access_token" not in await world.exchange(subject, client_id=OTHER_ID)
    assert any(
        "does not cover that 'Other Agent' obtains ['test']" in str(each.get("reason")) for each in logs
    )
    assert "access_token" in await world.exchange(await world.sign_on(), client_id=OTHER_ID), (
        "now the page named it"
    )
