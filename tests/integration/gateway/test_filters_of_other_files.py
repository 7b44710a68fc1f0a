"""Filters that files of other gateways use, on a running gateway, with plans made and remembered."""

from deputize.http.messages import Body, Headers, Response
from integration.gateway.conftest import CLEAR
from support.gateway import write_json
from support.wire import Server, answer_text, ask


def chain(backend, *filters):
    return {
        "baseURI": backend.url,
        "handler": {"type": "Chain", "config": {"filters": [*filters], "handler": "ReverseProxyHandler"}},
    }


def found(request):
    location = (b"Location", f"http://{request.headers.get('host')}/there?a=b".encode())
    return Response(302, Headers([location]), Body(b""))


async def test_redirects_and_rules_in_a_chain_of_filters(instance, started):
    admin = {**CLEAR, "trustedProxies": "127.0.0.0/8"}
    write_json(instance / "config" / "admin.json", admin)
    allow = {"type": "AllowOnlyFilter", "config": {"rules": {"from": {"ip": {"list": "198.51.100.0/24"}}}}}
    filters = {"type": "ChainOfFilters", "config": {"filters": [allow, {"type": "RedirectFilter"}]}}
    async with Server(found) as backend:
        write_json(instance / "config" / "routes" / "r.json", chain(backend, filters))
        port = (await started(instance)).ports[0]
        for _ in range(2):
            answer = await ask(port, "GET", "/", [("X-Forwarded-For", "203.0.113.1, 198.51.100.9")])
            assert (answer.status, answer.headers.get("location")) == (
                302,
                "http://localhost/there?a=b",
            )
            assert (
                await ask(port, "GET", "/", [("X-Forwarded-For", "198.51.100.9, 203.0.113.1")])
            ).status == 401
            assert (await ask(port, "GET", "/")).status == 401
    assert len(backend.received) == 2


async def test_another_request_is_sent_in_place_of_the_one_received(instance, started):
    async with Server(lambda request: answer_text(request.body.decode())) as backend:
        config = {
            "method": "POST",
            "uri": f"{backend.url}/fixed",
            "form": {"path": "${request.uri.path}"},
        }
        static = {"type": "StaticRequestFilter", "config": config}
        write_json(instance / "config" / "routes" / "r.json", chain(backend, static))
        port = (await started(instance)).ports[0]
        for body in (b"", b"one", b"x" * 300_000):
            answer = await ask(port, "PUT", "/a", [("Cookie", "a=b")], body)
            assert (answer.status, answer.body) == (200, b"path=%2Fa")
    assert {(each.method, each.target, each.headers.get("cookie")) for each in backend.received} == {
        ("POST", "/fixed", None)
    }
