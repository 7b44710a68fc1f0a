"""The OAuth and MCP filters over real sockets.

Trouble at the authorization server, caching, streams and their records.
"""

import asyncio
import json
from urllib.parse import parse_qs

import pytest

from deputize.http.messages import Body, Headers, Response
from support.gateway import write_json
from support.mcp_messages import legacy_call
from support.patience import PATIENCE
from support.wire import Client, Server, answer_json, answer_text, ask

RESOURCE = "https://weather.example/mcp"
HEADERS = [
    ("Accept", "application/json, text/event-stream"),
    ("Content-Type", "application/json"),
    ("MCP-Protocol-Version", "2025-11-25"),
    ("Authorization", "Bearer good"),
]
CALL = json.dumps(legacy_call()).encode()
CLAIMS = {"active": True, "sub": "demouser", "aud": RESOURCE, "scope": "test", "exp": 4_000_000_000}
DELEGATED = {**CLAIMS, "act": {"sub": "agent-1", "act": {"sub": "agent-0"}}, "client_id": "agent-1"}
ERROR_EVENT = b'event: message\ndata: {"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Tokyo"}}\n\n'


class Stage:
    """One authorization server, one MCP server, one gateway between them."""

    def __init__(self, instance, started):
        self.instance, self._started = instance, started
        self.introspect = lambda token: answer_json(DELEGATED)
        self.serve = lambda request: answer_json({"jsonrpc": "2.0", "id": 1, "result": {}})
        self.authority = Server(lambda request: self.introspect(parse_qs(request.body.decode())["token"][0]))
        self.backend = Server(lambda request: self.serve(request))
        self.handler, self.behind = "ReverseProxyHandler", None
        self.resource_server = {}

    async def start(self, endpoint=None, cache=None, **protection):
        write_json(
            self.instance / "config" / "routes" / "mcp.json",
            self._route(endpoint or self.authority.url, cache, protection),
        )
        self.gateway = await self._started(self.instance)
        return self.gateway.ports[0]

    def _route(self, endpoint, cache, protection):
        resolver = {
            "type": "TokenIntrospectionAccessTokenResolver",
            "config": {"endpoint": f"{endpoint}/introspect"},
        }
        resource_server = {
            "requireHttps": False,
            "scopes": "test",
            "accessTokenResolver": resolver,
            **({"cache": cache} if cache else {}),
            **self.resource_server,
        }
        audit = {"class": "org.forgerock.audit.handlers.json.JsonAuditEventHandler"}
        audit["config"] = {"name": "json", "logDirectory": "audit", "topics": ["access", "mcp"]}
        filters = [
            {"type": "McpAuditFilter", "config": {"auditService": "AuditService"}},
            {
                "type": "McpProtectionFilter",
                "config": {
                    "resourceId": RESOURCE,
                    "authorizationServerUri": "https://as.example",
                    "resourceServerFilter": {"type": "OAuth2ResourceServerFilter", "config": resource_server},
                    **protection,
                },
            },
            {"type": "McpValidationFilter", "config": {"acceptedOrigins": "https://app\\.example"}},
        ]
        return {
            "baseURI": self.behind or self.backend.url,
            "heap": [{"name": "AuditService", "type": "AuditService", "config": {"eventHandlers": [audit]}}],
            "handler": {"type": "Chain", "config": {"filters": filters, "handler": self.handler}},
        }

    async def records(self, topic="mcp"):
        await self.gateway.stop()
        text = (self.instance / "audit" / f"{topic}.audit.json").read_text()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
async def stage(instance, started):
    stage = Stage(instance, started)
    async with stage.authority, stage.backend:
        yield stage


async def call(port, headers=HEADERS, body=CALL):
    return await ask(port, "POST", "/mcp", headers, body)


async def test_an_authority_that_refuses_the_gateway_is_a_bad_gateway(stage):
    stage.introspect = lambda token: answer_json({"error": "invalid_client"}, 401)
    answer = await call(await stage.start())
    assert (answer.status, answer.headers.get("www-authenticate"), stage.backend.received) == (502, None, [])
    [record] = await stage.records()
    assert (record["decision"], "credentials" in record["reason"]) == ("DENY", True)


async def test_an_authority_that_is_away_makes_the_service_unavailable(stage):
    answer = await call(await stage.start(endpoint="http://127.0.0.1:9"))
    assert (answer.status, stage.backend.received) == (503, [])


async def test_an_authority_that_answers_nonsense_lets_nobody_through(stage):
    stage.introspect = lambda token: answer_text("<html>active: true</html>")
    assert (await call(await stage.start())).status == 502
    assert stage.backend.received == []


@pytest.mark.parametrize(("handler", "status"), [("ClientHandler", 500), ("ReverseProxyHandler", 502)])
async def test_a_permitted_call_that_nobody_answers_is_recorded_as_failed(stage, handler, status):
    stage.handler, stage.behind = handler, "http://127.0.0.1:9"
    assert (await call(await stage.start())).status == status
    [mcp], [access] = await stage.records(), await stage.records("access")
    assert (mcp["decision"], mcp["response"]["status"], mcp["response"]["statusCode"]) == (
        "PERMIT",
        "FAILED",
        str(status),
    )
    assert access["response"]["status"] == "FAILED"


