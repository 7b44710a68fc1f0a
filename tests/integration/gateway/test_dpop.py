"""Proofs of possession on the use case's route: one remembered plan, and a proof of each call."""

import asyncio
import json

from support.mcp_messages import modern_call
from support.proofs import Prover
from support.twin_gateways import MemoryLoop, twin_gateways

NOW = 1_700_000_000.0
RESOURCE = "https://a/mcp"
BODY = json.dumps(modern_call()).encode()
PROVER, THIEF = Prover(), Prover()
CLAIMS = {
    "sub": "user",
    "act": {"sub": "agent"},
    "aud": [RESOURCE],
    "scope": "test",
    "cnf": {"jkt": PROVER.thumbprint},
}
HEAP = [
    {"name": "AuditService", "type": "MemoryAudit"},
    {
        "name": "rsFilter",
        "type": "OAuth2ResourceServerFilter",
        "config": {
            "requireHttps": False,
            "scopes": ["test"],
            "accessTokenResolver": {"type": "Tokens"},
            "cache": {"enabled": True},
        },
    },
]
ROUTE = {
    "condition": "${find(request.uri.path, '^/mcp(/|$)')}",
    "baseURI": "http://up:8000",
    "handler": {
        "type": "Chain",
        "config": {
            "filters": [
                {"type": "McpAuditFilter", "config": {"auditService": "AuditService"}},
                {"type": "UriPathRewriteFilter", "config": {"mappings": {"/mcp": "/"}}},
                {
                    "type": "McpProtectionFilter",
                    "config": {
                        "resourceId": RESOURCE,
                        "authorizationServerUri": "https://as/as",
                        "resourceServerFilter": "rsFilter",
                        "resourceIdPointer": "/aud/0",
                        "requireActor": True,
                    },
                },
                {"type": "McpValidationFilter", "config": {"acceptedOrigins": "https://a"}},
            ],
            "handler": {"type": "ReverseProxyHandler", "config": {"commentInterval": "unlimited"}},
        },
    },
}


def calling(proof, scheme=b"DPoP"):
    line = b"" if proof is None else b"DPoP: %b\r\n" % proof.encode()
    return (
        b"POST /mcp HTTP/1.1\r\nHost: a\r\nAuthorization: %b the-token\r\n%b"
        b"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
        b"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: forecast_daily\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (scheme, line, len(BODY), BODY)
    )


def test_one_plan_serves_all_calls_with_a_token_and_each_call_proves_its_key():
    async def run():
        async with twin_gateways({"mcp": ROUTE}, {"the-token": CLAIMS}, heap=HEAP) as twins:
            twin = twins.loop.twin = twins.mindful
            plans = twin.listeners[False].plans

            async def send(data):
                connection, transport = twin.connection(("192.0.2.1", 5001, False))
                connection.data_received(data)
                await twins.loop.settle()
                went_up, *_ = twin.take()
                answer, transport.written = transport.written, b""
                return answer.partition(b"\r\n")[0], answer, went_up

            def prove(prover=PROVER, **changes):
                return prover.prove("POST", RESOURCE, NOW, "the-token", **changes)

            for _ in range(2):  # at first the token is asked about
                await send(calling(prove()))
            (plan,) = [known.plan for known in plans._young.values()]
            for _ in range(3):
                status, _, went_up = await send(calling(prove()))
                assert b" 401 " not in status
                assert len(went_up) == 1
                assert b"authorization" not in went_up[0].lower()
                assert b"dpop" not in went_up[0].lower()
            used = prove()
            await send(calling(used))
            for wrong in (
                used,
                prove(THIEF),
                prove(htm="GET"),
                prove(ath="x"),
                prove(htu="https://b/mcp"),
                "none",
            ):
                status, answer, went_up = await send(calling(wrong))
                assert (status, went_up) == (b"HTTP/1.1 401 Unauthorized", [])
                assert b'DPoP error="invalid_dpop_proof"' in answer
            assert [known.plan for known in plans._young.values()] == [plan]
            for stolen in (calling(None), calling(None, b"Bearer"), calling(prove(), b"Bearer")):
                for _ in range(2):
                    status, _, went_up = await send(stolen)
                    assert (status, went_up) == (b"HTTP/1.1 401 Unauthorized", [])

    with asyncio.Runner(loop_factory=MemoryLoop) as runner:
        runner.run(run())
