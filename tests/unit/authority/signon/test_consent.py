"""When a user is asked, what the page shows, and what is agreed to with it; over the real store."""

import re
from html import unescape

import pytest

from deputize.kernel.digests import digest
from deputize.oauth.records.directory import Scope, Step
from deputize.oauth.resources import TOKEN_EXCHANGE
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    AGREEMENT,
    AGREEMENT_ID,
    ENVIRONMENT_ID,
    OTHER_ID,
    TEST,
    TEST_AUDIENCE,
    TEST_ID,
    TEXT,
    USER_ID,
    attribute,
)
from support.authority import USER, Browser, PageForm
from support.records import replace

EVERYTHING = {AGENT_RESOURCE_ID: ("agent",), TEST_ID: ("test",)}
ADMINISTERED = replace(
    AGENT_RESOURCE, scopes={**AGENT_RESOURCE.scopes, "admin": Scope("Administer", "on_use")}
)
PAYING = replace(TEST, scopes={"test": Scope("Use the tools"), "pay": Scope("Pay bills", "on_use")})


async def agree(authority, browser, **changes):
    """Go through whatever pages come."""
    await browser.get(authority.authorize_url(**changes))
    if browser.heading == "Sign on":
        await browser.sign_on()
    await browser.accept()
    return browser.answer


async def silently(authority, browser, **changes):
    """`code` or the error that a request with `prompt=none` gets."""
    await browser.get(authority.authorize_url(prompt="none", **changes))
    return browser.answer.get("error", "code")


async def consents(authority):
    return {
        (each.client_id, each.agreement_id): each
        for each in await authority.store.consents.consents_of(ENVIRONMENT_ID, USER_ID)
    }