async def test_a_burst_of_calls_with_one_token_asks_once(stage):
    async def slowly(token):
        await asyncio.sleep(0.02)
        return answer_json(DELEGATED)

    stage.introspect = slowly
    port = await stage.start(cache={"enabled": True})
    answers = await asyncio.gather(*(call(port) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert len(stage.authority.received) == 1
    assert len(stage.backend.received) == 20


async def test_without_a_cache_every_call_asks(stage):
    port = await stage.start()
    assert [(await call(port)).status for _ in range(3)] == [200] * 3
    assert len(stage.authority.received) == 3


async def test_the_servers_never_see_each_others_credentials(stage):
    await call(await stage.start())
    [inquiry], [request] = stage.authority.received, stage.backend.received
    assert request.headers.get("authorization") is None
    assert inquiry.headers.get("authorization") is None
    assert (request.body, b"Tokyo" in inquiry.body) == (CALL, False)


async def test_a_user_token_without_an_actor_is_refused_where_one_is_required(stage):
    stage.introspect = lambda token: answer_json(CLAIMS)
    answer = await call(await stage.start(requireActor=True))
    assert (answer.status, stage.backend.received) == (403, [])
    assert "error" not in answer.headers.get("www-authenticate")
    [record] = await stage.records()
    assert (record["sub"], record["act"], record["decision"]) == ("demouser", [], "DENY")


async def test_a_page_from_elsewhere_is_refused(stage):
    port = await stage.start()
    assert (await call(port, [*HEADERS, ("Origin", "https://app.example")])).status == 200
    answer = await call(port, [*HEADERS, ("Origin", "https://evil.example")])
    assert (answer.status, answer.json()["error"]["code"]) == (403, -32600)


@pytest.mark.parametrize("status", [401, 407])
async def test_a_server_that_asks_for_authentication_sends_no_client_anywhere(stage, status):
    evil = [
        (b"WWW-Authenticate", b'Bearer realm="resource_metadata=http://evil.example "'),
        (b"Www-Authenticate", b"DPoP resource_metadata=x"),
    ]
    stage.serve = lambda request: Response(status, Headers(evil), Body(b"log in at http://evil.example"))
    answer = await call(await stage.start())
    assert (answer.status, answer.headers.get("www-authenticate"), answer.json()["id"]) == (502, None, 1)
    assert b"evil" not in answer.body
    decision, *_ = await stage.records()
    assert (decision["decision"], decision["response"]["statusCode"]) == ("PERMIT", "502")


async def test_a_session_belongs_to_who_opened_it(stage):
    users = {"good": DELEGATED, "other": {**DELEGATED, "sub": "another"}}
    stage.introspect = lambda token: answer_json(users[token])

    def serve(request):
        answer = answer_json({"jsonrpc": "2.0", "id": 1, "result": {}})
        answer.headers.add("Mcp-Session-Id", "the-servers-own")
        return answer

    stage.serve = serve
    port = await stage.start()
    session = (await call(port)).headers.get("mcp-session-id")
    continued = await call(port, [*HEADERS, ("Mcp-Session-Id", session)])
    assert (continued.status, continued.headers.get("mcp-session-id")) == (200, session)
    stolen = [*HEADERS[:-1], ("Authorization", "Bearer other"), ("Mcp-Session-Id", session)]
    for verb, body in (("POST", CALL), ("GET", b""), ("DELETE", b"")):
        answer = await ask(port, verb, "/mcp", stolen, body)
        assert (answer.status, answer.json()["error"]["code"]) == (404, -32600)
    assert [request.headers.get("mcp-session-id") for request in stage.backend.received] == [
        None,
        "the-servers-own",
    ]
    assert (await ask(port, "DELETE", "/mcp", [*HEADERS, ("Mcp-Session-Id", session)])).status == 200


async def test_an_open_stream_ends_when_its_token_is_revoked(stage):
    active = True
    stage.introspect = lambda token: answer_json(DELEGATED if active else {"active": False})

    async def events():
        yield b": hello\n\n"
        await asyncio.Event().wait()

    stage.serve = lambda request: Response(
        200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events())
    )
    stage.resource_server = {"streamRecheckInterval": "20 milliseconds"}
    port = await stage.start(cache={"enabled": True})
    async with Client(port) as client:
        await client.send("GET", "/mcp", [("Accept", "text/event-stream"), HEADERS[2], HEADERS[-1]])
        assert (await client.head())[0] == 200
        assert await asyncio.wait_for(client.chunk(), PATIENCE) == b": hello\n\n"
        async with asyncio.timeout(PATIENCE):
            while len(stage.authority.received) < 3:
                await asyncio.sleep(0.005)
        active = False
        assert await asyncio.wait_for(client.chunk(), PATIENCE) in {b"", None}
    assert (await call(port)).status == 401


async def test_an_error_within_an_event_stream_is_recorded_and_passes_untouched(stage):
    async def events():
        yield b": hello\n\n" + ERROR_EVENT[:30]
        yield ERROR_EVENT[30:]

    stage.serve = lambda request: Response(
        200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events())
    )
    answer = await call(await stage.start())
    assert answer.body == b": hello\n\n" + ERROR_EVENT
    [record] = await stage.records()
    assert (record["errorCode"], record["decision"], record["act"]) == (
        -32602,
        "PERMIT",
        ["agent-1", "agent-0"],
    )
    assert "Tokyo" not in json.dumps(record)


