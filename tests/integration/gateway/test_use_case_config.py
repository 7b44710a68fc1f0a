"""The use case's own configuration files, only their placeholders filled in, against a small authorization
server and MCP server.
"""

import asyncio
import base64
import json
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from deputize.http.messages import Body, Headers, Response
from support.patience import PATIENCE
from support.wire import Client, Server, answer_json, ask

USE_CASE = Path(__file__).parents[4] / "shared" / "use-case"
if not (USE_CASE / "mcp-token.json").exists():
    pytest.skip("the use case's files are not beside this checkout", allow_module_level=True)

HOST = "ig.example.com:8443"
RESOURCE = f"https://{HOST}/mcp"
ENVIRONMENT_PATH = "00000000-0000-0000-0000-000000000001"
ACCEPT = ("Accept", "application/json, text/event-stream")
VERSION = ("MCP-Protocol-Version", "2025-11-25")
JSON = ("Content-Type", "application/json")
CALL = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"name": "forecast_daily", "arguments": {"city": "Tokyo-secret"}},
    }
)


def token_claims(**changes):
    claims = json.loads((USE_CASE / "mcp-token.json").read_text())
    return {**claims, "active": True, "exp": 4_000_000_000, "aud": [RESOURCE], **changes}


TOKENS = {
    "good": token_claims(),
    "dead": {"active": False},
    "elsewhere": token_claims(aud=["https://other.example.com/mcp"]),
    "scopeless": token_claims(scope="other"),
}


def introspect(request):
    return answer_json(TOKENS.get(parse_qs(request.body.decode())["token"][0], {"active": False}))


class McpServer(Server):
    def __init__(self):
        super().__init__(self._respond)
        self.more = asyncio.Semaphore(0)

    async def _events(self):
        for number in range(3):
            await self.more.acquire()
            yield f"data: {number}\n\n".encode()

    def _respond(self, request):
        if request.method == "GET":
            return Response(
                200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, self._events())
            )
        return answer_json({"jsonrpc": "2.0", "id": 7, "result": {"content": []}})


def fill_in(directory, authority, backend, certificate):
    """The use case's files with ports of our own; nothing else changes."""
    config = directory / "config"
    (config / "routes").mkdir(parents=True)
    (directory / "secrets").mkdir()
    (directory / "secrets" / "key.manager.secret.id.pem").write_bytes(b"".join(certificate))
    admin = (USE_CASE / "config" / "admin.json").read_text()
    for port in ("8085", "8080", "8443"):
        admin = admin.replace(f'"port": {port}', '"port": 0')
    (config / "admin.json").write_text(
        admin.replace("/Users/macuser/.openig/secrets", str(directory / "secrets"))
    )
    route = (USE_CASE / "config" / "routes" / "mcp.json").read_text()
    route = route.replace(
        "https://auth.pingone.com/<PingOne environment ID>", f"{authority.url}/{ENVIRONMENT_PATH}"
    )
    route = route.replace("<PingOne test resource ID>", "resource-id").replace(
        "http://localhost:8000", backend.url
    )
    (config / "routes" / "mcp.json").write_text(route)


class Stage:
    def __init__(self, gateway, authority, backend, tls, directory):
        self.gateway, self.authority, self.backend, self.tls, self.directory = (
            gateway,
            authority,
            backend,
            tls,
            directory,
        )
        self.port = gateway.ports[1]

    async def post(self, token="good", body=CALL, **kwargs):
        headers = [ACCEPT, JSON, VERSION, *([("Authorization", f"Bearer {token}")] if token else [])]
        return await ask(self.port, "POST", "/mcp", headers, body.encode(), HOST, self.tls)

    def audit(self, topic):
        return [
            json.loads(line)
            for line in (self.directory / "audit" / f"{topic}.audit.json").read_text().splitlines()
        ]


@pytest.fixture
async def stage(tmp_path, started, certificate, client_tls):
    async with Server(introspect) as authority, McpServer() as backend:
        fill_in(tmp_path, authority, backend, certificate)
        secret = base64.b64encode(b"the resource's secret").decode()
        gateway = await started(tmp_path, {"RESOURCE_SECRET_ID": secret})
        yield Stage(gateway, authority, backend, client_tls, tmp_path)


