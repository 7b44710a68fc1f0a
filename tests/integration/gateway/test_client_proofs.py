"""A route that demands how the client of a token authenticated, with the authority that says so."""

import base64
import json
import re
import time
from pathlib import Path

import httpx2
import pytest

from support.agent_delegation import AGENT_ID, AGENT_RESOURCE_ID, REDIRECT_URI, VERIFIER
from support.authority import Browser, basic
from support.client_proofs import JWKS, assertion, assertion_form
from support.gateway import write_json
from support.served_authority import listening
from support.wire import Server, answer_json, ask

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "howto" / "protect-an-mcp-server.md"
SECTION = GUIDE.read_text("utf-8").partition("## Demand that the client proved")[2].partition("\n## ")[0]
NO_PUBLIC_CLIENT = json.loads(re.findall(r"```json\n(.*?)```", SECTION, re.DOTALL)[0])
ONLY_KEYS = {
    "type": "ConditionEnforcementFilter",
    "config": {"condition": re.findall(r"`(\$\{.*?\})`", SECTION)[0]},
}
SECRET = "agent-resource-secret"
CALL = {"grant_type": "client_credentials", "scope": "agent"}


def route_of(authority, backend, demanded):
    """Return a route in front of `backend` that asks the authority about tokens, and demands something."""
    credentials = {
        "type": "HttpBasicAuthenticationClientFilter",
        "config": {
            "username": AGENT_RESOURCE_ID,
            "passwordSecretId": "resource.secret",
            "secretsProvider": "secrets",
        },
    }
    chain = {"type": "Chain", "config": {"filters": [credentials], "handler": "ForgeRockClientHandler"}}
    resolver = {
        "type": "TokenIntrospectionAccessTokenResolver",
        "config": {"endpoint": f"{authority.issuer}/introspect", "providerHandler": chain},
    }
    resource_server = {
        "type": "OAuth2ResourceServerFilter",
        "config": {"requireHttps": False, "scopes": ["agent"], "accessTokenResolver": resolver},
    }
    return {
        "baseURI": backend.url,
        "heap": [{"name": "secrets", "type": "SystemAndEnvSecretStore"}],
        "handler": {
            "type": "Chain",
            "config": {"filters": [resource_server, demanded], "handler": "ReverseProxyHandler"},
        },
    }


class Clients:
    """The same agent as a public client, one with a secret, and one with a key."""

    def __init__(self, authority, http):
        self.authority, self.http = authority, http

    async def post(self, form, headers=None):
        address = f"{self.authority.path}/as/token"
        return (await self.http.post(address, data=form, headers=headers)).json()["access_token"]

    async def token(self, method):
        self.authority.directory.replace_agent(client_auth=method, jwks=JWKS)
        match method:
            case "none":
                browser = Browser(self.authority, self.http)
                await browser.get(self.authority.authorize_url())
                await browser.sign_on()
                await browser.accept()
                code = {"grant_type": "authorization_code", "code": browser.answer["code"]}
                known = {"redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
                return await self.post({**code, **known, "client_id": AGENT_ID})
            case "private_key_jwt":
                text = assertion(aud=self.authority.issuer, exp=time.time() + 60, iat=None)
                return await self.post({**CALL, **assertion_form(text)})
            case _:
                return await self.post(CALL, basic())


@pytest.mark.parametrize(
    ("demanded", "admitted"),
    [
        (NO_PUBLIC_CLIENT, {None, "client_secret_basic", "private_key_jwt"}),
        (ONLY_KEYS, {"private_key_jwt"}),
    ],
)
async def test_a_route_demands_how_the_client_authenticated(instance, started, tmp_path, demanded, admitted):
    secret = base64.b64encode(SECRET.encode()).decode()
    async with (
        listening(tmp_path / "authority") as authority,
        Server(lambda _: answer_json({"served": True})) as backend,
        httpx2.AsyncClient(base_url=authority.base_url) as http,
    ):
        authority.clock.instant = time.time()  # by which the gateway judges too
        write_json(instance / "config" / "routes" / "api.json", route_of(authority, backend, demanded))
        port = (await started(instance, {"RESOURCE_SECRET": secret})).ports[0]
        clients = Clients(authority, http)
        for method in (None, "client_secret_basic", "private_key_jwt", "none"):
            bearer = [("Authorization", f"Bearer {await clients.token(method)}")]
            answer = await ask(port, "GET", "/api", bearer)
            assert answer.status == (200 if method in admitted else 403), method
        assert len(backend.received) == len(admitted)
