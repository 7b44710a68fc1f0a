"""Monitoring → Why: a real refusal is decided again, and leads to the setting, for those whose it is."""

import json
import re
from html import unescape
from urllib.parse import urlencode

import pytest

from support.agent_delegation import VERIFIER
from support.agent_flow import AGENT, OPERATOR, AgentFlow
from support.authority import Browser, authorization_parameters, basic

MARKUP = """"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"""
NO_MAY_ACT = [{"name": "sub", "mapping": "Username"}]


@pytest.fixture
async def flow(console):
    async with console.authority.client() as client:
        yield await AgentFlow(console, client).begin()


def in_words(page):
    """The page's own part as people read it, what is marked in brackets."""
    shown = re.sub(r"<mark>(.*?)</mark>", r"[[\1]]", page[page.index("<main") :], flags=re.DOTALL)
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", shown).split()))


def links(page):
    return [unescape(each) for each in re.findall(r'href="([^"]+)"', page)]


async def why(browser, console, activity):
    """Follow the link from the record to the page that says why."""
    page = (await browser.get(f"{console.path}/audit/{activity.id}")).text
    [link] = [each for each in links(page) if "/why?" in each]
    return (await browser.get(link)).text


def failed(page):
    """The steps that failed, as their headings name them."""
    return re.findall(r'<li class="is-failed"[^>]*>\s*<h3>([^<]+?)\s*<', page)


async def test_an_empty_page_teaches_what_it_is_for(console):
    async with console.signed_on(path=f"{console.path}/why") as browser:
        assert browser.heading == "Why"
        assert "Nothing was refused lately" in browser.response.text
        assert f'href="{console.path}/why" aria-current="page"' in browser.response.text


async def test_without_may_act_the_missing_part_is_marked_and_the_mapping_is_one_link_away(console, flow):
    await flow.change("resource", "agent", attributes=NO_MAY_ACT)
    refused = await flow.exchange((await flow.sign_on())["access_token"])
    assert refused["error"] == "invalid_request"
    async with console.signed_on() as browser:
        page = await why(browser, console, await flow.last())
        assert failed(page) == ["Who may act"]
        assert "[[#root.context.requestData.subjectToken.may_act.sub ==" in in_words(page)
        assert "`#root.context.requestData.subjectToken.may_act` is missing" in in_words(page)
        resource = await flow.find("resource", "agent")
        [setting] = [each for each in links(page) if each.endswith(f"{resource.id}/attributes")]
        assert (await browser.get(setting)).status_code == 200


async def test_an_agent_that_the_user_did_not_name_is_told_from_the_one_that_they_did(console, flow):
    subject = (await flow.sign_on())["access_token"]
    await flow.sign_on("Other Agent")
    assert "error" in await flow.exchange(subject, "Other Agent")
    async with console.signed_on() as browser:
        page = await why(browser, console, await flow.last())
        assert failed(page) == ["Who may act"]
        words = in_words(page)
        assert "[[#root.context.requestData.subjectToken.may_act.sub ==" in words
        assert 'value="Other Agent"' in page


@pytest.mark.parametrize(
    ("by", "said"),
    [("user", " by the user"), ("administrator alice", " by administrator alice"), (None, "")],
)
async def test_a_consent_that_was_withdrawn_is_named_with_the_person(console, flow, by, said):
    subject = (await flow.sign_on())["access_token"]
    store, user = console.authority.store, await flow.find("user", "demouser")
    agent_id, _ = flow.secrets[AGENT]
    now = console.authority.clock.now()
    await store.consents.withdraw_consents(console.environment, user.id, agent_id, now, by)
    assert "error" in await flow.exchange(subject)
    async with console.signed_on() as browser:
        page = await why(browser, console, await flow.last())
        assert failed(page) == ["The sign-on it rested on"]
        assert f"was withdrawn{said} after this sign-on" in in_words(page)
        assert f"{console.path}/users/{user.id}" in links(page)


@pytest.mark.parametrize(
    ("changes", "step", "tab"),
    [
        ({"scopes": {"agent": ["agent"]}}, "The scopes", "resources"),
        ({"enabled": False}, "The agent", ""),
        ({"grants": ["client_credentials", "refresh_token"]}, "The ways to get tokens", "configuration"),
    ],
)
async def test_what_was_taken_from_an_agent_leads_to_its_page(console, flow, changes, step, tab):
    subject = (await flow.sign_on())["access_token"]
    actor = await flow.own_token()
    await flow.change("agent", AGENT, **changes)
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": subject,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "actor_token": actor,
        "actor_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "scope": "test",
    }
    assert "error" in await flow.post("token", form)
    agent_id, _ = flow.secrets[AGENT]
    async with console.signed_on() as browser:
        page = await why(browser, console, await flow.last())
        assert failed(page) == [step]
        setting = f"{console.path}/agents/{agent_id}/{tab}".rstrip("/")
        assert setting in links(page)
        assert (await browser.get(setting)).status_code == 200


