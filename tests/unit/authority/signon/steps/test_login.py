import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from deputize.authority.passwords import TooBusy
from deputize.authority.storage import Put
from support.agent_delegation import ENVIRONMENT_ID
from support.authority import PASSWORD, USER, Browser, PageForm


@pytest.fixture
async def login(authority, browser):
    await browser.get(authority.authorize_url())
    return browser


async def test_a_wrong_password_and_an_unknown_user_look_the_same(login):
    wrong = (await login.sign_on("wrong")).text
    assert "not right" in wrong
    unknown = (await login.sign_on("wrong", "demouser")).text
    assert unknown == wrong
    nobody = (await login.sign_on("wrong", "nobody")).text
    assert nobody.replace('value="nobody"', 'value="demouser"') == wrong


async def test_both_cost_a_password_check(authority, login, monkeypatch):
    checked = []
    real = authority.services.passwords.verify

    async def counting(password_hash, password, source):
        checked.append(bool(password_hash))
        return await real(password_hash, password, source)

    monkeypatch.setattr(authority.services.passwords, "verify", counting)
    await login.sign_on("wrong")
    await login.sign_on("wrong", "nobody")
    assert checked == [True, False]


async def test_the_name_stays_and_the_password_does_not(login):
    page = (await login.sign_on("wrong-password")).text
    assert 'value="demouser"' in page
    assert "wrong-password" not in page


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"username": "", "password": "x"}, "Enter your username"),
        ({"username": "demouser", "password": ""}, "Enter your password"),
        ({"username": "   ", "password": "x"}, "Enter your username"),
    ],
)
async def test_what_is_missing_is_named(login, typed, said):
    response = await login.submit(**typed)
    assert response.status_code == 400
    assert said in response.text


async def test_a_name_is_locked_after_six_failures_and_opens_again(authority, login):
    for _ in range(6):
        await login.sign_on("wrong")
    response = await login.sign_on(PASSWORD)
    assert response.status_code == 429
    assert "Wait 15 min" in response.text
    authority.clock.instant += 901
    await login.get(authority.authorize_url())
    await login.sign_on(PASSWORD)
    assert login.heading.startswith("Let ")


async def test_the_right_password_of_a_disabled_user_forgets_no_failures(authority, login):
    await authority.set_user_enabled(enabled=False)
    for typed in ("wrong", "wrong", PASSWORD, "wrong", "wrong", PASSWORD):
        assert (await login.sign_on(typed)).status_code == 400
    assert (await login.sign_on("wrong")).status_code == 429


async def guess(authority, times, address, username="demouser"):
    """The statuses of so many wrong passwords from one address."""
    async with authority.client(address) as client:
        guesser = Browser(authority, client)
        await guesser.get(authority.authorize_url())
        return [(await guesser.sign_on("wrong", username)).status_code for _ in range(times)]


async def test_somebody_else_s_failures_lock_nobody_out_elsewhere(authority, login):
    assert await guess(authority, 8, "198.51.100.7") == [400] * 6 + [429] * 2
    await login.sign_on()
    assert login.heading.startswith("Let ")


async def test_where_a_user_signed_on_before_the_right_password_is_never_refused_whoever_guesses(
    authority, login
):
    await login.sign_on()
    for number in range(1, 10):
        await guess(authority, 7, f"198.51.100.{number}")
    await guess(authority, 7, "127.0.0.1")
    login.client.cookies.delete(f"deputize-session-{ENVIRONMENT_ID}")
    async with authority.client() as stranger:
        unknown = Browser(authority, stranger)
        await unknown.get(authority.authorize_url())
        assert (await unknown.sign_on()).status_code == 429
    await login.get(authority.authorize_url())
    await login.sign_on()
    assert login.heading.startswith("Let ")


async def test_a_known_browser_is_no_way_to_guess_either(authority, login):
    await login.sign_on()
    await login.get(authority.authorize_url(prompt="login"))
    statuses = [(await login.sign_on("wrong")).status_code for _ in range(8)]
    assert statuses == [400] * 6 + [429] * 2
    assert await guess(authority, 1, "198.51.100.7") == [400], "and it is nobody else's trouble"


