"""Sign-on with another provider: what it takes, and what no hostile provider, site or browser gets."""

import base64
import hashlib
import hmac
import re

import pytest
from joserfc.jwk import RSAKey
from joserfc.util import urlsafe_b64encode

from deputize.authority.signon.trips import LIFETIME
from deputize.kernel.strict_json import dumps
from deputize.oauth.grants.authorization_code import challenge_of
from support.agent_delegation import ENVIRONMENT_ID, USER_ID
from support.authority import NOW, PASSWORD, Browser
from support.document_hosts import json_answer
from support.factors import LOGIN, demand
from support.issuers import ALGORITHMS, signed
from support.providers import CLIENT_ID, EXTERNAL, SUBJECT, offer, set_out, with_provider
from support.records import replace

CONSENT = "Let MCP Tutorial act for you?"
BY_NAME = {"sub": "demouser"}


@pytest.fixture
async def both(tmp_path):
    async with with_provider(tmp_path / "data") as both:
        yield both


@pytest.fixture
def authority(both):
    return both[0]


@pytest.fixture
def provider(both):
    both[1].claims = dict(BY_NAME)
    return both[1]


@pytest.fixture
async def browser(authority):
    async with authority.client() as client:
        yield Browser(authority, client)


async def sessions(authority):
    return await authority.store.sessions.sessions_of(ENVIRONMENT_ID)


async def refusals(authority):
    return [each["reason"] for each in await authority.records("SIGN-ON-REFUSED")]


async def test_the_whole_way(authority, provider, browser):
    asked = await set_out(browser, provider)
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": f"{authority.issuer}/callback/partner",
        "scope": "openid",
        "state": asked["state"],
        "nonce": asked["nonce"],
        "code_challenge": asked["code_challenge"],
        "code_challenge_method": "S256",
    }
    await browser.get(provider.response())
    assert browser.heading == CONSENT
    await browser.accept()
    assert browser.answer["state"] == "the-state"
    (session,) = await sessions(authority)
    assert session.factors == {"external:partner": int(NOW)}
    (form,) = provider.tokens_asked
    assert (form["grant_type"], form["code"]) == ("authorization_code", "the-code")
    assert form["redirect_uri"] == asked["redirect_uri"]
    assert challenge_of(form["code_verifier"]) == asked["code_challenge"]
    assert provider.authorizations == [""]
    assert form["client_assertion_type"].endswith(":jwt-bearer")
    await browser.get(authority.authorize_url())
    assert "code" in browser.answer, "the session counts"


async def test_nothing_of_two_trips_is_the_same(provider, browser):
    first, second = [await set_out(browser, provider) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]
        assert len(first[name]) >= 43


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.example"}, "iss is another issuer"),
        ({"iss": None}, "iss is another issuer"),
        ({"aud": "another"}, "aud is another client"),
        ({"aud": ["another"]}, "aud is another client"),
        ({"aud": [CLIENT_ID, "another"]}, "azp is not this client"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "azp is not this client"),
        ({"azp": "another"}, "azp is not this client"),
        ({"nonce": "another"}, "nonce is not the one"),
        ({"nonce": None}, "nonce is not the one"),
        ({"exp": int(NOW) - 61}, "it has expired"),
        ({"exp": None}, "it has expired"),
        ({"exp": "later"}, "it has expired"),
        ({"iat": int(NOW) - 61}, "iat is no instant since"),
        ({"iat": int(NOW) + 61}, "iat is no instant since"),
        ({"nbf": int(NOW) + 61}, "nbf is no instant"),
        ({"sub": None}, "sub is no text"),
        ({"sub": ""}, "sub is no text"),
        ({"sub": "x" * 256}, "sub is no text"),
        ({"sub": ["demouser"]}, "sub is no text"),
    ],
)
async def test_an_id_token_for_something_else_signs_nobody_on(authority, provider, browser, claims, reason):
    await set_out(browser, provider)
    provider.claims |= claims
    await browser.get(provider.response())
    assert browser.heading == "Sign on"
    assert "That did not work." in browser.response.text
    assert await sessions(authority) == ()
    (refused,) = await refusals(authority)
    assert reason in refused


