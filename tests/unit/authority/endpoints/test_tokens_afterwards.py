"""Introspection, revocation, user information and sign-off.

What can happen to a token after it was issued.
"""

from typing import Any

import pytest
from structlog.testing import capture_logs

from deputize.kernel.digests import digest
from support.agent_delegation import (
    AGENT_ID,
    AGENT_RESOURCE_ID,
    ENVIRONMENT_ID,
    OTHER_ID,
    REDIRECT_URI,
    TEST_ID,
    TEST_SECRET,
    USER_ID,
    VERIFIER,
)
from support.authority import PageForm, basic
from support.records import replace

LOGOUT = "https://agent.example/bye"


@pytest.fixture
async def agent(authority):
    async with authority.client() as client:
        yield client


class Tokens:
    """What the agent holds after its user signed on and agreed."""

    def __init__(self, authority, agent, browser) -> None:
        self.authority, self.agent, self.browser = authority, agent, browser
        self.members: dict[str, Any] = {}

    async def sign_on(self, scope="agent"):
        await self.browser.get(self.authority.authorize_url(scope=scope))
        if self.browser.heading == "Sign on":
            await self.browser.sign_on()
        if self.browser.heading.startswith("Let "):
            await self.browser.accept()
        form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        self.members = (await self.post("token", {**form, "code": self.browser.answer["code"]})).json()
        return self

    async def post(self, endpoint, form, credentials=None):
        return await self.agent.post(
            f"{self.authority.path}/as/{endpoint}", data=form, headers=credentials or basic()
        )

    async def known(self, token=None, credentials=None):
        return (
            await self.post("introspect", {"token": token or self.members["access_token"]}, credentials)
        ).json()

    async def refreshed(self):
        return await self.post(
            "token", {"grant_type": "refresh_token", "refresh_token": self.members["refresh_token"]}
        )


@pytest.fixture
async def tokens(authority, agent, browser):
    return await Tokens(authority, agent, browser).sign_on()


async def test_an_agent_knows_its_own_token(tokens):
    known = await tokens.known()
    assert known["active"]
    assert known["client_id"] == AGENT_ID
    assert known["may_act"] == {"sub": AGENT_ID}


@pytest.mark.parametrize(
    "credentials", [basic(OTHER_ID), basic(TEST_ID, TEST_SECRET)], ids=["another agent", "another resource"]
)
async def test_others_learn_nothing(tokens, credentials):
    assert await tokens.known(credentials=credentials) == {"active": False}


async def test_the_resource_it_is_for_knows_it(tokens):
    assert (await tokens.known(credentials=basic(AGENT_RESOURCE_ID, "agent-resource-secret")))["active"]


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
async def test_what_is_no_token_is_not_active(tokens, token):
    assert await tokens.known(token or "-") == {"active": False}


async def test_introspection_is_for_those_who_prove_who_they_are(tokens):
    response = await tokens.post("introspect", {"token": "x"}, basic(TEST_ID, "wrong"))
    assert response.status_code == 401


async def test_a_token_expires(authority, tokens):
    authority.clock.instant += 3600
    assert await tokens.known() == {"active": False}


async def test_a_revoked_access_token_is_dead_and_the_refresh_token_lives(tokens):
    assert (await tokens.post("revoke", {"token": tokens.members["access_token"]})).status_code == 200
    assert await tokens.known() == {"active": False}
    assert (await tokens.refreshed()).status_code == 200


async def test_revoking_the_refresh_token_ends_everything(tokens):
    assert (await tokens.post("revoke", {"token": tokens.members["refresh_token"]})).status_code == 200
    assert await tokens.known() == {"active": False}
    assert (await tokens.refreshed()).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
async def test_nobody_revokes_anothers_token(tokens, name):
    assert (await tokens.post("revoke", {"token": tokens.members[name]}, basic(OTHER_ID))).status_code == 200
    assert (await tokens.known())["active"]


