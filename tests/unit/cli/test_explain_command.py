"""`deputize gateway explain`: what each object does with a request that is never sent."""

import asyncio
import json
from datetime import date
from decimal import Decimal

import pytest
from click.testing import CliRunner

from deputize.cli.gateway import gateway
from deputize.gateway.state.budgets import Charge
from deputize.gateway.state.sqlite_budgets import SqliteBudgets
from support.gateway import write_json
from support.wire import Server, answer_text

AUDIT = {
    "name": "AuditService",
    "type": "AuditService",
    "config": {
        "eventHandlers": [
            {
                "class": "org.forgerock.audit.handlers.json.JsonAuditEventHandler",
                "config": {"name": "json", "topics": ["access"], "logDirectory": "&{ig.instance.dir}/audit"},
            }
        ]
    },
}


def chain(*filters, handler="ReverseProxyHandler"):
    return {"type": "Chain", "config": {"filters": [*filters], "handler": handler}}


@pytest.fixture
def instance(tmp_path):
    write_json(tmp_path / "config" / "admin.json", {"streamingEnabled": True})
    write_json(
        tmp_path / "config" / "routes" / "a.json",
        {
            "condition": "${request.uri.path == '/a'}",
            "handler": {"type": "StaticResponseHandler", "config": {"status": 204}},
        },
    )
    return tmp_path


def explained(instance, request, *options):
    words = ["explain", str(instance), "--request", request, *options]
    result = CliRunner().invoke(gateway, words)
    assert result.exit_code == 0, result.output
    return result.output


def write_route(instance, **members):
    write_json(instance / "config" / "routes" / "b.json", {"name": "b", **members})


def test_the_way_of_a_request(instance):
    write_route(
        instance,
        condition="${find(request.uri.path, '^/mcp(/|$)')}",
        baseURI="http://server.example:9000",
        handler=chain(
            {"type": "UriPathRewriteFilter", "config": {"mappings": {"/mcp": "/"}}},
            {
                "name": "team",
                "type": "HeaderFilter",
                "config": {"messageType": "REQUEST", "add": {"X-A": "b"}, "remove": "X-Gone"},
            },
        ),
    )
    output = explained(instance, "post /mcp/x?token=hush", "--token", "hush", "-H", "X-Gone: hush")
    routes = "config/routes/b.json at /handler/config"
    assert output.splitlines() == [
        "Router '_router' (config/config.json (absent, so the default) at /handler)",
        "    route a: ${request.uri.path == '/a'} is false",
        "    route b: ${find(request.uri.path, '^/mcp(/|$)')} is true",
        f"  UriPathRewriteFilter ({routes}/filters/0)",
        "      passes on: target /x?token=*****",
        f"    HeaderFilter 'team' ({routes}/filters/1)",
        "        passes on: without X-Gone; X-A: b",
        "      ReverseProxyHandler 'ReverseProxyHandler' (default objects at /1)",
        "          would send POST http://server.example:9000/x?token=*****",
        "            Host: localhost",
        "            Authorization: *****",
        "            X-Forwarded-For: 127.0.0.1",
        "            X-Forwarded-Host: localhost",
        "            X-Forwarded-Proto: http",
        "            Via: 1.1 deputize",
        "            X-A: b",
        "answer: that of the server",
    ]


def test_a_refusal_is_told_with_the_reason_and_what_was_missing(instance):
    condition = "${request.headers['X-Team'][0] != 'eve'}"
    enforce = {"type": "ConditionEnforcementFilter", "config": {"condition": condition}}
    write_route(instance, baseURI="http://s", handler=chain(enforce))
    output = explained(instance, "GET /b")
    assert (
        "answers 403: condition_not_met, the condition of /handler/config/filters/0 does not hold" in output
    )
    assert "it compares what is missing: request.headers.X-Team" in output
    assert output.endswith("answer: 403\n")


def test_who_answers_is_told_also_where_objects_are_decorated_and_hand_over(instance):
    """Of a handler that asks another one, only that one answers."""
    write_json(
        instance / "config" / "config.json",
        {"handler": {"type": "Router"}, "globalDecorators": {"capture": "all", "timer": True}},
    )
    refuse = {"type": "StaticResponseHandler", "config": {"status": 418}}
    dispatch = {"type": "DispatchHandler", "config": {"bindings": [{"handler": refuse}]}}
    write_route(instance, handler=dispatch)
    lines = explained(instance, "GET /b").splitlines()
    assert "    route b takes everything" in lines
    assert [line.strip() for line in lines if "answers" in line] == ["answers 418"]


def test_a_json_document(instance):
    guard = {
        "type": "OAuth2ResourceServerFilter",
        "config": {
            "scopes": ["a"],
            "accessTokenResolver": {
                "type": "TokenIntrospectionAccessTokenResolver",
                "config": {"endpoint": "http://127.0.0.1:1/introspect"},
            },
        },
    }
    write_route(instance, baseURI="http://s", handler=chain(guard))
    document = json.loads(explained(instance, "GET https://gateway.example/b", "--json"))
    assert (document["status"], document["sent"], document["failure"]) == (401, False, None)
    assert [(stop["type"], stop["depth"]) for stop in document["stops"]] == [
        ("Router", 0),
        ("OAuth2ResourceServerFilter", 1),
    ]
    clear = json.loads(explained(instance, "GET http://gateway.example/b", "--json"))
    assert clear["status"] == 403  # the filter requires HTTPS


