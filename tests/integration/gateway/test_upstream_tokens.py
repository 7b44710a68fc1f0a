"""The gateway as an actor: the server behind learns user, agent and gateway from a token of its own.

Authority, gateway and server are real, and so are the sockets between them.
"""

import asyncio
import base64
import contextlib
import json
import socket
import time

import httpx2
import pytest
from structlog.testing import capture_logs

from deputize.authority.serve import ServeOptions, listen
from deputize.kernel.digests import digest
from deputize.oauth.records.directory import Scope
from support import agent_delegation as use_case
from support.agent_delegation import attribute, exchange_request, with_agent, with_resource
from support.authority import Browser, basic, running_authority
from support.gateway import write_json
from support.mcp_messages import legacy_call
from support.records import replace
from support.wire import Server, answer_json, ask

GATEWAY_ID = "3c1d7e52-9b0a-4f4e-8a43-0a5b6c7d8e9f"
GATEWAY_SECRET = "gateway-secret+/= gateway-secret-gateway"
API = "https://weather-api.example"
API_ID = "6d0c2c1e-5f7b-4c8e-bb44-9f1a2b3c4d5e"
STORE = {
    "type": "Base64EncodedSecretStore",
    "config": {"secrets": {"own": base64.b64encode(GATEWAY_SECRET.encode()).decode()}},
}
CALL = json.dumps(legacy_call()).encode()


def environment_with_gateway(environment):
    """The use case's, in which tokens for the gateway let it act, at an API behind."""
    permission = attribute("may_act", '({ "sub": "' + GATEWAY_ID + '" })')
    test = environment.resources[use_case.TEST_ID]
    environment = with_resource(environment, replace(test, attributes=(*test.attributes, permission)))
    api = replace(
        test,
        id=API_ID,
        name="api",
        audience=API,
        attributes=(attribute("sub", use_case.SUBJECT_SUB),),
        scopes={"read": Scope("Read the weather")},
        term="r-term-9",
    )
    gateway = replace(
        use_case.AGENT,
        id=GATEWAY_ID,
        name="Gateway",
        scopes={use_case.AGENT_RESOURCE_ID: frozenset({"agent"}), API_ID: frozenset({"read"})},
        secret_digests=(digest(GATEWAY_SECRET),),
        term="g-term-1",
    )
    return with_agent(with_resource(environment, api), gateway)


@contextlib.asynccontextmanager
async def authority_for_gateways(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with running_authority(folder, f"http://127.0.0.1:{port}") as authority:
        authority.clock.instant = time.time()
        environment = environment_with_gateway(authority.directory.environment)
        authority.directory.replace(resources=environment.resources, agents=environment.agents)
        listener = await listen(authority.services, ServeOptions("127.0.0.1", port, authority.base_url))
        try:
            yield authority
        finally:
            await listener.close()


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


class Stage:
    """A user who has agreed, an agent with a token for the gateway, and an API behind the gateway."""

    def __init__(self, authority, backend, instance, started):
        self.authority, self.backend, self.instance, self._started = authority, backend, instance, started

    async def sign_on(self):
        async with httpx2.AsyncClient(base_url=self.authority.base_url) as client:
            browser = Browser(self.authority, client)
            await browser.get(self.authority.authorize_url())
            await browser.sign_on()
            await browser.accept()
            code = {**use_case.code_request(browser.answer["code"])}
            subject = await self.token(client, code)
            actor = await self.token(client, {"grant_type": "client_credentials", "scope": "agent"})
            return await self.token(client, {**exchange_request(subject, actor), "scope": "test"})

    async def token(self, client, form):
        answer = await client.post(f"{self.authority.path}/as/token", data=form, headers=basic())
        return answer.json()["access_token"]

    def exchanging(self, **more):
        credentials = {"clientId": GATEWAY_ID, "clientSecretId": "own", "secretsProvider": STORE}
        authenticated = {
            "type": "Chain",
            "config": {
                "filters": [{"type": "ClientSecretBasicAuthenticationFilter", "config": credentials}],
                "handler": "ForgeRockClientHandler",
            },
        }
        return {
            "type": "OAuth2TokenExchangeFilter",
            "config": {
                "endpoint": f"{self.authority.issuer}/token",
                "endpointHandler": authenticated,
                "resource": API,
                "scopes": "read",
                "actorScopes": "agent",
                **more,
            },
        }

    async def start(self, *more, **exchange):
        protection = {
            "resourceId": use_case.TEST_AUDIENCE,
            "authorizationServerUri": self.authority.issuer,
            "requireActor": True,
            "resourceServerFilter": {
                "type": "OAuth2ResourceServerFilter",
                "config": {
                    "requireHttps": False,
                    "scopes": "test",
                    "accessTokenResolver": {
                        "type": "StatelessAccessTokenResolver",
                        "config": {"issuer": self.authority.issuer, "requireAccessTokenType": True},
                    },
                },
            },
        }
        filters = [
            {"type": "McpProtectionFilter", "config": protection},
            {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}},
            self.exchanging(**exchange),
            *more,
        ]
        route = {
            "baseURI": self.backend.url,
            "handler": {"type": "Chain", "config": {"filters": filters, "handler": "ReverseProxyHandler"}},
        }
        write_json(self.instance / "config" / "routes" / "mcp.json", route)
        self.port = (await self._started(self.instance)).ports[0]

    async def call(self, token, number=1):
        headers = [
            ("Accept", "application/json, text/event-stream"),
            ("Content-Type", "application/json"),
            ("MCP-Protocol-Version", "2025-11-25"),
            ("Authorization", f"Bearer {token}"),
        ]
        return await ask(self.port, "POST", "/mcp", headers, CALL.replace(b'"id": 1', b'"id": %d' % number))

    def seen(self):
        """The tokens that the server behind was sent."""
        return [request.headers.get("authorization") for request in self.backend.received]


