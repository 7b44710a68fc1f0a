"""The example for issuers that are not ours, as its files stand, started against a small one."""

import base64
import json
import shutil
import time
from pathlib import Path
from urllib.parse import parse_qs

from deputize.http.messages import Response
from support.issuers import Issuer
from support.mcp_messages import legacy_call
from support.wire import Server, answer_json, ask

EXAMPLE = Path(__file__).parents[3] / "examples" / "any-issuer" / "gateway"
CALL = json.dumps(legacy_call()).encode()
HEADERS = [
    ("Accept", "application/json, text/event-stream"),
    ("Content-Type", "application/json"),
    ("MCP-Protocol-Version", "2025-11-25"),
]


async def test_the_example_serves(tmp_path, started):
    directory = tmp_path / "gateway"
    shutil.copytree(EXAMPLE, directory)
    exchanged = []

    def publish(request):
        if request.target == "/.well-known/openid-configuration/realms/demo":
            return answer_json({"issuer": issuer.issuer, "jwks_uri": f"{authority.url}/certs"})
        if request.target == "/certs":
            return answer_json(issuer.jwks())
        if request.target == "/token":
            exchanged.append((parse_qs(request.body.decode()), request.headers.get("authorization")))
            return answer_json({"access_token": "for-the-server", "token_type": "Bearer", "expires_in": 60})
        return Response(404)

    async with (
        Server(publish) as authority,
        Server(lambda _: answer_json({"jsonrpc": "2.0", "id": 1, "result": {}})) as backend,
    ):
        issuer = Issuer(alg="RS256", issuer=f"{authority.url}/realms/demo")
        gateway = await started(
            directory,
            {
                "GATEWAY_ADMIN_PORT": "0",
                "GATEWAY_CLEAR_PORT": "0",
                "ISSUER_URL": issuer.issuer,
                "JWKS_URL": f"{authority.url}/certs",
                "TOKEN_URL": f"{authority.url}/token",
                "CLIENT_ID": "gateway",
                "CLIENT_SECRET": base64.b64encode(b"s").decode(),
                "UPSTREAM_AUDIENCE": "weather-api",
                "MCP_SERVER_URL": backend.url,
            },
        )
        assert gateway.problems()[0] == ()
        (port,) = gateway.ports
        for path in ("/mcp", "/upstream"):
            claims = {
                "aud": ["account", f"http://localhost:8080{path}"],
                "scope": "openid mcp",
                "azp": "agent",
                "typ": "Bearer",
                "exp": time.time() + 60,
                "iat": time.time(),
            }
            token = issuer.token(claims)
            bearing = [*HEADERS, ("Authorization", f"Bearer {token}")]
            assert (await ask(port, "POST", path, bearing, CALL)).status == 200
            assert (await ask(port, "POST", path, HEADERS, CALL)).status == 401
        assert [request.headers.get("authorization") for request in backend.received] == [
            None,
            "Bearer for-the-server",
        ]
        [(form, credentials)] = exchanged
        assert (form["subject_token"], form["audience"]) == ([token], ["weather-api"])
        assert credentials == "Basic " + base64.b64encode(b"gateway:s").decode()