async def test_a_revocation_is_recorded_with_the_user_and_what_was_revoked(authority, tokens):
    known = await tokens.known()
    await tokens.post("revoke", {"token": tokens.members["access_token"]})
    await tokens.post("revoke", {"token": tokens.members["refresh_token"]})
    access, refresh = await authority.records("TOKEN-REVOKED")
    assert (access["clientId"], access["userId"], access["trackingIds"]) == (
        AGENT_ID,
        USER_ID,
        [known["jti"]],
    )
    assert (refresh["clientId"], refresh["userId"], refresh["grantId"]) == (
        AGENT_ID,
        USER_ID,
        known["jti"].partition(".")[0],
    )


async def test_revoking_what_is_no_token_is_no_error(tokens):
    assert (await tokens.post("revoke", {"token": "whatever"})).status_code == 200


async def test_withdrawing_consent_kills_what_rests_on_it_at_once(authority, tokens):
    page = await tokens.browser.get(f"{authority.path}/my")
    assert "Agent Consent" in page.text
    await tokens.browser.submit(1)
    assert "Your consent is withdrawn" in tokens.browser.response.text
    assert await tokens.known() == {"active": False}
    assert (await tokens.refreshed()).json()["error"] == "invalid_grant"
    await tokens.browser.get(authority.authorize_url())
    assert tokens.browser.heading.startswith("Let ")


async def _disable_the_agreement(authority):
    authority.directory.replace_agreement(enabled=False)


async def _ask_nobody(authority):
    policy = next(iter(authority.directory.environment.policies.values()))
    authority.directory.replace(policies={policy.name: replace(policy, steps=policy.steps[:1])})


async def _forget_the_agreement(authority):
    await _ask_nobody(authority)
    authority.directory.replace(agreements={})


@pytest.mark.parametrize("change", [_disable_the_agreement, _ask_nobody])
async def test_withdrawing_kills_it_also_where_nobody_is_asked_any_more(authority, tokens, change):
    """The account page still lists the agent and still says that it may no longer act.

    So it may not, whatever follows.
    """
    await change(authority)
    assert (await tokens.known())["active"]
    await tokens.browser.get(f"{authority.path}/my")
    await tokens.browser.submit(1)
    assert await tokens.known() == {"active": False}
    assert (await tokens.refreshed()).status_code == 400
    assert (await (await tokens.sign_on()).known())["active"], "a new sign-on starts something new"


async def test_what_was_withdrawn_does_not_come_back_with_another_policy(authority, tokens):
    await tokens.browser.get(f"{authority.path}/my")
    await tokens.browser.submit(1)
    await _forget_the_agreement(authority)
    assert await tokens.known() == {"active": False}


async def test_signing_off_on_the_account_page_kills_it_too(authority, tokens):
    await tokens.browser.get(f"{authority.path}/my")
    await tokens.browser.submit(0, action="sign-off")
    assert tokens.browser.heading == "You have signed off"
    assert await tokens.known() == {"active": False}
    await tokens.browser.get(f"{authority.path}/my")
    assert tokens.browser.heading == "Sign on"


async def test_sign_off_asks_first(authority, tokens):
    await tokens.browser.get(f"{authority.path}/as/signoff")
    assert tokens.browser.heading == "Sign off?"
    assert (await tokens.known())["active"]
    await tokens.browser.submit()
    assert tokens.browser.heading == "You have signed off"
    assert await tokens.known() == {"active": False}


async def test_sign_off_with_the_users_own_id_token_does_not_ask_and_returns(authority, tokens):
    authority.directory.replace_agent(post_logout_redirect_uris=(LOGOUT,))
    await tokens.sign_on("openid agent")
    authority.clock.instant += 7200
    query = f"id_token_hint={tokens.members['id_token']}&post_logout_redirect_uri={LOGOUT}&state=s"
    response = await tokens.browser.get(f"{authority.path}/as/signoff?{query}")
    assert response.headers["location"] == f"{LOGOUT}?state=s"
    assert (await tokens.refreshed()).json()["error"] == "invalid_grant"