@pytest.mark.parametrize("extra", [{"aud": [CLIENT_ID]}, {"aud": [CLIENT_ID, "x"], "azp": CLIENT_ID}])
async def test_an_id_token_may_name_others_if_this_client_got_it(provider, browser, extra):
    await set_out(browser, provider)
    provider.claims |= extra
    await browser.get(provider.response())
    assert browser.heading == CONSENT


def without_signature(provider):
    header, payload, _ = provider.id_token().split(".")
    header = base64.urlsafe_b64encode(dumps({"alg": "none", "typ": "JWT"})).rstrip(b"=").decode()
    return f"{header}.{payload}."


def by_the_public_key(provider):
    """HS256 with what everybody knows as its secret."""
    _, payload, _ = provider.id_token().split(".")
    pem = ALGORITHMS["RS256"].as_pem(private=False)
    signing_input = urlsafe_b64encode(dumps({"alg": "HS256", "kid": "k1"})) + b"." + payload.encode()
    mac = hmac.digest(pem, signing_input, hashlib.sha256)
    return (signing_input + b"." + urlsafe_b64encode(mac)).decode()


def by_another_key(provider):
    provider.key = RSAKey.generate_key(2048)
    return provider.id_token()


def by_another_algorithm(provider):
    provider.algorithm = "PS256"
    return provider.id_token()


def of_another_kind(provider):
    provider.header = {"typ": "at+jwt"}
    return provider.id_token()


def changed(provider):
    header, _, signature = provider.id_token().split(".")
    _, payload, _ = signed(ALGORITHMS["ES256"], {"sub": "demouser"}).split(".")
    return f"{header}.{payload}.{signature}"


@pytest.mark.parametrize(
    "forge",
    [without_signature, by_the_public_key, by_another_key, by_another_algorithm, of_another_kind, changed],
)
async def test_only_what_the_provider_signed_counts(authority, provider, browser, forge):
    await set_out(browser, provider)
    provider.token_answer = json_answer(dumps({"id_token": forge(provider)}))
    await browser.get(provider.response())
    assert browser.heading == "Sign on"
    assert await sessions(authority) == ()
    (reason,) = await refusals(authority)
    assert reason.startswith("its ID token: ")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (json_answer(b'{"error": "invalid_grant"}', "400 Bad Request"), "answered 400 invalid_grant"),
        (json_answer(b"{}"), "without an ID token"),
        (json_answer(b"[1]"), "without an ID token"),
        (json_answer(b'{"id_token": 7}'), "without an ID token"),
        (json_answer(b"<html>"), "did not answer with JSON"),
        (json_answer(b"{}", "302 Found", [("Location", "https://127.0.0.1/")]), "answered 302"),
        (json_answer(b"x" * 100_000), "its token endpoint: "),
        (b"SSH-2.0\r\n", "its token endpoint: "),
    ],
)
async def test_an_answer_that_is_none_signs_nobody_on(authority, provider, browser, answer, reason):
    await set_out(browser, provider)
    provider.token_answer = answer
    await browser.get(provider.response())
    assert browser.heading == "Sign on"
    assert reason in (await refusals(authority))[0]


@pytest.mark.parametrize(
    ("response", "text", "reason"),
    [
        ({"iss": "https://evil.example"}, "That did not work.", "another provider's"),
        ({"iss": None}, "That did not work.", "does not say whose it is"),
        ({"code": None}, "That did not work.", "has no code"),
        ({"code": None, "error": "access_denied"}, "You did not sign on there.", "answered access_denied"),
        ({"error": "server_error"}, "That did not work.", "answered server_error"),
    ],
)
async def test_a_response_that_is_not_the_providers_redeems_nothing(
    authority, provider, browser, response, text, reason
):
    await set_out(browser, provider)
    await browser.get(provider.response(**response))
    assert browser.heading == "Sign on"
    assert text in browser.response.text
    assert reason in (await refusals(authority))[0]
    assert provider.tokens_asked == []
    await browser.sign_on()
    assert browser.heading == CONSENT, "another way goes on from there"
    assert text not in browser.response.text