def words(browser):
    """The page as it is read."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", browser.response.text)))


def section(browser, name):
    """The words of one section of the page."""
    found = re.search(rf'aria-labelledby="{name}".*?</section>', browser.response.text, re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found.group(0)))) if found else ""


def grant(authority, agent, **scopes):
    """Let the agent have these scopes besides."""
    names = {"agent": AGENT_RESOURCE_ID, "test": TEST_ID}
    wider = {names[name]: frozenset(each) for name, each in scopes.items()}
    changed = replace(agent, scopes={**agent.scopes, **wider})
    authority.directory.replace(agents={**authority.directory.environment.agents, agent.id: changed})


async def test_one_yes_is_for_one_agent(authority, browser):
    assert "code" in await agree(authority, browser)
    assert await silently(authority, browser) == "code"
    assert await silently(authority, browser, client_id=OTHER_ID) == "consent_required"
    await browser.get(authority.authorize_url(client_id=OTHER_ID))
    assert browser.heading == "Let Other Agent act for you?"
    await browser.accept()
    assert await silently(authority, browser, client_id=OTHER_ID) == "code"


async def test_the_same_things_are_not_asked_for_again(authority, browser):
    await agree(authority, browser)
    await browser.get(authority.authorize_url())
    assert "code" in browser.answer


async def test_nobody_signed_on_is_said_before_what_they_would_be_asked(authority, browser):
    assert await silently(authority, browser) == "login_required"


async def test_the_page_lists_what_is_asked_for_and_what_exchanges_may_obtain(authority, browser):
    await browser.get(authority.authorize_url(scope="openid agent"))
    await browser.sign_on()
    asked, obtainable = section(browser, "asked"), section(browser, "obtainable")
    assert "What MCP Tutorial asks for agent Talk to the agent" in asked
    assert "About you know who you are openid" in asked
    assert "What MCP Tutorial may then obtain besides test Use the tools test" in obtainable
    assert not section(browser, "before")
    await browser.accept()
    consent = (await consents(authority))[AGENT_ID, AGREEMENT_ID]
    assert consent.covers == {AGENT_ID: {**EVERYTHING, "": ("openid",)}}


async def test_an_openid_scope_is_new_too(authority, browser):
    await agree(authority, browser)
    assert await silently(authority, browser, scope="agent email") == "consent_required"
    await browser.get(authority.authorize_url(scope="agent email"))
    assert "see your email address" in section(browser, "asked")
    assert "Talk to the agent" not in section(browser, "asked")
    assert "Talk to the agent" in section(browser, "before")
    await browser.accept()
    assert await silently(authority, browser, scope="agent email") == "code"
    assert await silently(authority, browser) == "code", "what was agreed to before stays"


async def test_a_scope_granted_later_is_asked_for(authority, browser):
    await agree(authority, browser)
    wider = replace(TEST, scopes={"test": Scope("Use the tools"), "more": Scope("Use more tools")})
    authority.directory.replace(resources={**authority.directory.environment.resources, TEST_ID: wider})
    assert await silently(authority, browser) == "code", "not granted to the agent yet"
    grant(authority, AGENT, test={"test", "more"})
    assert await silently(authority, browser) == "consent_required"
    await browser.get(authority.authorize_url())
    assert "Use more tools" in section(browser, "obtainable")
    assert "Use the tools" in section(browser, "before")


async def test_a_resource_granted_later_is_asked_for(authority, browser):
    authority.directory.replace_agent(scopes={AGENT_RESOURCE_ID: frozenset({"agent"})})
    await agree(authority, browser)
    authority.directory.replace_agent(scopes=AGENT.scopes)
    assert await silently(authority, browser) == "consent_required"


async def test_an_agent_that_may_exchange_from_now_on_is_asked_for(authority, browser):
    authority.directory.replace_agent(grant_types=AGENT.grant_types - {TOKEN_EXCHANGE})
    await agree(authority, browser)
    assert (await consents(authority))[AGENT_ID, AGREEMENT_ID].covers == {
        AGENT_ID: {AGENT_RESOURCE_ID: ("agent",)}
    }
    authority.directory.replace_agent(grant_types=AGENT.grant_types)
    assert await silently(authority, browser) == "consent_required"


async def test_what_is_asked_for_on_use_needs_a_yes_of_its_own(authority, browser):
    authority.directory.replace(resources={AGENT_RESOURCE_ID: AGENT_RESOURCE, TEST_ID: PAYING})
    grant(authority, AGENT, test={"test", "pay"})
    await agree(authority, browser)
    first = (await consents(authority))[AGENT_ID, AGREEMENT_ID]
    assert first.covers == {AGENT_ID: EVERYTHING}
    assert await silently(authority, browser, scope="agent pay") == "consent_required"
    await browser.get(
        f"{authority.authorize_url(scope='agent pay', resource='agent')}&resource={TEST_AUDIENCE}"
    )
    assert "Pay bills" in section(browser, "asked")
    assert "Use the tools" in section(browser, "before")
    await browser.accept()
    extended = (await consents(authority))[AGENT_ID, AGREEMENT_ID]
    assert extended.covers == {AGENT_ID: {AGENT_RESOURCE_ID: ("agent",), TEST_ID: ("test", "pay")}}
    assert extended.id == first.id, "what rests on the first consent goes on"


async def test_the_page_names_the_agents_that_the_token_is_passed_to(authority, browser):
    passing = replace(AGENT_RESOURCE, attributes=(attribute("may_act", f'{{"sub": "{OTHER_ID}"}}'),))
    authority.directory.replace(resources={AGENT_RESOURCE_ID: passing, TEST_ID: TEST})
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert "MCP Tutorial may pass this on to Other Agent, which may obtain" in section(browser, "other-1")
    assert "Use the tools" in section(browser, "other-1")
    await browser.accept()
    assert (await consents(authority))[AGENT_ID, AGREEMENT_ID].covers[OTHER_ID] == EVERYTHING
    assert await silently(authority, browser, client_id=OTHER_ID) == "consent_required", (
        "nobody agreed to its own sign-on"
    )


async def test_prompt_consent_asks_each_time_and_once(authority, browser):
    await agree(authority, browser)
    for _ in range(2):
        await browser.get(authority.authorize_url(prompt="consent"))
        assert browser.heading == "Let MCP Tutorial act for you?"
        assert "Talk to the agent" in section(browser, "asked"), "all of it is asked for again"
        await browser.accept()
        assert "code" in browser.answer


async def test_prompt_login_consent_asks_for_each_once(authority, browser):
    await agree(authority, browser)
    await browser.get(authority.authorize_url(prompt="login consent"))
    assert browser.heading == "Sign on"
    await browser.sign_on()
    assert browser.heading == "Let MCP Tutorial act for you?"
    await browser.accept()
    assert "code" in browser.answer


async def test_nobody_answers_for_who_signs_on_after_them(authority, browser):
    """One flow in one browser.

    The one user accepts, then somebody else signs on in another tab, and the first tab goes on.
    """
    bob = replace(USER, id="cf025143-501a-4d70-9c80-95d69121d7b4", username="bob")
    await authority.store.users.put_user(bob)
    authority.directory.replace(
        resources={**authority.directory.environment.resources, AGENT_RESOURCE_ID: ADMINISTERED}
    )
    authority.directory.replace_agent(
        scopes={**AGENT.scopes, AGENT_RESOURCE_ID: frozenset({"agent", "admin"})}
    )
    async with authority.client() as client:
        own = Browser(authority, client)
        await own.get(authority.authorize_url())
        await own.sign_on(username="bob")
        await own.accept()
    await browser.get(authority.authorize_url(prompt="consent", scope="agent admin"))
    await browser.sign_on()
    shown = PageForm(browser.response.text)
    accepted = await browser.client.post(str(browser.response.url), data={**shown.fields, "action": "accept"})
    await browser.get(f"{authority.path}/as/signoff")
    await browser.submit()
    await browser.get(f"{authority.path}/my")
    await browser.sign_on(username="bob")
    await browser.get(accepted.headers["location"])
    assert browser.heading == "Let MCP Tutorial act for you?"
    assert "Administer" in section(browser, "asked")


@pytest.mark.parametrize("prompt", [None, "consent"])
async def test_what_was_accepted_in_a_flow_may_not_be_all_any_more(authority, browser, prompt):
    await browser.get(authority.authorize_url(prompt=prompt))
    await browser.sign_on()
    shown = PageForm(browser.response.text)
    accepted = await browser.client.post(str(browser.response.url), data={**shown.fields, "action": "accept"})
    authority.directory.replace(**_widen(authority.directory.environment))
    await browser.get(accepted.headers["location"])
    assert browser.heading == "Let MCP Tutorial act for you?"


async def test_declining_leaves_what_was_agreed_to(authority, browser):
    await agree(authority, browser)
    await browser.get(authority.authorize_url(prompt="consent"))
    await browser.submit(action="decline")
    assert browser.answer["error"] == "access_denied"
    assert await silently(authority, browser) == "code"


def _rename(environment):
    return {"agents": {**environment.agents, AGENT_ID: replace(AGENT, name="Another name")}}


def _reword(environment):
    return {
        "agreements": {AGREEMENT_ID: replace(AGREEMENT, texts=(replace(TEXT, text="Other", revision="r2"),))}
    }


def _redescribe(environment):
    return {
        "resources": {
            **environment.resources,
            TEST_ID: replace(TEST, scopes={"test": Scope("Delete everything")}),
        }
    }


def _widen(environment):
    wider = replace(TEST, scopes={**TEST.scopes, "more": Scope()})
    agent = replace(AGENT, scopes={**AGENT.scopes, TEST_ID: frozenset({"test", "more"})})
    return {
        "resources": {**environment.resources, TEST_ID: wider},
        "agents": {**environment.agents, AGENT_ID: agent},
    }


def _pass_on(environment):
    passing = replace(AGENT_RESOURCE, attributes=(attribute("may_act", f'{{"sub": "{OTHER_ID}"}}'),))
    return {"resources": {**environment.resources, AGENT_RESOURCE_ID: passing}}


@pytest.mark.parametrize("change", [_rename, _reword, _redescribe, _widen, _pass_on])
async def test_only_what_was_shown_is_agreed_to(authority, browser, change):
    """An administrator is faster than the reader: the page comes again, as it is now."""
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    authority.directory.replace(**change(authority.directory.environment))
    await browser.accept()
    assert browser.response.status_code == 400
    assert "has changed in the meantime" in words(browser)
    assert await consents(authority) == {}
    await browser.accept()
    assert "code" in browser.answer


async def test_a_withdrawal_in_between_shows_the_page_again(authority, browser):
    await agree(authority, browser)
    await browser.get(authority.authorize_url(scope="agent email"))
    await authority.store.consents.withdraw_consents(ENVIRONMENT_ID, USER_ID, AGENT_ID, authority.clock.now())
    await browser.accept()
    assert browser.response.status_code == 400
    assert (await consents(authority))[AGENT_ID, AGREEMENT_ID].withdrawn_at is not None
    await browser.accept()
    assert "code" in browser.answer


async def test_agreeing_after_a_withdrawal_starts_something_new(authority, browser):
    await agree(authority, browser)
    first = (await consents(authority))[AGENT_ID, AGREEMENT_ID]
    await agree(authority, browser, client_id=OTHER_ID)
    await authority.store.consents.withdraw_consents(ENVIRONMENT_ID, USER_ID, AGENT_ID, authority.clock.now())
    assert await silently(authority, browser, client_id=OTHER_ID) == "code", "the other agent's stays"
    await agree(authority, browser)
    assert (await consents(authority))[AGENT_ID, AGREEMENT_ID].id != first.id


async def test_not_you_signs_off_and_begins_the_same_request_again(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    before = await authority.store.sessions.find_session(ENVIRONMENT_ID, _session_digest(browser))
    await browser.submit(action="switch")
    assert browser.heading == "Sign on"
    assert "MCP Tutorial" in words(browser)
    ended = await authority.store.sessions.find_session(ENVIRONMENT_ID, before.cookie_digest)
    assert ended.ended_at is not None
    (record,) = await authority.records("SIGNED-OFF")
    assert (record["userId"], record["sessionId"]) == (USER_ID, before.id)
    assert await consents(authority) == {}
    await browser.sign_on()
    await browser.accept()
    assert browser.answer["state"] == "the-state"


async def test_whom_somebody_else_takes_the_browser_from_is_recorded_as_signed_off(authority, browser):
    await authority.store.users.put_user(
        replace(USER, id="cf025143-501a-4d70-9c80-95d69121d7b4", username="bob")
    )
    await agree(authority, browser)
    await browser.get(authority.authorize_url(prompt="login"))
    await browser.sign_on(username="bob")
    (record,) = await authority.records("SIGNED-OFF")
    assert record["userId"] == USER_ID


async def test_where_consent_is_withdrawn_is_said(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert f'href="{authority.path}/my"' in browser.response.text
    assert "Signed on as demouser" in words(browser)


async def test_every_agreement_of_a_policy_records_what_was_shown(authority, browser):
    second = replace(AGREEMENT, id="22222222-0000-4000-8000-000000000000", name="Second")
    environment = authority.directory.environment
    policy = next(iter(environment.policies.values()))
    longer = replace(policy, steps=(*policy.steps, Step("AGREEMENT", {"agreement": second.id})))
    authority.directory.replace(
        agreements={**environment.agreements, second.id: second}, policies={policy.name: longer}
    )
    await browser.get(authority.authorize_url(prompt="consent"))
    await browser.sign_on()
    await browser.accept()
    assert browser.heading == "Let MCP Tutorial act for you?"
    await browser.accept()
    assert "code" in browser.answer
    assert {each.agreement_id: each.covers for each in (await consents(authority)).values()} == {
        AGREEMENT_ID: {AGENT_ID: EVERYTHING},
        second.id: {AGENT_ID: EVERYTHING},
    }


async def test_a_policy_without_an_agreement_asks_nobody(authority, browser):
    policy = next(iter(authority.directory.environment.policies.values()))
    authority.directory.replace(policies={policy.name: replace(policy, steps=policy.steps[:1])})
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert "code" in browser.answer


def _session_digest(browser):
    return digest(next(value for name, value in browser.client.cookies.items() if "session" in name))


GERMAN = {"Accept-Language": "de-AT,it"}


async def test_words_are_read_in_the_reader_s_language(authority, browser):
    scope = Scope("Talk to the agent", descriptions={"de": "Mit dem Agenten sprechen"})
    resource = replace(
        AGENT_RESOURCE, description="Assistants", descriptions={"de": "Assistenten"}, scopes={"agent": scope}
    )
    authority.directory.replace(resources={AGENT_RESOURCE_ID: resource, TEST_ID: TEST})
    names, about = {"de": "Postassistent"}, {"de": "Liest Ihre Post", "en": "Reads your mail"}
    authority.directory.replace_agent(names=names, descriptions=about)
    browser.headers = GERMAN
    await browser.get(authority.authorize_url())
    assert "Postassistent" in browser.response.text
    await browser.sign_on()
    for german in (
        "Postassistent für Sie handeln",
        "Liest Ihre Post",
        "Assistenten",
        "Mit dem Agenten sprechen",
        "Use the tools",
    ):
        assert german in words(browser)
    await browser.accept()
    await browser.get(f"{authority.path}/my")
    for german in ("Postassistent", "Liest Ihre Post", "Mit dem Agenten sprechen"):
        assert german in words(browser)
    browser.headers = {"Accept-Language": "fr"}
    await browser.get(f"{authority.path}/my")
    for english in ("MCP Tutorial", "Reads your mail", "Talk to the agent", "Assistants"):
        assert english in words(browser)


async def test_what_the_page_said_is_kept_with_the_consent(authority, browser):
    scope = Scope("Talk to the agent", descriptions={"de": "Mit dem Agenten sprechen"})
    resource = replace(AGENT_RESOURCE, scopes={"agent": scope})
    authority.directory.replace(resources={AGENT_RESOURCE_ID: resource, TEST_ID: TEST})
    browser.headers = GERMAN
    await browser.get(authority.authorize_url(scope="openid agent"))
    await browser.sign_on()
    await browser.accept()
    authority.directory.replace_agreement(texts=(replace(TEXT, title="Another", text="Another"),), version=2)
    (acceptance,) = await authority.store.acceptances.acceptances_of(ENVIRONMENT_ID, USER_ID)
    wording = await authority.store.acceptances.find_wording(ENVIRONMENT_ID, acceptance.wording)
    assert wording["agreement"] == {
        "name": AGREEMENT.name,
        "version": 1,
        "language": TEXT.locale,
        "title": TEXT.title,
        "content_type": TEXT.content_type,
        "text": TEXT.text,
    }
    (agent,) = wording["agents"]
    assert (agent["id"], agent["name"]) == (AGENT_ID, "MCP Tutorial")
    said = {scope["name"]: scope["description"] for each in agent["resources"] for scope in each["scopes"]}
    assert said == {
        "openid": "wissen, wer Sie sind",
        "agent": "Mit dem Agenten sprechen",
        "test": "Use the tools",
    }