@pytest.fixture
async def stage(tmp_path, instance, started):
    result = {"jsonrpc": "2.0", "id": 1, "result": {}}
    async with (
        authority_for_gateways(tmp_path / "data") as authority,
        Server(lambda _: answer_json(result)) as backend,
    ):
        yield Stage(authority, backend, instance, started)


async def test_the_server_behind_learns_user_agent_and_gateway(stage):
    await stage.start()
    token = await stage.sign_on()
    answer = await stage.call(token)
    assert answer.status == 200, answer.body
    scheme, _, sent = stage.seen()[0].partition(" ")
    claims = claims_of(sent)
    assert scheme == "Bearer"
    assert sent != token
    assert (claims["iss"], claims["sub"], claims["scope"]) == (stage.authority.issuer, "demouser", "read")
    assert claims["aud"] == [API]
    assert claims["client_id"] == GATEWAY_ID
    assert claims["act"] == {"sub": GATEWAY_ID, "act": {"sub": use_case.AGENT_ID}}


async def test_a_token_is_asked_for_once_however_many_call(stage):
    await stage.start()
    token = await stage.sign_on()
    answers = await asyncio.gather(*[stage.call(token, number) for number in range(10)])
    answers += [await stage.call(token, number) for number in range(10)]
    assert {answer.status for answer in answers} == {200}
    assert len(set(stage.seen())) == 1
    other = await stage.sign_on()
    assert (await stage.call(other)).status == 200
    assert len(set(stage.seen())) == 2


async def test_what_the_user_withdrew_goes_no_further(stage):
    await stage.start()
    token = await stage.sign_on()
    await stage.authority.set_user_enabled(enabled=False)
    answer = await stage.call(token)
    assert (answer.status, answer.body, stage.seen()) == (403, b"", [])


async def test_a_gateway_that_the_authority_does_not_know_is_told_to_the_operator_alone(stage):
    # as they are, where RFC 6749 wants them form-encoded
    credentials = {"username": GATEWAY_ID, "passwordSecretId": "own", "secretsProvider": STORE}
    await stage.start(
        endpointHandler={
            "type": "Chain",
            "config": {
                "filters": [{"type": "HttpBasicAuthenticationClientFilter", "config": credentials}],
                "handler": "ForgeRockClientHandler",
            },
        }
    )
    with capture_logs() as logs:
        answer = await stage.call(await stage.sign_on())
    assert answer.status == 502
    told = next(line["reason"] for line in logs if line.get("status") == 502)
    assert "refuses the gateway (401, invalid_client" in told
    assert "set urlEncodeCredentials to true" in told
    assert answer.json()["error"]["message"].endswith("there is no token for the MCP server")
    assert stage.seen() == []


async def test_expressions_read_the_issued_token(stage):
    header = {
        "type": "HeaderFilter",
        "config": {
            "messageType": "REQUEST",
            "remove": ["Authorization"],
            "add": {
                "Authorization": ["Bearer ${contexts.oauth2TokenExchange.issuedToken}"],
                "X-Scopes": ["${join(contexts.oauth2TokenExchange.scopes, ' ')}"],
            },
        },
    }
    await stage.start(header)
    assert (await stage.call(await stage.sign_on())).status == 200
    request = stage.backend.received[0]
    assert len(request.headers.get_all("authorization")) == 1
    assert claims_of(request.headers.get("authorization"))["aud"] == [API]
    assert request.headers.get("x-scopes") == "read"
