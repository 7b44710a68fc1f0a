"""Agents are told over real TLS that a session ended, and nobody who ends one waits for them."""

import asyncio
import dataclasses
import re
from urllib.parse import parse_qs

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from deputize.authority import backchannel_logout
from deputize.authority.backchannel_logout import WAITS, deliver_due
from deputize.authority.storage import StorageUnavailable
from deputize.jose import ID_TOKEN_TYPE, LOGOUT_TOKEN_TYPE, TokenInvalid, verify
from deputize.kernel.strict_json import loads
from support.agent_delegation import AGENT_ID, ENVIRONMENT_ID, USER_ID
from support.authority import Browser
from support.document_hosts import DocumentHost
from support.introductions import introducing
from support.patience import PATIENCE


class Listening(DocumentHost):
    """An agent's logout endpoint, which answers with a status and keeps what it is told."""

    def __init__(self):
        super().__init__(self.take)
        self.status = "200 OK"
        self.forms = []

    async def take(self, reader, writer):
        length = int(re.search(r"(?i)content-length: (\d+)", self.requests[-1])[1])
        self.forms.append(parse_qs((await reader.readexactly(length)).decode(), strict_parsing=True))
        writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()


@pytest.fixture
async def agent():
    async with Listening() as host:
        yield host


@pytest.fixture
async def services(authority, agent):
    """The authority's, whose agent wants to be told at `agent`."""
    authority.directory.replace_agent(backchannel_logout_uri=f"{agent.origin}/logout?tenant=a")
    return dataclasses.replace(authority.services, fetcher=agent.fetcher())


async def sign_on_and_off(authority, browser):
    """Sign on with the agent and off again; the session's id."""
    await browser.get(authority.authorize_url(scope="openid agent"))
    await browser.sign_on()
    if browser.heading.startswith("Let "):
        await browser.accept()
    [session] = await authority.store.sessions.sessions_of(ENVIRONMENT_ID)
    await browser.get(f"{authority.path}/as/signoff")
    await browser.submit(action="sign-off")
    return session.id


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_the_agent_gets_a_logout_token_that_only_that_is(
    authority, browser, agent, services, algorithm
):
    authority.directory.replace_agent(id_token_signed_response_alg=algorithm)
    session_id = await sign_on_and_off(authority, browser)
    assert await deliver_due(services) == 1
    assert agent.requests[0].startswith("POST /logout?tenant=a HTTP/1.1\r\n")
    assert "content-type: application/x-www-form-urlencoded" in agent.requests[0].lower()
    [form] = agent.forms
    [token] = form.pop("logout_token")
    assert not form
    published = (await browser.client.get(f"{authority.path}/as/jwks")).json()
    signed = jws.deserialize_compact(token, KeySet.import_key_set(published), algorithms=[algorithm])
    assert signed.headers()["typ"] == "logout+jwt"
    claims = loads(signed.payload)
    now = int(authority.clock.now())
    assert claims.pop("jti")
    assert claims == {
        "iss": authority.issuer,
        "aud": AGENT_ID,
        "sub": USER_ID,
        "sid": session_id,
        "iat": now,
        "exp": now + 120,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }
    keys = authority.directory.environment.keys
    assert verify(token, keys, authority.issuer, now, LOGOUT_TOKEN_TYPE)
    with pytest.raises(TokenInvalid):
        verify(token, keys, authority.issuer, now, ID_TOKEN_TYPE)
    [record] = await authority.records("LOGOUT-NOTICE-DELIVERED")
    assert (record["clientId"], record["sessionId"], record["attempt"]) == (AGENT_ID, session_id, 1)
    assert await deliver_due(services) == 0


async def test_an_agent_that_does_not_answer_is_asked_a_few_times_and_no_more(
    authority, browser, agent, services
):
    agent.status = "503 Service Unavailable"
    await sign_on_and_off(authority, browser)
    for number, wait in enumerate(WAITS, 1):
        assert await deliver_due(services) == 1
        assert await deliver_due(services) == 0
        assert len(agent.forms) == number
        authority.clock.instant += wait
    assert await deliver_due(services) == 0
    failures = await authority.records("LOGOUT-NOTICE-FAILED")
    assert [each["attempt"] for each in failures] == [1, 2, 3, 4, 5]
    assert [each["isOver"] for each in failures] == [False] * 4 + [True]
    assert failures[0]["reason"] == "answered with status 503 instead of 200"


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "302 Found"])
async def test_an_agent_that_refuses_is_not_asked_again(authority, browser, agent, services, status):
    agent.status = status
    await sign_on_and_off(authority, browser)
    assert await deliver_due(services) == 1
    authority.clock.instant += 10_000
    assert await deliver_due(services) == 0
    [failure] = await authority.records("LOGOUT-NOTICE-FAILED")
    assert failure["isOver"] is True


