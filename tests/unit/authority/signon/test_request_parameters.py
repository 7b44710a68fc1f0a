"""What an agent may ask of a sign-on: OpenID Connect Core sections 3.1.2.1 and 11."""

from html import unescape

import pytest

from deputize.authority.storage import Put
from deputize.jose import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, KeyRing, generate_key, sign
from deputize.kernel.ids import new_id
from support.agent_delegation import AGENT_ID, OTHER_ID, REDIRECT_URI, USER_ID, VERIFIER
from support.authority import USER, basic
from support.records import replace

OTHER_USER = replace(USER, id=new_id(), username="otheruser")


@pytest.fixture
async def two_users(authority):
    rows = authority.store.directory_rows
    await rows.change([Put(OTHER_USER)], await rows.version())


def hint(authority, *, ring=None, typ=ID_TOKEN_TYPE, algorithm="RS256", **claims):
    """Return an ID token of long ago about the user."""
    about = {"iss": authority.issuer, "aud": AGENT_ID, "sub": USER_ID, "exp": 1, **claims}
    return sign(about, ring or authority.directory.environment.keys, typ, algorithm)


async def through(browser, authority, **changes):
    """Sign on and accept, whatever of it is asked for; the query the agent gets."""
    await browser.get(authority.authorize_url(**changes))
    if browser.heading == "Sign on":
        await browser.sign_on()
    if browser.heading.startswith("Let "):
        await browser.accept()
    return browser.answer


async def tokens(browser, authority, **changes):
    answer = await through(browser, authority, **changes)
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    return (await browser.client.post(f"{authority.path}/as/token", data=form, headers=basic())).json()


async def test_an_id_token_of_the_user_who_is_signed_on_changes_nothing(authority, browser):
    await through(browser, authority)
    answer = await through(browser, authority, prompt="none", id_token_hint=hint(authority))
    assert "code" in answer


@pytest.mark.usefixtures("two_users")
async def test_with_prompt_none_another_user_than_the_hint_s_has_to_sign_on(authority, browser):
    await through(browser, authority)
    about_another = hint(authority, sub=OTHER_USER.id)
    answer = await through(browser, authority, prompt="none", id_token_hint=about_another)
    assert (answer["error"], answer["state"]) == ("login_required", "the-state")
    assert "code" in await through(browser, authority, prompt="none")  # who was signed on still is


@pytest.mark.usefixtures("two_users")
async def test_nobody_else_than_the_hint_s_user_signs_on(authority, browser):
    await browser.get(authority.authorize_url(id_token_hint=hint(authority)))
    await browser.sign_on(username="otheruser")
    assert browser.heading == "Sign on"
    assert "goes on only with the user who signed on before" in unescape(browser.response.text)
    assert not await authority.store.sessions.sessions_of(USER.environment_id)
    [refused] = await authority.records("SIGN-ON-REFUSED")
    assert refused["reason"] == "the request is about another user"
    await browser.sign_on()
    await browser.accept()
    assert "code" in browser.answer


@pytest.mark.usefixtures("two_users")
async def test_who_is_signed_on_makes_room_for_the_hint_s_user(authority, browser):
    await through(browser, authority)
    await browser.get(authority.authorize_url(id_token_hint=hint(authority, sub=OTHER_USER.id)))
    assert browser.heading == "Sign on"
    await browser.sign_on(username="otheruser")
    await browser.accept()
    assert "code" in browser.answer


@pytest.mark.parametrize(
    "made",
    [
        lambda authority: "x",
        lambda authority: hint(authority, aud=OTHER_ID),
        lambda authority: hint(authority, iss="https://other.example"),
        lambda authority: hint(authority, typ=ACCESS_TOKEN_TYPE),
        lambda authority: hint(authority, ring=KeyRing((generate_key("RS256", "k3", 0.0, "current"),))),
    ],
)
async def test_what_is_no_id_token_of_this_client_is_refused(authority, browser, made):
    await browser.get(authority.authorize_url(id_token_hint=made(authority)))
    assert browser.answer["error"] == "invalid_request"
    assert "id_token_hint" in browser.answer["error_description"]


@pytest.mark.parametrize("prompt", ["login", "select_account"])
async def test_whoever_is_signed_on_may_be_asked_who_they_are(authority, browser, prompt):
    await through(browser, authority)
    await browser.get(authority.authorize_url(prompt=prompt))
    assert browser.heading == "Sign on"
    await browser.sign_on()
    assert "code" in browser.answer


@pytest.mark.parametrize("prompt", ["none login", "none select_account", "create", "Login", "login;consent"])
async def test_a_prompt_that_means_nothing_here_is_refused(authority, browser, prompt):
    await browser.get(authority.authorize_url(prompt=prompt))
    assert browser.answer["error"] == "invalid_request"


async def test_with_prompt_none_a_sign_on_of_too_long_ago_has_to_be_renewed(authority, browser):
    await through(browser, authority)
    authority.clock.instant += 300
    assert "code" in await through(browser, authority, prompt="none", max_age="301")
    answer = await through(browser, authority, prompt="none", max_age="300")
    assert answer["error"] == "login_required"


@pytest.mark.parametrize(
    "max_age", ["-1", "1.5", "soon", "9999999999", "١"]
)  # the last is a digit, elsewhere
async def test_a_max_age_is_a_number_of_seconds(authority, browser, max_age):
    await browser.get(authority.authorize_url(max_age=max_age))
    assert browser.answer["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("grants", "scope", "granted", "refreshes"),
    [
        ("refresh_token", "openid agent", "openid agent", True),
        ("refresh_token", "openid offline_access agent", "openid offline_access agent", True),
        ("", "openid offline_access agent", "openid agent", False),
        ("", "openid agent", "openid agent", False),
        ("", "offline_access agent", "agent", False),
    ],
)
async def test_offline_access_is_granted_to_agents_that_may_refresh(
    authority, browser, grants, scope, granted, refreshes
):
    authority.directory.replace_agent(grant_types=frozenset({"authorization_code", *grants.split()}))
    answer = await tokens(browser, authority, scope=scope)
    assert (answer["scope"], "refresh_token" in answer) == (granted, refreshes)


async def test_parameters_that_are_not_supported_are_ignored_or_named(authority, browser):
    """`claims_parameter_supported` is false, so `claims` is as any unknown parameter (RFC 6749 3.1)."""
    answer = await through(
        browser, authority, claims='{"id_token": {"acr": {"essential": true}}}', display="popup"
    )
    assert "code" in answer