async def test_a_browser_known_to_one_user_is_not_known_to_another(authority, login):
    second = replace(USER, id="00000000-0000-4000-8000-000000000002", username="second")
    await authority.store.directory_rows.change([Put(second)], await authority.store.directory_rows.version())
    await login.sign_on()
    await login.get(authority.authorize_url(prompt="login"))
    assert await guess(authority, 6, "127.0.0.1", "second") == [400] * 6
    assert (await login.sign_on(username="second")).status_code == 429


async def test_guessing_from_many_networks_slows_down(authority):
    statuses = [await guess(authority, 5, f"2001:db8:0:{number:x}::1") for number in range(8)]
    assert statuses[:6] == [[400] * 5] * 6
    assert statuses[6:] == [[429] * 5] * 2
    authority.clock.instant += 2
    assert await guess(authority, 2, "2001:db8:1::1") == [400, 429]


async def test_addresses_of_one_network_are_one_source(authority):
    statuses = [(await guess(authority, 1, f"2001:db8::{number:x}"))[0] for number in range(1, 9)]
    assert statuses == [400] * 6 + [429] * 2


async def test_when_the_server_is_busy_nobody_is_blamed(authority, login, monkeypatch):
    async def busy(_hash, _password, _source):
        raise TooBusy

    with monkeypatch.context() as patched:
        patched.setattr(authority.services.passwords, "verify", busy)
        for _ in range(10):
            assert (await login.sign_on()).status_code == 503
    await login.sign_on()
    assert login.heading.startswith("Let ")


async def test_guessing_in_parallel_gains_nothing(authority, login, monkeypatch):
    checked = []
    real = authority.services.passwords.verify

    async def counting(password_hash, password, source):
        checked.append(password)
        return await real(password_hash, password, source)

    monkeypatch.setattr(authority.services.passwords, "verify", counting)
    form = {**PageForm(login.response.text).fields, "username": "demouser", "password": "wrong"}
    answers = await asyncio.gather(
        *(login.client.post(str(login.response.url), data=form) for _ in range(40))
    )
    assert len(checked) == 6
    assert {answer.status_code for answer in answers} == {400, 429}


async def test_a_name_nobody_has_is_locked_too(login):
    for _ in range(6):
        await login.sign_on("wrong", "nobody")
    assert (await login.sign_on("wrong", "nobody")).status_code == 429


async def test_signing_on_forgets_the_failures(authority, login):
    for _ in range(5):
        await login.sign_on("wrong")
    await login.sign_on(PASSWORD)
    assert await guess(authority, 6, "127.0.0.1") == [400] * 6


async def test_when_too_many_sign_on_at_once_the_page_says_so(authority, login, monkeypatch):
    async def busy(_hash, _password, _source):
        raise TooBusy

    monkeypatch.setattr(authority.services.passwords, "verify", busy)
    response = await login.sign_on()
    assert response.status_code == 503
    assert "Try again in a moment" in response.text


async def test_the_log_says_that_it_failed_but_not_what_was_typed(login):
    with capture_logs() as lines:
        await login.sign_on("my-secret-typo", "my-password-typed-as-name")
    assert any(line["event"] == "sign-on refused" for line in lines)
    assert "my-secret-typo" not in str(lines)
    assert "my-password-typed-as-name" not in str(lines)


async def test_who_signs_on_and_why_not_is_recorded(authority, login):
    with capture_logs() as lines:
        for _ in range(7):
            await login.sign_on("wrong")
        await login.sign_on("wrong", "nobody")
        authority.clock.instant += 901
        await login.get(authority.authorize_url())
        await login.sign_on()
    told = [
        (line["event"], line.get("reason"), line.get("user_id"))
        for line in lines
        if line["event"] in {"sign-on refused", "signed on"}
    ]
    assert told == [
        *[("sign-on refused", "the password is wrong", USER.id)] * 6,
        ("sign-on refused", "too many failures", USER.id),
        ("sign-on refused", "the name is unknown", None),
        ("signed on", None, USER.id),
    ]


async def test_the_session_value_is_not_kept_in_clear(authority, login):
    await login.sign_on()
    cookie = login.client.cookies[f"deputize-session-{ENVIRONMENT_ID}"]
    assert await authority.store.sessions.find_session(ENVIRONMENT_ID, cookie) is None


@pytest.mark.parametrize("typed", [" demouser ", "demouser\u00a0", "ｄｅｍｏｕｓｅｒ"])
async def test_a_name_is_recognised_however_it_is_typed(login, typed):
    await login.sign_on(username=typed)
    assert login.heading.startswith("Let ")
