"""The official SDK's client at the unchanged route: all it was told is the URL, and who it is."""

from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from demo import programs, proofs
from demo.client import Agent, call_gateway
from demo.stock_client import Memory, SentBack, StockClient
from mcp.shared.auth import OAuthClientInformationFull

pytestmark = pytest.mark.slow


def stock_client(stack, name):
    """The client as the administrator registered it under that name."""
    client = StockClient(stack.stage, stack.person())
    client.memory = Memory(
        OAuthClientInformationFull(
            client_id=stack.secrets["agents"][name]["id"],
            redirect_uris=[client.redirect_uri],
            token_endpoint_auth_method="none",
        )
    )
    return client


async def test_it_signs_on_for_the_url_and_is_a_delegate(stack):
    client, stage = stock_client(stack, "Stock Client"), stack.stage
    answer = await client.call("forecast_daily", place="Tokyo", days=1)
    assert answer.startswith("Daily forecast for Tokyo")
    (url,) = client.authorize_urls
    asked = dict(parse_qsl(urlsplit(url).query))
    assert asked["resource"] == f"{stage.gateway_url}/mcp"
    assert "test" in asked["scope"].split()
    assert "agent" not in asked["scope"].split(), "it knows nothing of the resource that is signed on for"
    assert client.person.pages[-1] == "Let Stock Client act for you?"
    record = programs.until(
        lambda: proofs.tool_call(stage, "forecast_daily"),
        lambda found: found.get("act") == [client.client_id],
    )
    assert (record["sub"], record["decision"]) == ("demouser", "PERMIT")


async def test_what_it_was_not_granted_is_refused(stack):
    client = stock_client(stack, "Narrow Client")
    with pytest.raises(ExceptionGroup) as caught:
        await client.call("forecast_daily", place="Tokyo", days=1)
    assert caught.group_contains(SentBack, match="invalid_scope")
    assert client.memory.tokens is None


async def test_a_token_for_another_scope_does_not_pass_the_gateway(stack):
    client = stock_client(stack, "Narrow Client")
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