async def test_a_wrong_password_is_a_sign_on_that_was_refused(console, flow):
    browser = Browser(console.authority, flow.client)
    asked = {
        "response_type": "code",
        "client_id": flow.secrets[AGENT][0],
        "redirect_uri": "http://localhost:3000/callback",
        "scope": "agent",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    await browser.get(f"/{console.environment}/as/authorize?{urlencode(asked)}")
    await browser.sign_on(password="wrong")
    async with console.signed_on() as browser:
        words = in_words(await why(browser, console, await flow.last()))
        assert "the password is wrong" in words
        assert "deputize users unlock demouser" in words
        assert "It was refused: the password is wrong" in words
        assert "would be permitted" not in words


async def test_a_call_that_the_gateway_refused_rests_on_its_token(console, flow):
    token = await flow.delegated()
    jti = (await flow.last("permitted", event="token issued")).read_record()["jti"]
    assert token
    await flow.report(jti, "the scope weather is missing")
    async with console.signed_on() as browser:
        call = await flow.last(source="gateway")
        words = in_words(await why(browser, console, call))
        assert "It was refused: the gateway refused the call" in words
        assert "the scope weather is missing" in words
        assert "or with the gateway" in words
        await flow.change("agent", AGENT, scopes={"agent": ["agent"]})
        assert failed(await why(browser, console, call)) == ["The scopes"]


async def test_refusals_are_offered_also_those_that_no_agent_had_a_part_in(console, flow):
    await flow.post("introspect", {"token": "nonsense"}, "test")
    await flow.post("token", {"grant_type": "password"})
    async with console.signed_on(path=f"{console.path}/why") as browser:
        refusal, of_nobody = [each for each in links(browser.response.text) if "?activity=" in each]
        assert "Token refused" in in_words(browser.response.text)
        assert "It was refused: the grant type is not supported" in in_words(
            (await browser.client.get(refusal)).text
        )
        inactive = await flow.last(event="token inactive")
        assert of_nobody.endswith(inactive.id)
        page = in_words((await browser.client.get(of_nobody)).text)
        assert "It was refused: introspection says that the token is not active" in page
        drawn = await flow.last("permitted", event="environment changed")
        page = await browser.client.get(f"{console.path}/why?activity={drawn.id}")
        assert (page.status_code, "does not say which agent" in page.text) == (200, True)
        assert (await browser.client.get(f"{console.path}/why?activity=none")).status_code == 404


async def test_a_question_of_ones_own_is_decided_by_scopes_alone(console, flow):
    await flow.sign_on()
    asked = {"agent": AGENT, "scope": "openid test", "user": "demouser", "exchange": "on"}
    async with console.signed_on(path=f"{console.path}/why?{urlencode(asked)}") as browser:
        page = browser.response.text
        assert failed(page) == []
        claims = dict(re.findall(r"<dt><code>(\w+)</code></dt><dd><code>(.*?)</code>", page))
        assert json.loads(unescape(claims["act"])) == {"sub": flow.secrets[AGENT][0]}
        for name, value in asked.items():
            assert name == "exchange" or f'value="{value}"' in page


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"resource": "test"}, "agent"), ({"agent": AGENT}, "resource")],
)
async def test_what_is_missing_is_said_at_its_field(console, asked, field):
    async with console.signed_on(path=f"{console.path}/why?{urlencode(asked)}") as browser:
        assert browser.response.status_code == 422
        assert f'id="f-{field}-problem"' in browser.response.text
        assert (
            "would be" not in in_words(browser.response.text).partition("Ask yourself")[0].partition(".")[2]
        )


async def test_auditors_see_it_and_nobody_without_a_role(console, flow):
    await flow.post("token", {"grant_type": "password"})
    refusal = await flow.last()
    for role, status in (("auditor", 200), ("nobody", 403)):
        async with console.signed_on(role) as browser:
            answer = await browser.client.get(f"{console.path}/why?activity={refusal.id}")
            assert answer.status_code == status


