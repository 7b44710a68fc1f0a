"""The official SDK's client at the unchanged route: all it was told is the URL, and who it is."""

import asyncio
import ssl
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from demo import programs, proofs
from demo.client import Agent, call_gateway
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata
from mcp.types import TextContent

pytestmark = pytest.mark.slow


class SentBack(Exception):
    """The authority sent the person back with this error."""


class Memory:
    """What the client keeps: that it is registered, and its tokens."""

    def __init__(self, client_id, redirect_uri):
        self.tokens = None
        self.known = OAuthClientInformationFull(
            client_id=client_id, redirect_uris=[redirect_uri], token_endpoint_auth_method="none"
        )

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.known

    async def set_client_info(self, client_info):
        self.known = client_info


class StockClient:
    """The SDK's client with a person at the browser."""

    def __init__(self, stack, name, person):
        self.client_id = stack.secrets["agents"][name]["id"]
        self.authorize_urls = []
        self._person = person
        self.redirect_uri = f"http://localhost:{stack.stage.ports.callback}/callback"
        self._url = f"{stack.stage.gateway_url}/mcp"
        self._trust = ssl.create_default_context(cafile=str(stack.stage.ca_file))
        self.memory = Memory(self.client_id, self.redirect_uri)

    async def call(self, tool, **arguments):
        metadata = OAuthClientMetadata(
            redirect_uris=[self.redirect_uri], token_endpoint_auth_method="none", client_name="Stock"
        )
        provider = OAuthClientProvider(self._url, metadata, self.memory, self._open, self._answer)
        async with (
            httpx2.AsyncClient(verify=self._trust, auth=provider) as http,
            Client(streamable_http_client(self._url, http_client=http)) as client,
        ):
            result = await client.call_tool(tool, arguments)
        return next(block.text for block in result.content if isinstance(block, TextContent))

    async def _open(self, url):
        self.authorize_urls.append(url)

    async def _answer(self):
        back = await asyncio.to_thread(self._person.visit, self.authorize_urls[-1], stop_at=self.redirect_uri)
        answer = dict(parse_qsl(urlsplit(back).query))
        if "code" not in answer:
            raise SentBack(answer["error"])
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss"))


async def test_it_signs_on_for_the_url_and_is_a_delegate(stack):
    person, stage = stack.person(), stack.stage
    client = StockClient(stack, "Stock Client", person)
    answer = await client.call("forecast_daily", place="Tokyo", days=1)
    assert answer.startswith("Daily forecast for Tokyo")
    (url,) = client.authorize_urls
    asked = dict(parse_qsl(urlsplit(url).query))
    assert asked["resource"] == f"{stage.gateway_url}/mcp"
    assert "test" in asked["scope"].split()
    assert "agent" not in asked["scope"].split(), "it knows nothing of the resource that is signed on for"
    assert person.pages[-1] == "Let Stock Client act for you?"
    record = programs.until(
        lambda: proofs.tool_call(stage, "forecast_daily"),
        lambda found: found.get("act") == [client.client_id],
    )
    assert (record["sub"], record["decision"]) == ("demouser", "PERMIT")


async def test_what_it_was_not_granted_is_refused(stack):
    client = StockClient(stack, "Narrow Client", stack.person())
    with pytest.raises(ExceptionGroup) as caught:
        await client.call("forecast_daily", place="Tokyo", days=1)
    assert caught.group_contains(SentBack, match="invalid_scope")
    assert client.memory.tokens is None


async def test_a_token_for_another_scope_does_not_pass_the_gateway(stack):
    client = StockClient(stack, "Narrow Client", stack.person())
    token = sign_on_for(stack, client, scope="other")
    answer = call_gateway(stack.stage, token)
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def sign_on_for(stack, client, scope):
    """The token that the client's user signs it on for, by hand."""
    agent = Agent(client.client_id, "", stack.secrets["issuer"], client.redirect_uri)
    code = agent.code(stack.person(), scope)
    answer = httpx2.post(
        f"{agent.issuer}/token", data={**code.parameters, "client_id": client.client_id}
    ).raise_for_status()
    return answer.json()["access_token"]