async def test_sign_off_never_leads_to_an_unregistered_address(authority, tokens):
    await tokens.browser.get(
        f"{authority.path}/as/signoff?client_id={AGENT_ID}&post_logout_redirect_uri=https://evil.example/"
    )
    assert tokens.browser.heading == "Sign off?"
    await signed_off_with_a_refusal(tokens, await tokens.browser.submit())


async def signed_off_with_a_refusal(tokens, response):
    assert response.status_code == 400
    assert tokens.browser.heading == "You have signed off"
    assert 'role="alert"' in response.text
    assert await tokens.known() == {"active": False}


@pytest.mark.parametrize("where", ["https://evil.example/", f"http://authority.test/{ENVIRONMENT_ID}/done"])
async def test_who_asks_to_be_sent_elsewhere_than_registered_is_signed_off_all_the_same(
    authority, tokens, where
):
    authority.directory.replace_agent(
        post_logout_redirect_uris=(f"http://authority.test/{ENVIRONMENT_ID}/done",)
    )
    await tokens.sign_on("openid agent")
    query = f"id_token_hint={tokens.members['id_token']}&post_logout_redirect_uri={where}"
    await signed_off_with_a_refusal(tokens, await tokens.browser.get(f"{authority.path}/as/signoff?{query}"))


@pytest.mark.parametrize("hint", ["x", "access token"])
async def test_only_an_id_token_is_a_hint(authority, tokens, hint):
    token = tokens.members["access_token"] if hint == "access token" else hint
    await tokens.browser.get(f"{authority.path}/as/signoff?id_token_hint={token}")
    assert tokens.browser.heading == "Sign off?"
    await signed_off_with_a_refusal(tokens, await tokens.browser.submit())


async def test_signing_off_after_the_session_lapsed_still_ends_what_came_from_it(authority, tokens):
    cookie = tokens.browser.client.cookies[f"deputize-session-{ENVIRONMENT_ID}"]
    session = await authority.store.sessions.find_session(ENVIRONMENT_ID, digest(cookie))
    authority.clock.instant = session.expires_at + 1
    await tokens.browser.get(authority.authorize_url())
    assert tokens.browser.heading == "Sign on"
    await tokens.browser.get(f"{authority.path}/as/signoff")
    await tokens.browser.submit()
    ended = await authority.store.sessions.find_session(ENVIRONMENT_ID, digest(cookie))
    assert ended.ended_at == authority.clock.instant


async def test_another_sites_form_does_not_sign_anybody_off(authority, tokens):
    await tokens.browser._follow(
        await tokens.browser.client.post(f"{authority.path}/as/signoff", data={"csrf": "0" * 64})
    )
    assert tokens.browser.heading == "Sign off?"
    assert (await tokens.known())["active"]


async def test_sign_off_without_a_session_is_just_the_page(authority, browser):
    await browser.get(f"{authority.path}/as/signoff")
    assert browser.heading == "You have signed off"


async def test_userinfo_gives_what_the_scopes_ask_for(authority, agent, browser):
    tokens = await Tokens(authority, agent, browser).sign_on("openid profile")
    response = await agent.get(
        f"{authority.path}/as/userinfo", headers={"Authorization": f"Bearer {tokens.members['access_token']}"}
    )
    expected = {
        "sub": USER_ID,
        "preferred_username": "demouser",
        "given_name": "Demo",
        "family_name": "User",
        "name": "Demo User",
    }
    assert response.json() == expected