async def test_a_provider_that_never_names_itself_need_not(provider, browser):
    provider.metadata["authorization_response_iss_parameter_supported"] = False
    await set_out(browser, provider)
    await browser.get(provider.response(iss=None))
    assert browser.heading == CONSENT


@pytest.mark.parametrize("state", [None, "", "another"])
async def test_without_the_state_of_this_browsers_trip_nothing_happens(authority, provider, browser, state):
    await set_out(browser, provider)
    await browser.get(provider.response(state=state))
    assert browser.response.status_code == 400
    assert provider.tokens_asked == []
    await browser.get(provider.response())
    assert browser.heading == CONSENT, "the trip goes on"


async def test_a_response_counts_once(authority, provider, browser):
    await set_out(browser, provider)
    kept = dict(browser.client.cookies)
    response = provider.response()
    await browser.get(response)
    assert browser.heading == CONSENT
    await browser.get(response)
    assert browser.response.status_code == 400
    name = f"deputize-trip-{ENVIRONMENT_ID}"
    for session in await sessions(authority):
        await authority.store.sessions.end_session(session.id, NOW)
    browser.client.cookies.set(name, kept[name], domain="authority.test", path=f"/{ENVIRONMENT_ID}/")
    await browser.get(response)
    assert browser.heading == "Sign on"
    assert await refusals(authority) == ["the response came before"]
    assert len(provider.tokens_asked) == 1


async def test_a_trip_is_one_browsers(authority, provider, browser):
    await set_out(browser, provider)
    async with authority.client() as client:
        victim = Browser(authority, client)
        await victim.get(provider.response())
        assert victim.response.status_code == 400
        await victim.get(authority.authorize_url())
        for name, value in browser.client.cookies.items():
            if "trip" in name:
                client.cookies.set(name, value, domain="authority.test", path=f"/{ENVIRONMENT_ID}/")
        await victim.get(provider.response())
        assert victim.response.status_code == 400, "it is sealed for another browser"
    assert await sessions(authority) == ()
    assert provider.tokens_asked == []


async def test_a_trip_takes_ten_minutes_at_most(authority, provider, browser):
    await set_out(browser, provider)
    authority.clock.instant += LIFETIME
    await browser.get(provider.response())
    assert browser.response.status_code == 400
    assert provider.tokens_asked == []


async def test_each_provider_has_its_own_way_back(authority, provider, browser):
    other = provider.settings(name="other", issuer="https://other.example")
    offer(authority, provider.settings(), other)
    await set_out(browser, provider)
    await browser.get(provider.response().replace("/callback/partner", "/callback/other"))
    assert browser.response.status_code == 400
    offer(authority, provider.settings(issuer="https://other.example"))
    await browser.get(provider.response())
    assert browser.response.status_code == 400, "another provider has that name now"
    assert provider.tokens_asked == []


@pytest.mark.parametrize("change", [lambda _: "https://evil.example", lambda issuer: f"{issuer}/"])
async def test_metadata_of_another_issuer_leads_nowhere(authority, provider, browser, change):
    provider.metadata["issuer"] = change(provider.issuer)
    await browser.get(authority.authorize_url())
    await browser.submit(1, provider="partner")
    assert browser.response.status_code == 503
    assert "That did not work." in browser.response.text
    assert "its metadata" in (await refusals(authority))[0]


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize("value", [None, "http://provider.example/x", "javascript:alert(1)", 7])
async def test_metadata_with_endpoints_elsewhere_leads_nowhere(authority, provider, browser, name, value):
    provider.metadata[name] = value
    await browser.get(authority.authorize_url())
    await browser.submit(1, provider="partner")
    assert browser.response.status_code == 503
    assert f"{name} of its metadata" in (await refusals(authority))[0]


