import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from deputize.authority.services import Lifetimes
from deputize.authority.signon.flow import Flow, is_recent
from deputize.authority.storage import Put
from deputize.authority.storage.store import KEPT_SECONDS
from deputize.authority.storage.tables import METADATA
from deputize.kernel.digests import digest
from deputize.oauth.authorization_request import validate
from support.agent_delegation import (
    AGREEMENT_ID,
    ENVIRONMENT,
    ENVIRONMENT_ID,
    NOW,
    REDIRECT_URI,
    TEXT,
    USER_ID,
    VERIFIER,
)
from support.authority import USER, Browser, authorization_parameters, basic, running_authority
from support.examples import examples
from support.records import replace
from support.store_records import SESSION

DAY, HOUR = 86400, 3600


async def through(browser, authority, **changes):
    """Sign on and accept, whatever of it is asked for; the query the agent gets."""
    await browser.get(authority.authorize_url(**changes))
    if browser.heading == "Sign on":
        await browser.sign_on()
    if browser.heading.startswith("Let "):
        await browser.accept()
    return browser.answer


async def redeem(authority, code):
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    async with authority.client() as agent:
        return await agent.post(f"{authority.path}/as/token", data=form, headers=basic())


async def test_the_whole_way(authority, browser):
    await browser.get(authority.authorize_url())
    assert browser.heading == "Sign on"
    await browser.sign_on()
    assert browser.heading == "Let MCP Tutorial act for you?"
    assert "I consent to allow digital assistants to act on my behalf" in browser.response.text
    assert "localhost:3000" in browser.response.text
    await browser.accept()
    assert browser.response.status_code == 303
    assert browser.response.headers["location"].startswith(f"{REDIRECT_URI}?")
    assert browser.answer.keys() == {"code", "state", "iss"}
    assert browser.answer["state"] == "the-state"
    assert browser.answer["iss"] == authority.issuer
    assert (await redeem(authority, browser.answer["code"])).status_code == 200


async def test_the_second_time_nothing_is_asked(authority, browser):
    await through(browser, authority)
    response = await browser.get(authority.authorize_url(state="again"))
    assert response.headers["location"].startswith(REDIRECT_URI)
    assert browser.answer["state"] == "again"


async def test_another_agent_under_the_same_agreement_does_not_ask_again_but_another_browser_signs_on(
    authority, browser
):
    await through(browser, authority)
    async with authority.client() as other:
        second = Browser(authority, other)
        await second.get(authority.authorize_url())
        assert second.heading == "Sign on"
        await second.sign_on()
        assert "code" in second.answer


async def test_consent_is_recorded_with_what_was_read_and_until_when(authority, browser):
    await through(browser, authority)
    (consent,) = await authority.store.consents.consents_of(ENVIRONMENT_ID, USER_ID)
    assert (consent.agreement_id, consent.version, consent.revision, consent.locale) == (
        AGREEMENT_ID,
        1,
        "r1",
        "en",
    )
    assert (consent.accepted_at, consent.expires_at) == (NOW, NOW + 180 * DAY)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda authority: authority.directory.replace_agreement(reconsent_every=864.0),
            id="a shorter interval",
        ),
        pytest.param(lambda authority: authority.directory.replace_agreement(version=2), id="a new version"),
    ],
)
async def test_agreement_is_asked_again_when_due(authority, browser, change):
    await through(browser, authority)
    change(authority)
    authority.clock.instant += HOUR
    await browser.get(authority.authorize_url())
    assert browser.heading.startswith("Let ")


async def test_a_disabled_agreement_is_not_asked(authority, browser):
    authority.directory.replace_agreement(enabled=False)
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert "code" in browser.answer


