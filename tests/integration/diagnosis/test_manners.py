"""How the doctor behaves: leaves nothing behind, shows nothing secret, and lets a person sign on."""

import json
import re
import webbrowser

import httpx2
import pytest
from demo.person import Person
from demo.stage import _free_port

from deputize.cli.doctor import lines_of
from deputize.diagnosis import case as cases
from deputize.diagnosis import causes

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def sessions(pair):
    return await pair.services.store.sessions.sessions_of(pair.environment_id)


async def test_the_user_is_signed_off_and_tokens_are_revoked(pair, monkeypatch):
    obtained = []
    monkeypatch.setattr(cases.Case, "take", taking(cases.Case.take, obtained))
    before = [each.id for each in await sessions(pair)]
    assert {each.outcome for each in await pair.examine()} == {"ok"}
    assert len(obtained) == 3
    assert [each.id for each in await sessions(pair)] == before
    known = pair.credentials("resource", "test")
    async with httpx2.AsyncClient() as client:
        for token in obtained:
            url = f"{pair.issuer}/introspect"
            answer = await client.post(url, data={"token": token.value}, auth=tuple(known))
            assert answer.json() == {"active": False}


def taking(take, obtained):
    def take_and_keep(case, answer):
        token = take(case, answer)
        obtained.append(token)
        return token

    return take_and_keep


async def test_nothing_secret_is_shown(pair):
    said = []
    found = await pair.examine(say=said.append)
    shown = json.dumps([each.json() for each in found]) + "".join(
        line for each in found for line in lines_of(each)
    )
    secrets = [pair.stage.password, *pair.secrets.values()]
    assert said == []
    assert [each for each in secrets if each in shown] == []
    assert re.search(r"eyJ[A-Za-z0-9_-]{8,}", shown) is None


async def test_a_person_signs_on_in_a_browser(pair, monkeypatch):
    redirect_uri = f"http://localhost:{_free_port(0, set())}/callback"
    opened = []

    def sign_on(url):
        opened.append(url)
        person = Person("demouser", pair.stage.password)
        back = person.visit(url, stop_at=redirect_uri)
        assert httpx2.get(redirect_uri.replace("/callback", "/other")).status_code == 404
        assert "The doctor has its answer" in httpx2.get(back).text

    monkeypatch.setattr(webbrowser, "open", sign_on)
    said = []
    found = await pair.examine(user=None, browser=True, redirect_uri=redirect_uri, say=said.append)
    assert opened
    assert opened[0] in said[0]
    outcomes = {each.check: each.outcome for each in found}
    assert outcomes.pop("consent-prompt") == outcomes.pop("consent-once") == "not tried"
    assert set(outcomes.values()) == {"ok"}


async def test_an_answer_with_another_state_is_not_taken(pair, monkeypatch):
    redirect_uri = f"http://localhost:{_free_port(0, set())}/callback"
    monkeypatch.setattr(
        webbrowser, "open", lambda url: httpx2.get(f"{redirect_uri}?code=x&state=y").raise_for_status()
    )
    found = await pair.examine(user=None, browser=True, redirect_uri=redirect_uri, say=lambda text: None)
    problem = next(each for each in found if each.outcome == "problem")
    assert (problem.check, problem.cause) == ("sign-on", causes.REQUEST_REFUSED)


async def test_without_credentials_it_looks_at_what_can_be_seen_without(pair):
    found = await pair.examine(client=None, user=None, resource=None, admin_url=None)
    outcomes = {each.check: each.outcome for each in found}
    assert {name for name, outcome in outcomes.items() if outcome == "ok"} == {
        *("authority", "gateway", "clocks", "authority-metadata", "keys"),
        *("challenge", "resource-metadata", "token-check"),
    }
    assert "problem" not in outcomes.values()
    said = {each.check: each.said for each in found}
    assert said["agent"] == "give --client-id and --client-secret-file"
    assert said["introspection"] == "give --resource-id and --resource-secret-file"
    assert said["call"] == "it needs claims"


async def test_without_leave_it_does_not_agree_for_the_user(pair):
    await pair.withdraw()
    before = len(await consents(pair))
    found = await pair.examine(accepts=False)
    assert [each.cause for each in found if each.outcome == "problem"] == [causes.CONSENT_MISSING]
    assert [each.withdrawn_at is None for each in await consents(pair)] == [False] * before


async def consents(pair):
    store = pair.services.store
    user = await store.users.find_user(pair.environment_id, "demouser")
    return await store.consents.consents_of(pair.environment_id, user.id)
