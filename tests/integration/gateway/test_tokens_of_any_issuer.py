"""JWTs of an issuer that the gateway knows by its name alone, over real sockets."""

import asyncio
import json
import time

import pytest

from deputize.http.messages import Response
from support.gateway import write_json
from support.issuers import Issuer
from support.mcp_messages import legacy_call
from support.patience import PATIENCE
from support.wire import Client, Server, answer_json, ask

RESOURCE = "https://weather.example/mcp"
CALL = json.dumps(legacy_call()).encode()
METADATA = "/.well-known/oauth-authorization-server/realms/demo"


class Stage:
    """An issuer of JWTs, an MCP server, and the gateway between a client and it."""

    def __init__(self, instance, started):
        self.instance, self._started = instance, started
        self.authority = Server(self.publish)
        self.backend = Server(lambda _: answer_json({"jsonrpc": "2.0", "id": 1, "result": {}}))
        self.held = None

    async def __aenter__(self):
        await self.authority.__aenter__()
        await self.backend.__aenter__()
        self.issuer = Issuer(issuer=f"{self.authority.url}/realms/demo")
        route = {
            "baseURI": self.backend.url,
            "handler": {
                "type": "Chain",
                "config": {
                    "filters": [
                        {
                            "type": "McpProtectionFilter",
                            "config": {
                                "resourceId": RESOURCE,
                                "authorizationServerUri": self.issuer.issuer,
                                "requireActor": False,
                                "resourceServerFilter": {
                                    "type": "OAuth2ResourceServerFilter",
                                    "config": {
                                        "requireHttps": False,
                                        "scopes": "test",
                                        "accessTokenResolver": {
                                            "type": "StatelessAccessTokenResolver",
                                            "config": {"issuer": self.issuer.issuer},
                                        },
                                    },
                                },
                            },
                        },
                        {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}},
                    ],
                    "handler": "ReverseProxyHandler",
                },
            },
        }
        write_json(self.instance / "config" / "routes" / "mcp.json", route)
        self.port = (await self._started(self.instance)).ports[0]
        return self

    async def __aexit__(self, *_):
        await self.authority.__aexit__()
        await self.backend.__aexit__()

    async def publish(self, request):
        if self.held is not None and request.target == "/jwks":
            await self.held.wait()
        if request.target == METADATA:
            return answer_json({"issuer": self.issuer.issuer, "jwks_uri": f"{self.authority.url}/jwks"})
        return answer_json(self.issuer.jwks()) if request.target == "/jwks" else Response(404)

    def token(self, claims=None, **more):
        times = {"iat": time.time() - 1, "exp": time.time() + 600}
        return self.issuer.token({**times, "aud": RESOURCE, **(claims or {})}, **more)

    async def call(self, token):
        headers = [
            ("Accept", "application/json, text/event-stream"),
            ("Content-Type", "application/json"),
            ("MCP-Protocol-Version", "2025-11-25"),
            ("Authorization", f"Bearer {token}"),
        ]
        return await ask(self.port, "POST", "/mcp", headers, CALL)

    def fetches(self):
        return [request.target for request in self.authority.received]


@pytest.fixture
async def stage(instance, started):
    async with Stage(instance, started) as stage:
        yield stage


async def test_the_issuer_alone_is_enough(stage):
    assert (await stage.call(stage.token())).status == 200
    assert [(await stage.call(stage.token({"jti": str(n)}))).status for n in range(5)] == [200] * 5
    assert stage.fetches() == [METADATA, "/jwks"]
    answer = await stage.call(stage.token({"aud": "https://other.example/mcp"}))
    assert (answer.status, "invalid_token" in answer.headers.get("www-authenticate")) == (401, True)
    assert all("authorization" not in received.headers for received in stage.backend.received)


async def test_a_new_key_serves_at_once(stage):
    assert (await stage.call(stage.token())).status == 200
    stage.issuer.rotate("k2")
    assert (await stage.call(stage.token())).status == 200


async def test_a_storm_of_made_up_key_ids_is_one_fetch_and_holds_up_nobody(stage):
    good = stage.token()
    assert (await stage.call(good)).status == 200
    stage.held = asyncio.Event()
    made_up = [asyncio.create_task(stage.call(stage.token(kid=f"made-up-{n}"))) for n in range(40)]
    while len(stage.fetches()) < 3:
        await asyncio.sleep(0)
    # While that question is open, tokens of known keys pass, also those not seen before.
    assert (await stage.call(good)).status == 200
    assert (await stage.call(stage.token({"jti": "another"}))).status == 200
    stage.held.set()
    answers = await asyncio.wait_for(asyncio.gather(*made_up), PATIENCE)
    assert {answer.status for answer in answers} == {401}
    assert {(await stage.call(stage.token(kid=f"more-{n}"))).status for n in range(20)} == {401}
    assert stage.fetches() == [METADATA, "/jwks", "/jwks"]


async def test_an_issuer_that_is_away_is_503_or_502_and_never_accepts(stage):
    await stage.authority.__aexit__()
    answer = await stage.call(stage.token())
    assert (answer.status, answer.json()["error"]["message"]) == (
        503,
        "Internal error: the token cannot be checked",
    )


async def test_another_issuers_metadata_is_502(stage):
    stage.issuer.issuer += "/"
    answer = await stage.call(stage.token())
    assert answer.status == 502
    assert stage.backend.received == []


async def test_a_remembered_token_needs_no_second_look_at_its_signature(stage):
    token = stage.token()
    async with Client(stage.port) as client:
        for _ in range(3):
            headers = [
                ("Accept", "application/json, text/event-stream"),
                ("Content-Type", "application/json"),
            ]
            headers += [("MCP-Protocol-Version", "2025-11-25"), ("Authorization", f"Bearer {token}")]
            assert (await client.ask("POST", "/mcp", headers, CALL)).status == 200
    assert stage.fetches() == [METADATA, "/jwks"]
