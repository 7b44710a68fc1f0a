"""Monitoring → Token: whatever is pasted is judged as introspection does, explained, and kept nowhere."""

import base64
import json
import re
from html import unescape

import pytest

from deputize.jose import encode_base64url, sign
from deputize.jose.tokens import MAX_TOKEN
from support.agent_delegation import REDIRECT_URI, VERIFIER
from support.agent_flow import AGENT, AgentFlow
from support.authority import Browser

MARKUP = """"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"""


@pytest.fixture
async def flow(console):
    async with console.authority.client() as client:
        yield await AgentFlow(console, client).begin()


def in_words(page):
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", page[page.index("<main") :]).split()))


def verdict(page):
    found = re.search(r'id="verdict">(.*?)</h2>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split()) if found else ""


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def jwt(claims, signature=b"sig", **header):
    parts = (json.dumps({"typ": "at+jwt", "alg": "ES256", **header}).encode(), json.dumps(claims).encode())
    return ".".join(encode_base64url(each).decode() for each in (*parts, signature))


def link_of(page, claim):
    """Where the setting of a claim is, as the page links it."""
    part = page.partition(f"<h3><code>{claim}</code></h3>")[2].partition("<h3>")[0]
    found = re.search(r'href="([^"]+)"', part)
    return unescape(found[1]) if found else ""


@pytest.fixture
async def read(console):
    """Paste a token as an auditor; returns the page."""
    async with console.signed_on("auditor", path=f"{console.path}/token") as browser:

        async def paste(token, status=200):
            await browser.get(f"{console.path}/token")
            answer = await browser.submit(token=token)
            assert answer.status_code == status
            assert answer.headers["cache-control"] == "no-store"
            return answer.text

        paste.browser = browser
        yield paste


async def test_a_delegated_token_is_verified_explained_and_traced(console, flow, read):
    token = await flow.delegated()
    page = await read(f"Authorization: Bearer {token[:40]}\n {token[40:]}")
    assert verdict(page) == "An access token In force"
    words, resource = in_words(page), await flow.find("resource", "test")
    assert "MCP Tutorial acts now" in words
    assert "test: Discover and call the tools of the MCP servers" in words
    assert "#root.context.requestData.subjectToken.may_act.sub ==" in words
    for name in claims_of(token):
        assert f"<h3><code>{name}</code></h3>" in page
        assert "Nothing here gives this a meaning" not in words
    agent_id, _ = flow.secrets[AGENT]
    user = await flow.find("user", "demouser")
    policy = await flow.find("policy", "Agent-Consent-Login")
    for name, path in {
        "act": f"resources/{resource.id}/attributes/act",
        "sub": f"resources/{resource.id}/attributes/sub",
        "scope": f"resources/{resource.id}/scopes",
        "aud": f"resources/{resource.id}",
        "client_id": f"agents/{agent_id}",
        "acr": f"policies/{policy.id}",
        "sid": f"users/{user.id}",
        "p1.userId": f"users/{user.id}",
        "iss": "environment",
    }.items():
        assert link_of(page, name) == f"{console.path}/{path}"
        assert (await read.browser.client.get(link_of(page, name))).status_code == 200
    record = re.search(r'href="([^"]+/audit/[^"]+)"', page)[1]
    assert "Token issued" in (await read.browser.get(record)).text


async def test_nothing_of_it_is_kept_or_shown_again_and_no_address_has_it(console, flow, read):
    token = await flow.delegated()
    issued = await console.authority.records("TOKEN-ISSUED")
    before = console.authority.audit_file.read_bytes()
    activities = await flow.last("permitted")
    remembered = list(console.authority.services.verifier._seen)
    page = await read(token)
    assert token not in page
    assert token.rpartition(".")[2] not in page
    assert await console.authority.records("TOKEN-ISSUED") == issued
    assert console.authority.audit_file.read_bytes() == before
    assert await flow.last("permitted") == activities
    assert token not in str(read.browser.response.url)
    assert '<form method="post"' in page
    shown = await read.browser.client.get(f"{console.path}/token?token={token}")
    assert verdict(shown.text) == ""
    assert token not in shown.text
    assert list(console.authority.services.verifier._seen) == remembered


async def test_a_form_that_is_not_the_sessions_own_is_not_read(console, flow, read):
    answer = await read.browser.client.post(f"{console.path}/token", data={"token": await flow.own_token()})
    assert (answer.status_code, verdict(answer.text)) == (403, "")


async def expire(flow, token):
    flow.console.authority.clock.instant += 3601


async def revoke(flow, token):
    await flow.post("revoke", {"token": token})


async def end_session(flow, token):
    sessions, clock = flow.console.authority.store.sessions, flow.console.authority.clock
    await sessions.end_session(claims_of(token)["sid"], clock.instant)


async def withdraw(flow, token):
    user, agent_id = await flow.find("user", "demouser"), flow.secrets[AGENT][0]
    consents, clock = flow.console.authority.store.consents, flow.console.authority.clock
    await consents.withdraw_consents(flow.console.environment, user.id, agent_id, clock.instant)


async def disable(flow, token):
    await flow.change("agent", AGENT, enabled=False)


async def take_scope(flow, token):
    await flow.change("agent", AGENT, scopes={"agent": ["agent"]})


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (expire, "expired"),
        (revoke, "was revoked"),
        (end_session, "the session was ended"),
        (withdraw, "was withdrawn"),
        (disable, "is gone or disabled"),
        (take_scope, "no longer granted"),
    ],
)
async def test_what_ended_a_token_is_named(console, flow, read, ends, reason):
    token = await flow.delegated()
    assert verdict(await read(token)) == "An access token In force"
    await ends(flow, token)
    page = await read_again(console, token) if ends is expire else await read(token)
    assert verdict(page) == "An access token Ended"
    assert reason in in_words(page)
    assert "This environment issued it" in in_words(page)