async def test_declining_tells_the_agent_and_records_nothing(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.submit(action="decline")
    assert browser.answer["error"] == "access_denied"
    assert browser.answer["state"] == "the-state"
    assert browser.answer["iss"] == authority.issuer
    assert "Correlation ID: " in browser.answer["error_description"]
    assert await authority.store.consents.consents_of(ENVIRONMENT_ID, USER_ID) == ()


async def test_a_text_that_changed_while_it_was_read_is_shown_again(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    authority.directory.replace_agreement(
        version=2, texts=(replace(TEXT, text="Something else", revision="r2"),)
    )
    await browser.accept()
    assert browser.response.status_code == 400
    assert "has changed in the meantime" in browser.response.text
    assert "Something else" in browser.response.text
    await browser.accept()
    assert "code" in browser.answer
    assert (await authority.store.consents.consents_of(ENVIRONMENT_ID, USER_ID))[0].revision == "r2"


async def test_prompt_none_with_nobody_signed_on(authority, browser):
    await browser.get(authority.authorize_url(prompt="none"))
    assert browser.answer["error"] == "login_required"


async def test_prompt_none_with_an_agreement_due(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.get(authority.authorize_url(prompt="none"))
    assert browser.answer["error"] == "consent_required"


async def test_prompt_none_with_everything_done(authority, browser):
    await through(browser, authority)
    await browser.get(authority.authorize_url(prompt="none"))
    assert "code" in browser.answer


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "60"}, {"max_age": "0"}])
async def test_signing_on_anew_keeps_the_session_but_not_its_cookie(authority, browser, changes):
    first = (await redeem(authority, (await through(browser, authority))["code"])).json()
    old_cookie = browser.client.cookies[f"deputize-session-{ENVIRONMENT_ID}"]
    authority.clock.instant += 120
    await browser.get(authority.authorize_url(**changes))
    assert browser.heading == "Sign on"
    await browser.sign_on()
    assert "code" in browser.answer
    assert await authority.store.sessions.find_session(ENVIRONMENT_ID, digest(old_cookie)) is None
    assert await is_active(authority, first["access_token"])


async def is_active(authority, token):
    async with authority.client() as agent:
        return (
            await agent.post(f"{authority.path}/as/introspect", data={"token": token}, headers=basic())
        ).json()["active"]


def test_when_a_sign_on_is_too_old():
    flow = Flow("f", 1000, None)

    def recent(auth_time, flow=flow, **changes):
        session = replace(SESSION, id="s", auth_time=auth_time)
        return is_recent(validate(ENVIRONMENT, authorization_parameters(**changes)), session, flow)

    assert recent(1)
    assert not recent(1000, prompt="login")
    assert not recent(1001, prompt="login")
    assert not recent(1000, max_age="0")
    assert [recent(age, max_age="100") for age in (901, 900)] == [True, False]
    own = replace(flow, session_id="s")
    assert recent(1000, own, prompt="login")
    assert recent(1000, own, max_age="0")
    assert not recent(1000, replace(flow, session_id="another"), prompt="login")
    assert is_recent(None, SESSION, flow)


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "0"}])
async def test_in_the_very_instant_of_a_sign_on_prompt_login_asks_once_more_and_once_only(
    authority, browser, changes
):
    await through(browser, authority)
    await browser.get(authority.authorize_url(**changes))
    assert browser.heading == "Sign on"
    await browser.sign_on()
    assert "code" in browser.answer


async def test_a_sign_on_in_another_tab_does_not_stand_for_this_one_s(authority, browser):
    await through(browser, authority)
    first = await authority_tab(authority, browser, "first", prompt="login")
    second = await authority_tab(authority, browser, "second", prompt="login")
    await browser.get(first)
    await browser.sign_on()
    assert browser.answer["state"] == "first"
    await browser.get(second)
    assert browser.heading == "Sign on"