async def test_a_stream_that_stays_open_is_recorded_while_it_is_open(stage):
    over = asyncio.Event()

    async def events():
        yield b": hello\n\n"
        await over.wait()

    stage.serve = lambda request: Response(
        200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events())
    )
    port = await stage.start()
    async with Client(port) as client:
        await client.send("GET", "/mcp", [("Accept", "text/event-stream"), HEADERS[2], HEADERS[-1]])
        assert (await client.head())[0] == 200
        assert await asyncio.wait_for(client.chunk(), PATIENCE) == b": hello\n\n"
        file = stage.instance / "audit" / "mcp.audit.json"
        async with asyncio.timeout(PATIENCE):
            while not file.stat().st_size:
                await asyncio.sleep(0.01)
        over.set()
    [record] = await stage.records()
    assert (record["client"]["messageType"], record["response"]["statusCode"]) == (
        "MCP_SSE_OPENING_REQUEST",
        "200",
    )


async def test_every_exchange_has_one_access_record(stage):
    port = await stage.start()
    await call(port)
    await call(port, HEADERS[:-1])
    await call(port, body=b"{")
    records = await stage.records("access")
    assert sorted(record["response"]["statusCode"] for record in records) == ["200", "400", "401"]
    assert {record["eventName"] for record in records} == {"OPENIG-HTTP-ACCESS"}
    assert "Bearer" not in json.dumps(records)


async def test_the_same_resource_twice_is_refused_and_the_first_keeps_serving(stage):
    port = await stage.start()
    route = json.loads((stage.instance / "config/routes/mcp.json").read_text())
    write_json(stage.instance / "config/routes/zzz.json", {**route, "name": "second"})
    again = await stage._started(stage.instance)
    errors, _ = again.problems()
    assert "already served" in str(errors[0])
    assert (await call(port)).status == 200


def error_of(answer):
    document = answer.json()
    return document["id"], document["error"]["code"], document["error"]["message"]


async def test_an_answer_slower_than_so_timeout_is_504_and_names_the_setting(stage):
    async def never(_):
        await asyncio.sleep(60)

    stage.serve = never
    stage.handler = {"type": "ReverseProxyHandler", "config": {"soTimeout": "50 ms"}}
    answer = await call(await stage.start())
    identifier, code, message = error_of(answer)
    assert (answer.status, identifier, code) == (504, json.loads(CALL)["id"], -32603)
    assert "0.05 seconds (soTimeout" in message
    [record] = await stage.records()
    assert (record["decision"], record["response"]["statusCode"]) == ("PERMIT", "504")


@pytest.mark.parametrize(("status", "headers"), [(502, ()), (503, [(b"Retry-After", b"7")]), (504, ())])
async def test_a_failure_without_a_body_gets_one_that_an_mcp_client_reads(stage, status, headers):
    stage.serve = lambda request: Response(status, Headers(headers))
    answer = await call(await stage.start())
    assert (answer.status, error_of(answer)[:2]) == (status, (json.loads(CALL)["id"], -32603))
    assert answer.headers.get("content-type") == "application/json"
    assert answer.headers.get("retry-after") == ("7" if headers else None)


async def test_a_failure_with_a_body_is_passed_on(stage):
    stage.serve = lambda request: answer_text("down for maintenance", 503)
    answer = await call(await stage.start())
    assert (answer.status, answer.body) == (503, b"down for maintenance")


async def test_a_server_that_is_away_is_an_error_that_an_mcp_client_reads(stage):
    stage.behind = "http://127.0.0.1:9"
    answer = await call(await stage.start())
    assert (answer.status, error_of(answer)[:2]) == (502, (json.loads(CALL)["id"], -32603))
    assert "127.0.0.1" not in error_of(answer)[2]


async def test_so_is_an_authority_that_is_away(stage):
    answer = await call(await stage.start(endpoint="http://127.0.0.1:9"))
    assert (answer.status, error_of(answer)[:2]) == (503, (json.loads(CALL)["id"], -32603))


async def test_a_quiet_tool_call_that_is_answered_by_a_stream_shows_that_it_lives(stage):
    release = asyncio.Event()

    async def events():
        await release.wait()
        yield b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'

    stage.serve = lambda request: Response(
        200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events())
    )
    stage.handler = {"type": "ReverseProxyHandler", "config": {"commentInterval": "10 ms"}}
    async with Client(await stage.start()) as client:
        await client.send("POST", "/mcp", HEADERS, CALL)
        assert (await client.head())[0] == 200
        async with asyncio.timeout(PATIENCE):
            assert await client.chunk() == b":\n"
            release.set()
            assert b"result" in await client.chunk()