@pytest.mark.parametrize("authorization", [None, "Bearer x", "Basic x"])
async def test_userinfo_is_for_bearers(authority, agent, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    response = await agent.get(f"{authority.path}/as/userinfo", headers=headers)
    assert response.status_code == 401
    assert response.headers.get_list("www-authenticate")[0] == (
        "Bearer" if authorization is None else 'Bearer error="invalid_token"'
    )


async def test_a_resources_token_opens_no_user_information(authority, agent, tokens):
    response = await agent.get(
        f"{authority.path}/as/userinfo", headers={"Authorization": f"Bearer {tokens.members['access_token']}"}
    )
    assert response.status_code == 401


async def test_the_account_page_signs_on_first_and_withdraws_only_by_its_own_form(authority, browser):
    await browser.get(f"{authority.path}/my")
    assert browser.heading == "Sign on"
    await browser.sign_on()
    assert browser.heading == "Your account"
    assert "No agent may act for you" in browser.response.text
    response = await browser.client.post(
        f"{authority.path}/my/agents", data={"agreement": "x", "csrf": "0" * 64}
    )
    assert response.status_code == 403


def card(page: str, name: str) -> str:
    """What the account page says of one agent that may act."""
    (found,) = (each for each in page.split('<div class="agent-name">')[1:] if f"<h3>{name}</h3>" in each)
    return found


async def stop(browser, agent_id):
    """Press the button of one agent's form."""
    page = browser.response.text
    forms = range(page.count("<form"))
    number = next(each for each in forms if PageForm(page, each).fields.get("agent") == [agent_id])
    return await browser.submit(number)


async def test_the_account_page_lists_and_stops_an_agent_that_only_has_a_part_through_another(
    authority, browser
):
    authority.directory.replace_agent(permitted_actors=(OTHER_ID,))
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.accept()
    page = (await browser.get(f"{authority.path}/my")).text
    other = card(page, "Other Agent")
    assert "Through MCP Tutorial, Other Agent may obtain" in other
    assert "Use the tools" in other
    assert "Withdraw: Other Agent" in other
    assert "Since" not in other, "it never signed the user on"
    assert "MCP Tutorial may pass this on to Other Agent" in card(page, "MCP Tutorial")
    with capture_logs() as logs:
        page = (await stop(browser, OTHER_ID)).text
    assert "Other Agent is stopped" in page
    page = (await browser.get(f"{authority.path}/my")).text
    assert [each["client_id"] for each in logs if each["event"] == "consent withdrawn"] == [OTHER_ID]
    assert "Other Agent" not in page
    assert "Withdraw: MCP Tutorial" in page
    await browser.get(authority.authorize_url(prompt="none"))
    assert browser.answer["error"] == "consent_required"
    await browser.get(authority.authorize_url())
    assert browser.heading == "Let MCP Tutorial act for you?"
    assert "Other Agent" in browser.response.text
    await browser.accept()
    page = (await browser.get(f"{authority.path}/my")).text
    assert "Through MCP Tutorial, Other Agent may obtain" in card(page, "Other Agent")


async def test_stopping_an_agent_with_sign_ons_of_its_own_ends_its_part_through_others_too(
    authority, browser
):
    authority.directory.replace_agent(permitted_actors=(OTHER_ID,))
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.accept()
    await browser.get(authority.authorize_url(client_id=OTHER_ID))
    await browser.accept()
    page = (await browser.get(f"{authority.path}/my")).text
    assert "Since" in card(page, "Other Agent")
    assert "Through MCP Tutorial, Other Agent may obtain" in card(page, "Other Agent")
    await stop(browser, OTHER_ID)
    page = (await browser.get(f"{authority.path}/my")).text
    assert "Through" not in page
    assert "may pass this on" not in page
    assert "Other Agent" in page.split('id="former"')[1]
    assert "Withdraw: MCP Tutorial" in page


async def test_the_account_page_withdraws_from_agents_only(authority, tokens):
    """Whoever makes the form say something else makes nobody remember it."""
    page = await tokens.browser.get(f"{authority.path}/my")
    fields = {**PageForm(page.text, 1).fields, "agent": "x" * 1000}
    answer = await tokens.browser.client.post(f"{authority.path}/my/agents", data=fields)
    assert answer.status_code == 303
    assert (await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)).withdrawals == {}


async def test_the_account_page_says_what_is_no_longer_valid(authority, tokens):
    authority.directory.replace_agreement(version=2)
    page = await tokens.browser.get(f"{authority.path}/my")
    assert "no longer valid" in page.text
    assert "Withdraw:" not in page.text