async def test_signing_off_waits_for_nobody(authority, browser, agent, services):
    hanging, released = asyncio.Event(), asyncio.Event()

    async def hang(_reader, _writer):
        hanging.set()
        await released.wait()

    agent.answer = hang
    await sign_on_and_off(authority, browser)
    delivering = asyncio.create_task(deliver_due(services))
    async with asyncio.timeout(PATIENCE):
        await hanging.wait()
        await sign_on_and_off(authority, browser)  # while the first notice is on its way
    released.set()
    assert await delivering == 1


async def test_the_program_delivers_by_itself_and_goes_on_when_the_store_fails(
    authority, browser, agent, services, monkeypatch
):
    delivered, take, failing = asyncio.Event(), agent.answer, [StorageUnavailable("not now")]

    async def answer(reader, writer):
        await take(reader, writer)
        delivered.set()

    async def fail_once(_self, *arguments):
        if failing:
            raise failing.pop()
        return await begin_attempts(*arguments)

    agent.answer, begin_attempts = answer, services.store.logout_notices.begin_attempts
    monkeypatch.setattr(type(services.store.logout_notices), "begin_attempts", fail_once)
    monkeypatch.setattr(backchannel_logout, "POLL_SECONDS", 0.01)
    await sign_on_and_off(authority, browser)
    running = asyncio.create_task(backchannel_logout.deliver_repeatedly(services))
    async with asyncio.timeout(PATIENCE):
        await delivered.wait()
    running.cancel()
    await asyncio.wait([running])
    assert len(agent.forms) == 1


async def test_an_address_within_a_network_has_to_be_allowed(authority, browser, agent, services):
    forbidding = dataclasses.replace(services, fetcher=agent.fetcher(networks=()))
    await sign_on_and_off(authority, browser)
    assert await deliver_due(forbidding) == 1
    assert agent.connections == 0
    [failure] = await authority.records("LOGOUT-NOTICE-FAILED")
    assert "--fetch-network" in failure["reason"]
    assert failure["isOver"] is True


@pytest.mark.parametrize("changes", [{"enabled": False}, {"backchannel_logout_uri": None}])
async def test_an_agent_that_is_disabled_or_wants_no_more_is_not_told(
    authority, browser, agent, services, changes
):
    await sign_on_and_off(authority, browser)
    authority.directory.replace_agent(**changes)
    assert await deliver_due(services) == 1
    assert agent.connections == 0
    assert await deliver_due(services) == 0


async def test_a_session_that_makes_room_for_somebody_else_ends_too(authority, browser, agent, services):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.accept()
    await browser.get(authority.authorize_url(prompt="consent"))
    await browser.submit(action="switch")
    assert await deliver_due(services) == 1
    assert len(agent.forms) == 1


async def test_a_stranger_is_told_at_the_address_that_it_registered(tmp_path, agent):
    async with introducing(tmp_path / "registering") as authority, authority.client() as http:
        said = {
            "redirect_uris": ["http://127.0.0.1/callback"],
            "token_endpoint_auth_method": "none",
            "backchannel_logout_uri": f"{agent.origin}/logout",
        }
        client_id = (await http.post(f"{authority.path}/as/register", json=said)).json()["client_id"]
        browser = Browser(authority, http)
        asked = {"client_id": client_id, "redirect_uri": said["redirect_uris"][0], "scope": "agent"}
        await browser.get(authority.authorize_url(**asked))
        await browser.sign_on()
        await browser.accept()
        [session] = await authority.store.sessions.sessions_of(ENVIRONMENT_ID)
        await authority.services.sign_off(session, authority.clock.now())
        assert await deliver_due(dataclasses.replace(authority.services, fetcher=agent.fetcher())) == 1
    assert len(agent.forms) == 1