def test_no_route_and_a_route_that_does_not_load(instance):
    write_route(instance, handler="nobody")
    output = explained(instance, "GET /none")
    assert "note: a route does not load: " in output
    assert "no heap object is named 'nobody'" in output
    assert output.endswith("answer: 404\n")


def test_an_error_is_told(instance):
    write_route(instance, baseURI="${request.headers['X-To'][0]}", handler="ReverseProxyHandler")
    output = explained(instance, "GET /b")
    assert output.splitlines()[-1].startswith("answer: 500, for an error: NoBaseUri: ")


async def test_nothing_is_sent_or_recorded_but_tokens_are_asked_about(instance):
    """Neither by a client handler that a route uses as a proxy."""
    async with (
        Server(lambda _: answer_text("no")) as backend,
        Server(lambda _: answer_text('{"active": true, "scope": "a"}')) as authority,
    ):
        guard = {
            "type": "OAuth2ResourceServerFilter",
            "config": {
                "scopes": ["a"],
                "requireHttps": False,
                "accessTokenResolver": {
                    "type": "TokenIntrospectionAccessTokenResolver",
                    "config": {"endpoint": f"{authority.url}/introspect"},
                },
            },
        }
        for handler in ("ReverseProxyHandler", "ClientHandler"):
            write_route(instance, heap=[AUDIT], baseURI=backend.url, handler=chain(guard, handler=handler))
            output = await asyncio.to_thread(explained, instance, "GET /b", "--token", "hush")
            assert "leaves contexts.oauth2" in output
            assert "would send GET http://127.0.0.1:" in output
            assert "hush" not in output
    assert (backend.received, len(authority.received)) == ([], 2)
    assert not (instance / "audit").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("GET",),
        ("GET relative",),
        ("GET /a/../b",),
        ("GET /a", "-H", "no header"),
        ("GET /a", "-H", "A: b\nc"),
    ],
)
def test_what_is_no_request_is_refused(instance, options):
    result = CliRunner().invoke(gateway, ["explain", str(instance), "--request", *options])
    assert result.exit_code == 2


def test_a_start_that_fails_is_told(instance):
    (instance / "config" / "admin.json").write_text("{")
    result = CliRunner().invoke(gateway, ["explain", str(instance), "--request", "GET /"])
    assert (result.exit_code, "admin.json:1:2: is not JSON" in result.output) == (1, True)


def tool_call_under_a_budget(instance):
    """A route of which each user may make one call a day."""
    claims = {"active": True, "sub": "ann", "client_id": "agent", "act": {"sub": "agent"}, "scope": "a"}
    introspection = {
        "type": "StaticResponseHandler",
        "config": {
            "status": 200,
            "headers": {"Content-Type": "application/json"},
            "entity": json.dumps(claims),
        },
    }
    resolver = {
        "type": "TokenIntrospectionAccessTokenResolver",
        "config": {"endpoint": "http://authority.example/introspect", "providerHandler": introspection},
    }
    budget = {"name": "daily", "of": "transfer", "limit": 1, "per": "user"}
    policies = {
        "type": "McpToolPolicies",
        "config": {"server": "https://bank.example/mcp", "budgets": budget},
    }
    write_route(
        instance,
        baseURI="http://s",
        handler=chain(
            {
                "type": "OAuth2ResourceServerFilter",
                "config": {"requireHttps": False, "scopes": "a", "accessTokenResolver": resolver},
            },
            {"type": "McpValidationFilter", "config": {"acceptedOrigins": "https://a.example"}},
            {
                "type": "McpToolAuthorizationFilter",
                "config": {"rules": [{"tools": "*", "scopes": "a"}], "policies": policies},
            },
        ),
    )
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "transfer", "arguments": {}},
    }
    headers = (
        "Accept: application/json, text/event-stream",
        "Content-Type: application/json",
        "MCP-Protocol-Version: 2025-11-25",
    )
    options = [word for header in headers for word in ("-H", header)]
    return ["POST /mcp", "--token", "good", "--body", json.dumps(message), *options]


def test_no_budget_is_spent(instance):
    request = tool_call_under_a_budget(instance)
    for _ in range(2):
        assert explained(instance, *request).endswith("answer: that of the server\n")
    assert not (instance / "state").exists()
    path = instance / "state" / "budgets.sqlite"

    async def spend_elsewhere():
        budgets = SqliteBudgets(path)
        await budgets.reserve([Charge("other", "bob", date(2026, 1, 1), Decimal(1), Decimal(5))])
        await budgets.close()

    asyncio.run(spend_elsewhere())
    before = path.read_bytes()
    for _ in range(2):
        assert explained(instance, *request).endswith("answer: that of the server\n")
    assert path.read_bytes() == before