async def test_owners_see_why_their_own_agents_were_refused_and_nothing_else(console, flow):
    await flow.change("agent", AGENT, owner="agent_owner")
    subject = (await flow.sign_on())["access_token"]
    await flow.sign_on("Other Agent")
    await flow.exchange(subject, "Other Agent")
    others = await flow.last()
    await flow.change("resource", "agent", attributes=NO_MAY_ACT)
    await flow.exchange((await flow.sign_on())["access_token"])
    own = await flow.last()
    async with console.signed_on("agent_owner", path=f"{console.path}/why") as browser:
        assert [each for each in links(browser.response.text) if "?activity=" in each] == [
            f"{console.path}/why?activity={own.id}"
        ]
        page = (await browser.get(f"{console.path}/why?activity={own.id}")).text
        assert failed(page) == ["Who may act"]
        assert {each for each in links(page[page.index("<main") :]) if "/agents/" not in each} == {"#refused"}
        assert (await browser.client.get(f"{console.path}/why?activity={others.id}")).status_code == 404
        for asked, problem in (
            ({"agent": "Other Agent", "resource": "test"}, "You have no agent of this name"),
            ({"agent": AGENT, "resource": "no such"}, "nothing to do with"),
        ):
            answer = await browser.client.get(f"{console.path}/why?{urlencode(asked)}")
            assert (answer.status_code, problem in answer.text) == (422, True)
        asked = {"agent": AGENT, "resource": "agent", "user": "demouser", "scope": "agent"}
        page = (await browser.get(f"{console.path}/why?{urlencode(asked)}")).text
        assert "demouser" not in page
        assert "It would be permitted" in page


REFUSED_REQUESTS = {
    "secret": ("the client secret is wrong", "agents/{agent}/secrets"),
    "caller's secret": ("the client secret is wrong", "resources/{resource}/secrets"),
    "client": ("the client is unknown", "agents"),
    "redirect URI": ("the redirect URI is not registered", "agents/{agent}/configuration"),
    "PKCE": ("PKCE is missing, or not S256", ""),
    "scope": ("the scope is not granted", "agents/{agent}/resources"),
    "code": ("the authorization code is not taken", ""),
    "refresh token": ("the refresh token is not taken", "agents/{agent}/configuration"),
    "subject token": ("a token that was presented is not taken", ""),
    "registration": ("the client may not register, or not change", "registration/settings"),
    "pushed redirect URI": ("the redirect URI is not registered", "agents/{agent}/configuration"),
}
"""What is refused, the headline of the page, and the page that it leads to."""


async def refuse(flow, name):
    """Make a request that the authority refuses."""
    agent, secret = flow.secrets[AGENT]
    asked = authorization_parameters(client_id=agent)
    wrong = {**asked, "redirect_uri": "http://localhost:3000/callbak"}
    path = f"/{flow.console.environment}/as"
    own = {"grant_type": "client_credentials", "scope": "agent"}
    match name:
        case "secret":
            await flow.client.post(f"{path}/token", data=own, headers=basic(agent, f"{secret}x"))
        case "caller's secret":
            resource = flow.secrets["test"][0]
            await flow.client.post(
                f"{path}/introspect", data={"token": "x"}, headers=basic(resource, f"{secret}x")
            )
        case "client":
            await flow.client.get(f"{path}/authorize?{urlencode({**asked, 'client_id': 'nobody'})}")
        case "redirect URI":
            await flow.client.get(f"{path}/authorize?{urlencode(wrong)}")
        case "PKCE":
            await flow.client.get(
                f"{path}/authorize?{urlencode({**asked, 'code_challenge_method': 'plain'})}"
            )
        case "scope":
            await flow.client.get(f"{path}/authorize?{urlencode({**asked, 'scope': 'nothing'})}")
        case "code":
            form = {"grant_type": "authorization_code", "code": "x", "code_verifier": VERIFIER}
            await flow.post("token", {**form, "redirect_uri": asked["redirect_uri"]})
        case "refresh token":
            await flow.post("token", {"grant_type": "refresh_token", "refresh_token": "x"})
        case "subject token":
            await flow.exchange("x")
        case "registration":
            await flow.client.post(f"{path}/register", json={}, headers={"Authorization": "Bearer x"})
        case _:
            await flow.post("par", wrong)