async def test_who_has_to_sign_on_anew_does_so_there(authority, provider, browser):
    asked = await set_out(browser, provider, prompt="login")
    assert asked["max_age"] == "0"
    provider.claims["auth_time"] = int(NOW) - 600
    await browser.get(provider.response())
    assert browser.heading == "Sign on"
    assert "auth_time" in (await refusals(authority))[0]
    await browser.submit(1, provider="partner")
    provider.receive(browser.response.headers["location"])
    provider.claims["auth_time"] = int(NOW)
    await browser.get(provider.response())
    assert browser.heading == CONSENT


@pytest.mark.parametrize(
    ("said", "kept"), [(NOW - 600, NOW - 600), (NOW + 30, NOW), (None, NOW), ("x", NOW), (-(10**9), 0)]
)
async def test_a_sign_on_is_as_old_as_the_provider_says(authority, provider, browser, said, kept):
    await set_out(browser, provider)
    provider.claims["auth_time"] = said
    await browser.get(provider.response())
    (session,) = await sessions(authority)
    assert (session.auth_time, session.factors) == (int(kept), {"external:partner": int(kept)})
    assert session.expires_at > NOW
    await browser.accept()
    await browser.get(authority.authorize_url(max_age="300"))
    assert (browser.heading == "Sign on") == (kept < NOW)


async def test_an_email_address_is_nobodys_account(authority, provider, browser):
    user = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
    await authority.store.users.put_user(replace(user, email="ada@example.com"))
    provider.claims = {"sub": SUBJECT, "email": "ada@example.com", "email_verified": True}
    await set_out(browser, provider)
    await browser.get(provider.response())
    assert "Nobody here is known by that account." in browser.response.text
    assert await sessions(authority) == ()


async def test_who_is_disabled_does_not_come_in_this_way(authority, provider, browser):
    await authority.set_user_enabled(enabled=False)
    await set_out(browser, provider)
    await browser.get(provider.response())
    assert browser.heading == "Sign on"
    assert await refusals(authority) == ["the user is disabled"]


async def test_who_is_locked_out_does_not_come_in_this_way(authority, provider, browser):
    await browser.get(authority.authorize_url())
    for _ in range(7):
        await browser.sign_on("a guess")
    await set_out(browser, provider)
    await browser.get(provider.response())
    assert "Too many attempts." in browser.response.text
    assert await sessions(authority) == ()


async def test_a_page_that_offers_no_provider_leads_to_none(authority, provider, browser):
    demand(authority, LOGIN)
    await browser.get(authority.authorize_url())
    await browser.submit(provider="partner", username="demouser", password=PASSWORD)
    assert browser.heading == CONSENT, "it was a password's form"


async def test_as_a_step_of_its_own_it_is_for_the_user_who_signed_on(authority, provider, browser):
    demand(authority, LOGIN, EXTERNAL)
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert browser.heading == "Sign on"
    assert "Continue with Partner &amp; Co" in browser.response.text
    eve = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
    await authority.store.users.put_user(replace(eve, id="eve", username="eve"))
    provider.claims["sub"] = "eve"
    for subject, heading in (("eve", "Sign on"), ("demouser", CONSENT)):
        provider.claims["sub"] = subject
        await browser.submit(1, provider="partner")
        provider.receive(browser.response.headers["location"])
        await browser.get(provider.response())
        assert browser.heading == heading
    (session,) = await sessions(authority)
    assert session.factors.keys() == {"password", "external:partner"}


async def test_an_agent_that_wants_no_page_is_told_to_have_its_user_sign_on(authority, provider, browser):
    demand(authority, EXTERNAL)
    await browser.get(authority.authorize_url(prompt="none"))
    assert browser.answer["error"] == "login_required"