async def test_the_route_is_deployed_without_errors(stage):
    errors, warnings = stage.gateway.problems()
    assert errors == ()
    told = "\n".join(map(str, warnings))
    for words in (
        "the condition also matches paths such as",
        "requireActor is not set",
        "every web page may send requests",
    ):
        assert words in told


async def test_a_call_reaches_the_server_as_it_was_sent(stage):
    answer = await stage.post()
    assert (answer.status, answer.json()["id"]) == (200, 7)
    [request] = stage.backend.received
    assert (request.method, request.target, request.body) == ("POST", "/", CALL.encode())
    assert request.headers.get("authorization") is None
    [inquiry] = stage.authority.received
    assert inquiry.target == f"/{ENVIRONMENT_PATH}/as/introspect"
    assert (
        base64.b64decode(inquiry.headers.get("authorization").partition(" ")[2])
        == b"resource-id:the resource's secret"
    )


async def test_without_a_token_the_client_learns_where_to_look(stage):
    answer = await stage.post(token=None)
    metadata = f"https://{HOST}/.well-known/oauth-protected-resource/mcp"
    assert (answer.status, answer.body) == (401, b"")
    assert f'resource_metadata="{metadata}"' in answer.headers.get("www-authenticate")
    for place in ("/mcp", "/mcp/", ""):
        target = f"/.well-known/oauth-protected-resource{place}"
        document = (await ask(stage.port, target=target, host=HOST, tls=stage.tls)).json()
        assert document["resource"] == RESOURCE
        assert document["authorization_servers"] == [f"{stage.authority.url}/{ENVIRONMENT_PATH}/as"]
        assert document["scopes_supported"] == ["test"]


@pytest.mark.parametrize(
    ("token", "status", "error"),
    [
        ("dead", 401, "invalid_token"),
        ("unknown", 401, "invalid_token"),
        ("elsewhere", 401, "invalid_token"),
        ("scopeless", 403, "insufficient_scope"),
    ],
)
async def test_bad_tokens_are_refused(stage, token, status, error):
    answer = await stage.post(token)
    assert (answer.status, f'error="{error}"' in answer.headers.get("www-authenticate")) == (status, True)
    assert stage.backend.received == []


async def test_a_bad_message_is_refused_with_a_json_rpc_error(stage):
    answer = await stage.post(body='{"jsonrpc": "2.0", "id": 1, "method": "no/such"}')
    assert (answer.status, "error" in answer.json(), stage.backend.received) == (400, True, [])


async def test_the_event_stream_passes_event_by_event(stage):
    headers = [("Accept", "text/event-stream"), VERSION, ("Authorization", "Bearer good")]
    async with Client(stage.port, HOST, stage.tls) as client:
        stage.backend.more.release()
        await client.send("GET", "/mcp", headers)
        assert (await client.head())[0] == 200
        for number in range(3):
            assert await asyncio.wait_for(client.chunk(), PATIENCE) == f"data: {number}\n\n".encode()
            stage.backend.more.release()


async def test_other_paths_are_not_routed(stage):
    assert (await ask(stage.port, target="/other", host=HOST, tls=stage.tls)).status == 404
    assert (await ask(stage.gateway.ports[0], target="/.well-known/openid-configuration")).status == 404


async def test_both_audits_tell_who_acted_and_nothing_secret(stage):
    await stage.post()
    await stage.post(token=None)
    await stage.gateway.stop()
    called, refused = sorted(stage.audit("mcp"), key=lambda record: record["timestamp"])
    claims = TOKENS["good"]
    text = json.dumps(called)
    assert called["eventName"] == "PING-GATEWAY-MCP"
    assert all(
        value in text for value in ("tools/call", "forecast_daily", claims["sub"], claims["act"]["sub"])
    )
    assert "401" in json.dumps(refused)
    access = stage.audit("access")
    assert [record["http"]["request"]["path"] for record in access] == [f"https://{HOST}/mcp"] * 2
    everything = json.dumps([called, refused, access])
    assert not any(secret in everything for secret in ("Tokyo-secret", "Bearer", "the resource's secret"))