async def test_a_lapsed_session_signs_on_again_and_what_came_from_it_lives_on(authority, browser):
    tokens = (await redeem(authority, (await through(browser, authority))["code"])).json()
    session = await session_here(authority, browser)
    authority.clock.instant += 2 * HOUR
    await browser.get(authority.authorize_url(prompt="none"))
    assert browser.answer["error"] == "login_required"
    refreshed = await refresh(authority, tokens["refresh_token"])
    assert refreshed.status_code == 200
    assert await is_active(authority, refreshed.json()["access_token"])
    await through(browser, authority)
    assert (await session_here(authority, browser)).id == session.id, "so that signing off ends both"
    await browser.get(f"{authority.path}/as/signoff")
    await browser.submit()
    assert not await is_active(authority, refreshed.json()["access_token"])
    assert (await refresh(authority, refreshed.json()["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_session_that_is_used_lives_until_its_end(authority, browser):
    await through(browser, authority)
    for _ in range(11):
        authority.clock.instant += HOUR
        await browser.get(authority.authorize_url(prompt="none"))
        assert "code" in browser.answer
    authority.clock.instant += HOUR
    await browser.get(authority.authorize_url(prompt="none"))
    assert browser.answer["error"] == "login_required"


async def test_an_environment_s_own_session_limits_count(authority, browser):
    authority.directory.replace(session_lifetime=600, session_idle_lifetime=300)
    await through(browser, authority)
    for wait, outcome in ((299, "code"), (299, "code"), (2, "error")):
        authority.clock.instant += wait
        await browser.get(authority.authorize_url(prompt="none"))
        assert outcome in browser.answer


async def session_here(authority, browser):
    cookie = browser.client.cookies[f"deputize-session-{ENVIRONMENT_ID}"]
    return await authority.store.sessions.find_session(ENVIRONMENT_ID, digest(cookie))


async def refresh(authority, token):
    async with authority.client() as agent:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await agent.post(f"{authority.path}/as/token", data=form, headers=basic())


async def test_a_copied_cookie_is_worth_nothing_after_sign_off(authority, browser):
    await through(browser, authority)
    name = f"deputize-session-{ENVIRONMENT_ID}"
    copied = browser.client.cookies[name]
    await browser.get(f"{authority.path}/as/signoff")
    await browser.submit()
    browser.client.cookies.set(name, copied, domain="authority.test")
    await browser.get(authority.authorize_url())
    assert browser.heading == "Sign on"


async def test_tabs_do_not_disturb_each_other(authority, browser):
    first = await authority_tab(authority, browser, "first")
    second = await authority_tab(authority, browser, "second")
    await browser.get(first)
    await browser.sign_on()
    await browser.get(second)
    assert browser.heading.startswith("Let ")
    await browser.accept()
    assert browser.answer["state"] == "second"
    await browser.get(first)
    assert browser.answer["state"] == "first"


async def authority_tab(authority, browser, state, **changes):
    return (await browser.client.get(authority.authorize_url(state=state, **changes))).headers["location"]


async def test_a_login_form_of_a_tab_that_is_signed_on_by_now_leads_on(authority, browser):
    await browser.get(authority.authorize_url())
    stale = browser.response
    await browser.sign_on()
    browser.response = stale
    await browser.sign_on(password="whatever")
    assert browser.heading.startswith("Let ")


async def test_sending_the_last_form_twice_gives_the_agent_the_same_code(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    page = browser.response
    await browser.accept()
    first = browser.answer
    browser.response = page
    await browser.accept()
    assert browser.answer == first


async def test_a_flow_yields_one_code_however_often_and_by_how_many_it_is_asked_at_once(authority, browser):
    await through(browser, authority)
    finished = str(browser.response.url)
    answers = await asyncio.gather(*(browser.client.get(finished) for _ in range(8)))
    assert {answer.headers["location"] for answer in answers} == {browser.response.headers["location"]}


async def test_a_sign_on_that_never_asked_anything_in_parallel_yields_one_code(authority, browser):
    tab = await authority_tab(authority, browser, "tab")
    await through(browser, authority)
    answers = await asyncio.gather(*(browser.client.get(tab) for _ in range(8)))
    assert len({answer.headers["location"] for answer in answers}) == 1


async def test_going_back_after_the_agent_has_its_tokens_shows_a_page_and_ends_nothing(authority, browser):
    tokens = (await redeem(authority, (await through(browser, authority))["code"])).json()
    await browser.get(str(browser.response.url))
    assert browser.response.status_code == 200
    assert browser.heading == "You are done here"
    assert "MCP Tutorial" in browser.response.text
    assert await is_active(authority, tokens["access_token"])


async def test_a_finished_flow_stays_finished_when_its_code_has_expired(authority, browser):
    await through(browser, authority)
    authority.clock.instant += authority.services.lifetimes.code_lifetime
    await browser.get(str(browser.response.url))
    assert browser.heading == "You are done here"


def test_a_code_is_remembered_for_as_long_as_its_flow_lives():
    assert Lifetimes().flow_lifetime <= KEPT_SECONDS


async def test_nobody_can_make_the_server_remember_anything_by_asking(authority, browser):
    def rows(connection):
        return {
            table.name: connection.scalar(select(func.count()).select_from(table))
            for table in METADATA.sorted_tables
        }

    await browser.get(authority.authorize_url())
    before = await authority.store.database.write(rows)
    for number in range(20):
        await browser.get(authority.authorize_url(state=str(number), padding="x" * 7_000))
        assert "padding" not in str(browser.response.url)
    assert await authority.store.database.write(rows) == before


async def test_a_callback_that_would_be_sent_the_session_cookie_is_not_sent_anybody(authority, browser):
    uri = f"{authority.base_url}{authority.path}/callback"
    authority.directory.replace_agent(redirect_uris=(uri,))
    await browser.get(authority.authorize_url(redirect_uri=uri))
    assert browser.response.status_code == 400
    assert "session cookies" in browser.response.text


@pytest.mark.parametrize("name", ["state", "nonce", "scope", "acr_values", "ui_locales", "login_hint"])
async def test_what_a_flow_carries_along_is_bounded(authority, browser, name):
    await browser.get(authority.authorize_url(**{name: "x" * 2049}))
    assert browser.answer["error"] == "invalid_request"


@settings(max_examples=examples(40), deadline=None)
@given(st.data())
async def test_a_flow_s_address_is_good_exactly_as_it_was_given(data):
    with tempfile.TemporaryDirectory() as folder:
        async with running_authority(Path(folder) / "data") as authority, authority.client() as client:
            given_address = (await client.get(authority.authorize_url(prompt="login"))).headers["location"]
            start = given_address.index("/signon/") + len("/signon/")
            place = data.draw(st.integers(start, len(given_address) - 1))
            put = data.draw(st.sampled_from("aZ0.-_&=%+"))
            changed = given_address[:place] + put + given_address[place + data.draw(st.integers(0, 1)) :]
            assert ("Sign on" in (await client.get(changed)).text) == (changed == given_address)


async def test_the_authorize_address_may_be_probed_without_cookies(authority, browser):
    async with authority.client() as probe:
        assert (await probe.get(authority.authorize_url())).status_code == 303
    assert "code" in await through(browser, authority)


async def test_another_browser_cannot_take_a_flow_over(authority, browser):
    await browser.get(authority.authorize_url())
    async with authority.client() as thief:
        stolen = Browser(authority, thief)
        await stolen.get(str(browser.response.url))
        assert stolen.response.status_code == 400
        assert "Allow cookies" in stolen.response.text
        await stolen.get(authority.authorize_url())
        await stolen.get(str(browser.response.url))
        assert stolen.response.status_code == 400
        assert "another browser" in stolen.response.text


async def test_a_flow_ends_by_itself(authority, browser):
    await browser.get(authority.authorize_url())
    authority.clock.instant += authority.services.lifetimes.flow_lifetime + 1
    await browser.get(str(browser.response.url))
    assert "took too long" in browser.response.text


async def test_an_agent_disabled_meanwhile_gets_no_code(authority, browser):
    await browser.get(authority.authorize_url())
    authority.directory.replace_agent(enabled=False)
    await browser.sign_on()
    assert browser.response.status_code == 400
    assert "The client is disabled" in browser.response.text


async def test_an_agreement_that_is_gone_stops_everything(authority, browser):
    authority.directory.replace(agreements={})
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert browser.response.status_code == 500


async def test_a_form_without_its_token_is_refused(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.submit(username="demouser", password="x", csrf="0" * 64)
    assert browser.response.status_code == 403


async def test_somebody_else_signing_on_here_ends_the_first_ones_session(authority, browser):
    tokens = (await redeem(authority, (await through(browser, authority))["code"])).json()
    await add_user(authority, "second")
    authority.clock.instant += 5
    await browser.get(authority.authorize_url(prompt="login"))
    await browser.sign_on(username="second")
    assert browser.heading.startswith("Let ")
    assert "second" in browser.response.text
    assert not await is_active(authority, tokens["access_token"])


async def test_an_agreement_page_of_one_user_is_not_accepted_for_another(authority, browser):
    await add_user(authority, "second")
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    page = browser.response
    authority.clock.instant += 5
    await browser.get(authority.authorize_url(prompt="login"))
    await browser.sign_on(username="second")
    browser.response = page
    await browser.accept()
    assert browser.response.status_code == 400
    assert (
        await authority.store.consents.consents_of(ENVIRONMENT_ID, "00000000-0000-4000-8000-000000000002")
        == ()
    )


async def add_user(authority, username):
    user = replace(USER, id="00000000-0000-4000-8000-000000000002", username=username)
    await authority.store.directory_rows.change([Put(user)], await authority.store.directory_rows.version())


async def test_a_disabled_user_is_signed_on_nowhere(authority, browser):
    await through(browser, authority)
    await authority.set_user_enabled(enabled=False)
    await browser.get(authority.authorize_url())
    assert browser.heading == "Sign on"
    await browser.sign_on()
    assert "not right" in browser.response.text


async def test_the_agreement_comes_in_the_readers_language(authority, browser):
    german = replace(TEXT, locale="de", title="Einwilligung", text="Ich willige ein", revision="r1-de")
    authority.directory.replace_agreement(texts=(TEXT, german))
    browser.headers["Accept-Language"] = "de-AT,de;q=0.9,en;q=0.5"
    await browser.get(authority.authorize_url())
    assert browser.heading == "Anmelden"
    await browser.sign_on()
    assert browser.heading == "Darf MCP Tutorial für Sie handeln?"
    assert "Ich willige ein" in browser.response.text
    await browser.accept()
    (consent,) = await authority.store.consents.consents_of(ENVIRONMENT_ID, USER_ID)
    assert (consent.locale, consent.revision) == ("de", "r1-de")


async def test_an_agent_may_say_which_language_its_user_reads(authority, browser):
    await browser.get(authority.authorize_url(ui_locales="xx fr-CA"))
    assert browser.heading == "Connexion"


async def test_a_name_the_agent_knows_is_filled_in(authority, browser):
    await browser.get(authority.authorize_url(login_hint="demouser"))
    assert 'value="demouser"' in browser.response.text


async def test_pages_let_their_forms_lead_to_the_agent_and_nowhere_else(authority, browser):
    uris = {
        "http://localhost:3000/callback": "'self' http://localhost:3000",
        "https://app.example/cb": "'self' https://app.example",
        "http://[::1]:3000/cb": "'self' http:",
        "com.example.app:/cb": "'self' com.example.app:",
    }
    authority.directory.replace_agent(redirect_uris=tuple(uris))
    for uri, sources in uris.items():
        await browser.get(authority.authorize_url(redirect_uri=uri))
        assert f"form-action {sources};" in browser.response.headers["content-security-policy"]


async def test_real_browsers_leave_by_a_page_so_that_their_forms_lead_to_us_alone(authority, browser):
    browser.headers["Sec-Fetch-Mode"] = "navigate"
    await browser.get(authority.authorize_url(state='"><b>'))
    assert "form-action 'self';" in browser.response.headers["content-security-policy"]
    await browser.sign_on()
    await browser.accept()
    assert browser.response.status_code == 200
    assert browser.heading == "Taking you back"
    assert f'<meta http-equiv="refresh" content="0; url={REDIRECT_URI}?code=' in browser.response.text
    assert "<b>" not in browser.response.text
    assert browser.response.headers["referrer-policy"] == "no-referrer"
    assert browser.response.headers["cache-control"] == "no-store"
    silent = await browser.get(authority.authorize_url(prompt="none"))
    assert silent.status_code == 303, "frames have no other way"


async def test_an_app_on_the_device_is_redirected_to_in_any_browser(authority, browser):
    browser.headers["Sec-Fetch-Mode"] = "navigate"
    authority.directory.replace_agent(redirect_uris=("com.example.app:/cb",))
    await through(browser, authority, redirect_uri="com.example.app:/cb")
    assert browser.response.headers["location"].startswith("com.example.app:/cb?code=")