async def test_a_secret_is_read_from_its_file_and_goes_where_the_provider_takes_it(
    authority, provider, browser, tmp_path
):
    offer(authority, provider.settings(secret="partner.txt"))
    await set_out(browser, provider)
    await browser.get(provider.response())
    assert "no secret 'partner.txt' in the folder" in (await refusals(authority))[0]
    object.__setattr__(authority.services, "provider_secrets", tmp_path)
    (tmp_path / "partner.txt").write_text("a:b c\n")
    await browser.submit(1, provider="partner")
    provider.receive(browser.response.headers["location"])
    await browser.get(provider.response())
    assert browser.heading == CONSENT
    assert provider.authorizations[-1].lower() == (
        "basic " + base64.b64encode(f"{CLIENT_ID}:a%3Ab+c".encode()).decode().lower()
    )
    assert "client_assertion" not in provider.tokens_asked[-1]


async def connect(page, provider):
    forms = re.findall(r"<form[^>]*>.*?</form>", page.response.text, re.DOTALL)
    number = next(at for at, form in enumerate(forms) if 'value="connect"' in form)
    await page.submit(number, action="connect")
    provider.receive(page.response.headers["location"])


async def own_page(authority, client):
    page = Browser(authority, client)
    await page.get(f"{authority.path}/my/security")
    await page.sign_on()
    await page.get(f"{authority.path}/my/security")
    return page


async def test_a_user_connects_an_account_and_signs_on_with_it(authority, provider, browser):
    offer(authority, provider.settings(subject=None))
    provider.claims = {}
    async with authority.client() as client:
        page = await own_page(authority, client)
        await connect(page, provider)
        await page.get(provider.response())
        assert "The account is connected." in page.response.text
        assert "Partner &amp; Co" in page.response.text
    await set_out(browser, provider)
    await browser.get(provider.response())
    assert browser.heading == CONSENT
    async with authority.client() as client:
        eve = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
        await authority.store.users.put_user(replace(eve, id="eve", username="eve"))
        page = Browser(authority, client)
        await page.get(f"{authority.path}/my/security")
        await page.sign_on(username="eve")
        await page.get(f"{authority.path}/my/security")
        await connect(page, provider)
        await page.get(provider.response())
        assert "The account was not connected." in page.response.text
    assert await authority.store.factors.factors_of(ENVIRONMENT_ID, "eve") == ()


async def test_nobody_has_another_connect_an_account_of_theirs(authority, provider, browser):
    offer(authority, provider.settings(subject=None))
    provider.claims = {}
    async with authority.client() as client, authority.client() as other:
        attacker, victim = await own_page(authority, client), await own_page(authority, other)
        await connect(attacker, provider)
        await victim.get(provider.response())
        assert victim.response.status_code == 400
        await victim.client.get(f"{authority.path}/my/security")
        csrf = {"csrf": "x", "action": "connect", "provider": "partner"}
        refused = await victim.client.post(f"{authority.path}/my/security", data=csrf)
        assert refused.status_code == 403
    assert await authority.store.factors.factors_of(ENVIRONMENT_ID, USER_ID) == ()


async def test_an_account_is_connected_by_the_session_that_set_out_for_it(authority, provider):
    offer(authority, provider.settings(subject=None))
    provider.claims = {}
    eve = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
    await authority.store.users.put_user(replace(eve, id="eve", username="eve"))
    async with authority.client() as client:
        page = await own_page(authority, client)
        await connect(page, provider)
        response = provider.response()
        for session in await sessions(authority):
            await authority.store.sessions.end_session(session.id, NOW)
        await page.get(f"{authority.path}/my/security")
        await page.sign_on(username="eve")
        await page.get(response)
        assert page.response.status_code == 400
    for user in (USER_ID, "eve"):
        assert await authority.store.factors.factors_of(ENVIRONMENT_ID, user) == ()


async def test_a_request_too_long_for_a_cookie_is_refused_in_words(authority, provider, browser):
    await browser.get(authority.authorize_url(state="s" * 1500, nonce="n" * 1000, login_hint="h" * 400))
    await browser.submit(1, provider="partner")
    assert browser.response.status_code == 400
    assert "too long" in browser.response.text
