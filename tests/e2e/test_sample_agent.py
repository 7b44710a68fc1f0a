"""The sample agent against the running programs.

As the use case shows it, and over the hours of a long conversation.
"""

import asyncio
import ssl
import threading
import webbrowser

import httpx2
import pytest
from demo import agent_run

from agent import discovery
from agent.delegation import DelegatedAuth, Delegation, Reach
from agent.oauth import Credentials, TokenEndpoint
from agent.signon import SignOn
from agent.tools import connect

TOKYO = "What is the daily forecast for Tokyo?"
HOUR = 3600


class LongConversation:
    """An agent in this process, whose clock the test moves.

    The person is sent to the authority whenever the agent asks.
    """

    def __init__(self, stack, person):
        self.now = 0.0
        self.sign_ons = 0
        self.notices = list[str]()
        self._stack, self._person = stack, person
        self.server_url = f"{stack.stage.gateway_url}/mcp"
        self._trust = ssl.create_default_context(cafile=str(stack.stage.ca_file))

    async def __aenter__(self):
        self._client = httpx2.AsyncClient(verify=self._trust)
        self.auth = DelegatedAuth(self.server_url, self._delegation)
        self.http = httpx2.AsyncClient(verify=self._trust, auth=self.auth)
        await self.auth.begin(await discovery.challenge_of(self._client, self.server_url))
        return self

    async def _delegation(self, challenge):
        known, port = self._stack.agent(), self._stack.stage.ports.callback
        resource = await discovery.protected_resource(self._client, self.server_url, challenge)
        server = await discovery.authorization_server(self._client, resource.issuer)
        credentials = Credentials(known.client_id, known.client_secret)
        endpoint = TokenEndpoint(self._client, server, credentials, lambda: self.now)
        reach = Reach(resource.resource, challenge.scopes or resource.scopes, "agent", "agent")
        sign_on = SignOn(endpoint, server, known.client_id, port, "agent", "agent", self._willing, print)
        return Delegation(endpoint, reach, sign_on, self.notices.append, lambda: self.now)

    async def __aexit__(self, *_):
        await self.http.aclose()
        await self._client.aclose()

    async def _willing(self, issuer):
        return True

    def browse(self, url):
        self.sign_ons += 1
        threading.Thread(target=self._visit, args=(url,), daemon=True).start()
        return True

    def _visit(self, url):
        httpx2.get(self._person.visit(url, stop_at=self._stack.agent().redirect_uri))

    async def forecast(self):
        async with connect(self.http, self.server_url) as tools:
            return await tools.call("forecast_daily", {"place": "Tokyo", "days": 1})


@pytest.fixture
def talking(stack, monkeypatch):
    def start(person):
        conversation = LongConversation(stack, person)
        monkeypatch.setattr(webbrowser, "open", conversation.browse)
        return conversation

    return start


def test_as_the_use_case_shows(stack):
    person = stack.person()
    run = agent_run.run(stack.stage, stack.agent(), TOKYO, agent_run.followed_by(person, stack.agent()))
    assert run.tools == [
        "geocode",
        "forecast_daily",
        "forecast_periods",
        "forecast_hourly",
        "weather_at_time",
    ]
    assert run.answer.startswith("Daily forecast for Tokyo, Japan")
    assert run.tokens["mcp"]["act"] == {"sub": stack.agent().client_id}
    assert run.tokens["mcp"]["aud"] == [f"{stack.stage.gateway_url}/mcp"]
    assert "may_act" not in run.tokens["mcp"]
    agent_run.run(stack.stage, stack.agent(), TOKYO, agent_run.followed_by(person, stack.agent()))
    assert person.pages == []


async def test_tokens_are_renewed_without_the_user(stack, talking):
    async with talking(stack.person()) as conversation:
        assert (await conversation.forecast()).startswith("Daily forecast for Tokyo")
        first = conversation.auth.delegation.claims()
        conversation.now += HOUR
        assert (await conversation.forecast()).startswith("Daily forecast for Tokyo")
        second = conversation.auth.delegation.claims()
    assert conversation.sign_ons == 1
    assert len(conversation.notices) == 2
    assert all(first[name]["jti"] != second[name]["jti"] for name in ("actor", "subject", "mcp"))
    assert first["mcp"]["sid"] == second["mcp"]["sid"]


async def test_parallel_calls_share_their_tokens(stack, talking):
    async with talking(stack.person()) as conversation:
        answers = await asyncio.gather(*(conversation.forecast() for _ in range(4)))
    assert all(answer.startswith("Daily forecast for Tokyo") for answer in answers)
    assert (conversation.sign_ons, len(conversation.notices)) == (1, 1)


async def test_signing_off_ends_what_the_agent_may_and_signing_on_gives_it_back(stack, talking):
    person = stack.person()
    async with talking(person) as conversation:
        await conversation.forecast()
        await asyncio.to_thread(person.press, f"{stack.agent().issuer}/signoff")
        assert (await conversation.forecast()).startswith("Daily forecast for Tokyo")
    assert conversation.sign_ons == 2