async def read_again(console, token):
    """Paste it after so long a time that one has to sign on again."""
    async with console.signed_on(path=f"{console.path}/token") as browser:
        return (await browser.submit(token=token)).text


async def test_what_somebody_changed_is_not_believed(console, flow, read):
    token = await flow.delegated()
    head, payload, signature = token.split(".")
    other = encode_base64url(json.dumps({**claims_of(token), "scope": "admin"}).encode()).decode()
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    none = jwt(claims_of(token), b"", alg="none")
    for forged, reason in (
        (f"{head}.{payload}.{flipped}", "the signature does not verify"),
        (f"{head}.{other}.{signature}", "the signature does not verify"),
        (none, "it is not signed (alg none)"),
        (jwt(claims_of(token)), "names no key of this environment"),
    ):
        page = await read(forged)
        assert verdict(page) == "An access token Not verified"
        assert reason in in_words(page)
        assert "may be made up" in in_words(page)
        assert link_of(page, "act") == ""
        assert "In force" not in page


async def test_tokens_of_others_are_decoded_and_called_unverified(console, flow, read):
    page = await read(
        jwt({"iss": "https://other.example", "sub": "x", "exp": 1e9, "department": [1]}, x5c="y" * 900)
    )
    assert verdict(page) == "A token Not verified"
    assert "Its issuer is not this environment" in in_words(page)
    assert "department" in page
    home = console.authority.directory.current.environments[console.home]
    page = await read(jwt({"iss": home.issuer}))
    assert f"Its issuer is the environment {home.name}" in in_words(page)
    assert f'href="/console/{console.home}/token"' in page


async def test_a_chain_of_actors_is_told_from_now_to_before(console, flow, read):
    environment = console.authority.directory.current.environments[console.environment]
    token = await flow.delegated()
    agent_id, other = flow.secrets[AGENT][0], flow.secrets["Other Agent"][0]
    act = {"sub": agent_id, "act": {"sub": other, "act": {"sub": "stranger"}}}
    words = in_words(await read(sign({**claims_of(token), "act": act}, environment.keys)))
    for said in ("MCP Tutorial acts now", "Other Agent acted before", "stranger acted before"):
        assert said in words


async def test_refresh_tokens_and_codes_are_handles_of_a_sign_on(console, flow, read):
    tokens = await flow.sign_on()
    page = await read(tokens["refresh_token"])
    assert verdict(page) == "A refresh token In force"
    for said in (AGENT, "demouser", "agent"):
        assert said in in_words(page)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    newer = (await flow.post("token", form))["refresh_token"]
    assert "was spent" in in_words(await read(tokens["refresh_token"]))
    assert verdict(await read(newer)) == "A refresh token In force"
    await withdraw(flow, tokens["access_token"])
    assert verdict(await read(newer)) == "A refresh token Ended"
    elsewhere = await read.browser.client.get(f"/console/{console.home}/token")
    csrf = re.search(r'name="csrf" value="([^"]+)"', elsewhere.text)[1]
    answer = await read.browser.client.post(
        f"/console/{console.home}/token", data={"csrf": csrf, "token": newer}
    )
    assert (answer.status_code, "demouser" in answer.text) == (422, False)