@pytest.mark.parametrize("name", REFUSED_REQUESTS)
async def test_a_refused_request_says_what_it_was_and_leads_to_its_setting(console, flow, name):
    if name == "registration":
        environments = console.authority.services.administration.environments
        template = {"policies": ["Agent-Consent-Login"], "scopes": {"agent": ["agent"]}}
        opened = {"registration": {"agent": template, "dynamic": True, "initial_access_tokens": True}}
        await environments.change(OPERATOR, console.environment, opened)
        await console.refresh()
    await refuse(flow, name)
    headline, place = REFUSED_REQUESTS[name]
    for role in ("administrator", "auditor"):
        async with console.signed_on(role) as browser:
            page = await why(browser, console, await flow.last())
            words = in_words(page)
            assert f"It was refused: {headline}" in words
            assert "would be permitted" not in words
            assert not re.findall(r"[A-Z]+_[A-Z]+|NAME", words)
            of_record = links(page[page.index("<main") :])
            for address in of_record:
                assert address.startswith("#") or (await browser.client.get(address)).status_code == 200
            ids = {"agent": flow.secrets[AGENT][0], "resource": flow.secrets["test"][0]}
            assert not place or f"{console.path}/{place.format(**ids)}" in of_record
            if name.endswith("redirect URI"):
                assert "The nearest is http://localhost:3000/callback, with another path" in words


async def test_an_owner_is_not_told_of_resources_by_guessing_their_scopes(console, flow):
    await flow.change("agent", AGENT, owner="agent_owner")
    scopes = [{"name": name, "description": name} for name in ("pay", "test")]
    payroll = {"name": "Payroll", "audience": "https://payroll.internal", "scopes": scopes}
    administration = console.authority.services.administration
    await administration.change(OPERATOR, console.environment, "resource", payroll)
    async with console.signed_on("agent_owner") as browser:
        answers = {}
        for scope in ("pay", "pay openid", "nothing", "test"):
            asked = {"agent": AGENT, "scope": scope}
            answer = await browser.client.get(f"{console.path}/why?{urlencode(asked)}")
            assert "ayroll" not in answer.text, scope
            answers[scope] = (answer.status_code, "nothing to do with" in answer.text)
    assert answers == {**dict.fromkeys(("pay", "pay openid", "nothing"), (422, True)), "test": (200, False)}


async def test_claims_about_people_are_not_for_owners(console, flow):
    await flow.change("agent", AGENT, owner="agent_owner")
    await flow.delegated()
    await flow.report((await flow.last("permitted", event="token issued")).read_record()["jti"], "no")
    call = await flow.last(source="gateway")
    for role, is_shown in (("agent_owner", False), ("auditor", True)):
        async with console.signed_on(role) as browser:
            page = (await browser.get(f"{console.path}/why?activity={call.id}")).text
            assert "The exchange" in in_words(page)
            assert ("What the token would say" in page) is is_shown


async def test_nothing_that_is_asked_becomes_markup(console, flow):
    expression = f"user.{'x'} == '<script>alert(1)</script>' ? {{'sub': 'x'}} : null"
    await flow.change(
        "resource", "test", attributes=[{"name": "act", "expression": expression}], description=MARKUP
    )
    await flow.sign_on()
    async with console.signed_on() as browser:
        for asked in (
            dict.fromkeys(("agent", "resource", "user", "scope"), MARKUP),
            {"agent": AGENT, "resource": MARKUP, "user": MARKUP},
            {"agent": AGENT, "resource": "test", "user": MARKUP, "exchange": "on"},
            {"agent": AGENT, "resource": "test", "user": "demouser", "exchange": "on"},
            {"agent": AGENT, "scope": f"test {MARKUP}"},
        ):
            page = (await browser.get(f"{console.path}/why?{urlencode(asked)}")).text
            assert failed(page)
            assert "<script>alert" not in page
            assert "<img src=x" not in page
        assert "&lt;script&gt;" in (await browser.get(f"{console.path}/why?{urlencode(asked)}")).text


async def test_another_environments_records_are_not_there(console, flow):
    await flow.post("token", {"grant_type": "password"})
    refusal = await flow.last()
    async with console.signed_on() as browser:
        answer = await browser.client.get(f"/console/{console.home}/why?activity={refusal.id}")
        assert answer.status_code == 404


async def test_it_is_in_the_readers_language(console, flow):
    await flow.post("token", {"grant_type": "password"})
    async with console.authority.client() as client:
        browser = Browser(console.authority, client, headers={"accept-language": "de"})
        await browser.get(f"{console.path}/why")
        await browser.sign_on(username="auditor")
        assert browser.heading == "Warum"
        assert "Zuletzt abgelehnt" in browser.response.text
