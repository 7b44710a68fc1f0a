"""What a client that knows no token exchange gets by signing its user on for the resource, over HTTP."""

from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from deputize.jose import ID_TOKEN_TYPE
from support.agent_delegation import (
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    ENVIRONMENT_ID,
    OTHER_ID,
    REDIRECT_URI,
    TEST,
    TEST_AUDIENCE,
    TEST_ID,
    TEST_SECRET,
    USER_ID,
    VERIFIER,
    attribute,
)
from support.authority import basic
from support.records import replace

ASKED = {"scope": "test", "resource": TEST_AUDIENCE}


@pytest.fixture
async def world(authority, browser):
    """Signing on, refreshing, and asking as the gateway does; the client can do nothing else."""
    authority.directory.replace_agent(grant_types=frozenset({"authorization_code", "refresh_token"}))
    async with authority.client() as client:

        async def token(**form):
            return (await client.post(f"{authority.path}/as/token", data=form, headers=basic())).json()

        async def begin(**changes):
            await browser.get(authority.authorize_url(**{**ASKED, **changes}))
            if browser.heading == "Sign on":
                await browser.sign_on()

        async def redeem():
            form = {"redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER, "code": browser.answer["code"]}
            return await token(grant_type="authorization_code", **form)

        async def sign_on(**changes):
            await begin(**changes)
            if browser.heading.startswith("Let "):
                await browser.accept()
            return await redeem()

        async def introspect(value):
            answer = await client.post(
                f"{authority.path}/as/introspect", data={"token": value}, headers=basic(TEST_ID, TEST_SECRET)
            )
            return answer.json()

        yield SimpleNamespace(
            client=client,
            token=token,
            begin=begin,
            redeem=redeem,
            sign_on=sign_on,
            introspect=introspect,
            browser=browser,
        )


async def test_one_sign_on_gives_what_the_gateway_believes(authority, world):
    answer = await world.sign_on()
    assert (answer["scope"], answer["token_type"]) == ("test", "Bearer")
    known = await world.introspect(answer["access_token"])
    assert (known["active"], known["sub"], known["aud"]) == (True, "demouser", [TEST_AUDIENCE])
    assert (known["act"], known["client_id"], known["scope"]) == ({"sub": AGENT_ID}, AGENT_ID, "test")
    assert "may_act" not in known
    assert "p1.via" not in known
    (issued,) = await authority.records("TOKEN-ISSUED")
    assert (issued["act"], issued["resource"]) == ([AGENT_ID], [TEST_AUDIENCE])


async def test_the_user_sees_what_the_client_gets_and_is_not_asked_again(world):
    await world.begin()
    page = world.browser.response.text
    assert world.browser.heading == "Let MCP Tutorial act for you?"
    assert "Use the tools" in page
    assert "Talk to the agent" not in page, "nobody gets a token for the resource that is signed on for"
    await world.browser.accept()
    assert "access_token" in await world.redeem()
    await world.begin()
    assert "code" in world.browser.answer


async def test_the_user_s_data_comes_in_the_id_token_and_to_nobody_who_holds_the_access_token(
    authority, world
):
    answer = await world.sign_on(scope="openid email test")
    assert answer["scope"] == "openid email test"
    environment = authority.directory.environment
    claims = authority.services.verifier.verify(
        answer["id_token"], environment.keys, environment.issuer, authority.clock.now(), ID_TOKEN_TYPE
    )
    assert (claims["aud"], claims["email"]) == (AGENT_ID, "demo@example.com")
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    userinfo = await world.client.get(f"{authority.path}/as/userinfo", headers=bearer)
    assert userinfo.status_code == 401, "as for every token that is for a resource"


async def test_a_refresh_keeps_the_actor_until_the_user_takes_it_back(authority, world):
    answer = await world.sign_on()
    again = await world.token(grant_type="refresh_token", refresh_token=answer["refresh_token"])
    known = await world.introspect(again["access_token"])
    assert (known["act"], known["scope"]) == ({"sub": AGENT_ID}, "test")
    await authority.store.consents.withdraw_consents(ENVIRONMENT_ID, USER_ID, AGENT_ID, authority.clock.now())
    for each in (answer, again):
        assert await world.introspect(each["access_token"]) == {"active": False}
    refused = await world.token(grant_type="refresh_token", refresh_token=again["refresh_token"])
    assert refused["error"] == "invalid_grant"


async def test_revoking_ends_one_token_or_everything_that_came_of_the_sign_on(authority, world):
    first = await world.sign_on()
    second = await world.token(grant_type="refresh_token", refresh_token=first["refresh_token"])

    async def revoke(value):
        await world.client.post(f"{authority.path}/as/revoke", data={"token": value}, headers=basic())

    await revoke(first["access_token"])
    assert not (await world.introspect(first["access_token"]))["active"]
    assert (await world.introspect(second["access_token"]))["active"]
    await revoke(second["refresh_token"])
    assert not (await world.introspect(second["access_token"]))["active"]


async def test_a_refusal_says_in_the_log_which_part_of_the_mapping_was_false(authority, world):
    naming_another = replace(AGENT_RESOURCE, attributes=(attribute("may_act", f'{{"sub": "{OTHER_ID}"}}'),))
    authority.directory.replace(resources={TEST_ID: TEST, AGENT_RESOURCE_ID: naming_another})
    with capture_logs() as logs:
        answer = await world.sign_on()
    assert answer["error"] == "invalid_grant"
    assert OTHER_ID not in str(answer)
    assert any(f"left is '{OTHER_ID}', right is '{AGENT_ID}'" in str(each.get("reason")) for each in logs)


async def test_an_agent_that_was_not_granted_the_scope_signs_nobody_on_for_it(authority, world):
    authority.directory.replace_agent(scopes={AGENT_RESOURCE_ID: frozenset({"agent"})})
    await world.begin()
    assert world.browser.answer["error"] == "invalid_target"


async def test_a_replayed_code_ends_the_token(world):
    answer = await world.sign_on()
    assert (await world.redeem())["error"] == "invalid_grant"
    assert not (await world.introspect(answer["access_token"]))["active"]