async def test_a_code_is_one_until_it_is_redeemed_or_a_minute_old(console, flow, read):
    code = await flow.authorize()
    assert verdict(await read(code)) == "An authorization code In force"
    console.authority.clock.instant += 301
    assert "expired" in in_words(await read(code))
    again = await flow.authorize()
    form = {"grant_type": "authorization_code", "code": again, "code_verifier": VERIFIER}
    await flow.post("token", {**form, "redirect_uri": REDIRECT_URI})
    assert "the code was redeemed" in in_words(await read(again))


async def test_an_id_token_is_one_and_opens_nothing(console, flow, read):
    token = (await flow.sign_on(scope="openid agent"))["id_token"]
    page = await read(token)
    assert verdict(page) == "An ID token In force"
    assert "opens nothing" in in_words(page)
    assert verdict(await read_again(console, token)) == "An ID token In force"
    await expire(flow, token)
    assert verdict(await read_again(console, token)) == "An ID token Ended"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("  ", "Fill this in"),
        ("garbage", "it is no JWT, which has three parts"),
        ("Bearer", "it is no JWT"),
        ("a.b", "here are 2"),
        ("a.b.c.d.e", "it is encrypted"),
        ("a.b.c", "base64url"),
        ("e30.e30=.e30", "base64url without padding"),
        ("e30.W10.e30", "the payload is not a JSON object"),
        ("e30.bm90IGpzb24.e30", "the payload is not JSON"),
        (jwt({}, crit=["x"]), "critical parameters"),
        ("x" * (MAX_TOKEN + 1), f"has {MAX_TOKEN + 1} characters, and {MAX_TOKEN} are the most"),
        (MARKUP, "it is no JWT"),
        ("\x00\x1b[31m", "it is no JWT"),
    ],
)
async def test_what_cannot_be_read_is_told_precisely_and_not_repeated(read, text, problem):
    page = await read(text, 422)
    assert problem in in_words(page)
    assert 'aria-invalid="true"' in page
    assert "<script>alert" not in page
    assert len(page) < 20_000


async def test_more_than_any_token_is_refused_before_it_is_read(console, read):
    await read.browser.get(f"{console.path}/token")
    answer = await read.browser.submit(token="x" * 300_000)
    assert answer.status_code in {413, 422}


async def test_no_claim_becomes_markup_or_turns_the_text_around(read):
    claims = {
        MARKUP: MARKUP,
        "iss": MARKUP,
        "act": {"sub": MARKUP},
        "scope": MARKUP,
        "x": "a\u202eb\u2066",
        "exp": 9e99,
    }
    page = await read(jwt(claims, kid=MARKUP))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert "a\\u202eb\\u2066" in page


async def test_values_of_any_type_are_shown(console, flow, read):
    issuer = console.authority.directory.current.environments[console.environment].issuer
    for value in (None, True, 7, -1e300, "text", [], [1], {}, {"sub": 7}):
        names = (
            "aud",
            "exp",
            "iat",
            "act",
            "may_act",
            "scope",
            "client_id",
            "sub",
            "sid",
            "jti",
            "typ",
            "acr",
        )
        page = await read(jwt({**dict.fromkeys(names, value), "iss": issuer}, typ=value))
        assert "Not verified" in verdict(page)


async def test_administrators_and_auditors_may_and_owners_of_agents_may_not(console):
    for role, status in (("administrator", 200), ("auditor", 200), ("agent_owner", 403), ("nobody", 403)):
        async with console.signed_on(role) as browser:
            assert (await browser.client.get(f"{console.path}/token")).status_code == status


async def test_it_is_in_the_readers_language(console, flow):
    token = await flow.own_token()
    async with console.authority.client() as client:
        browser = Browser(console.authority, client, headers={"accept-language": "de"})
        await browser.get(f"{console.path}/token")
        await browser.sign_on(username="auditor")
        page = (await browser.submit(token=token)).text
        assert verdict(page) == "Ein Access-Token Gültig"
        assert "keine Person dahintersteht" in in_words(page)
