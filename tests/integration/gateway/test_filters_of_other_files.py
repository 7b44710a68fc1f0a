"""Filters that files of other gateways use, on a running gateway, with plans made and remembered."""

import asyncio

from deputize.http.messages import Body, Headers, Response
from deputize.jose import parse_foreign_token, read_key, read_signing_key, verify_with
from integration.gateway.conftest import CLEAR
from support.gateway import write_json
from support.patience import PATIENCE
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


async def test_what_is_found_in_an_entity_looks_up_a_record_that_goes_on_as_a_header(instance, started):
    (instance / "people.csv").write_text("name,role\nann,admin\nbob,user\n")
    binding = {"key": "name", "pattern": "name=([a-z]+)", "template": "$1"}
    extract = {
        "type": "EntityExtractFilter",
        "config": {"messageType": "REQUEST", "target": "${attributes.found}", "bindings": binding},
    }
    look_up = {
        "type": "FileAttributesFilter",
        "config": {
            "file": "people.csv",
            "key": "name",
            "value": "${attributes.found.name}",
            "target": "${attributes.person}",
        },
    }
    assignments = {
        "onRequest": {"target": "${request.headers['X-Role'][0]}", "value": "${attributes.person.role}"},
        "onResponse": {"target": "${response.headers['X-Name']}", "value": "${attributes.found.name}"},
    }
    assign = {"type": "AssignmentFilter", "config": assignments}
    async with Server(lambda request: answer_text(request.headers.get("x-role") or "nobody")) as backend:
        write_json(instance / "config" / "routes" / "r.json", chain(backend, extract, look_up, assign))
        port = (await started(instance)).ports[0]
        for name, role in [("ann", b"admin"), ("bob", b"user"), ("eve", b"nobody"), ("ann", b"admin")]:
            for filling in ("", "x" * 200_000):
                answer = await ask(
                    port, "POST", "/", [("X-Role", "forged")], f"{filling}name={name}".encode()
                )
                assert (answer.body, answer.headers.get("x-name")) == (role, name)
        assert (await ask(port, "POST", "/", [], b"x" * 1_048_577)).status == 413
    assert len(backend.received) == 8


async def test_a_server_that_fails_is_spared_and_tried_again(instance, started):
    statuses = [500, 502, 502, 200]
    async with Server(lambda _: answer_text("x", statuses.pop(0))) as backend:
        counter = {"maxFailures": 2, "openDuration": "300 ms", "slidingCounter": {"size": 3}}
        breaker = {"type": "CircuitBreakerFilter", "config": counter}
        write_json(instance / "config" / "routes" / "r.json", chain(backend, breaker))
        port = (await started(instance)).ports[0]
        assert [(await ask(port, "GET", "/")).status for _ in range(3)] == [500, 502, 502]
        answer = await ask(port, "GET", "/")
        assert (answer.status, answer.headers.get("retry-after"), len(backend.received)) == (503, "1", 3)
        async with asyncio.timeout(PATIENCE):
            while (await ask(port, "GET", "/")).status == 503:
                pass
    assert statuses == []


async def test_a_signed_jwt_is_sent_on(instance, started, certificate):
    (instance / "key.pem").write_bytes(certificate[0])
    store = {
        "type": "FileSystemSecretStore",
        "config": {
            "directory": str(instance),
            "suffix": ".pem",
            "mappings": [{"secretId": "key", "format": {"type": "PemPropertyFormat"}}],
        },
    }
    build = {
        "type": "JwtBuilderFilter",
        "config": {
            "template": {"path": "${request.uri.path}", "iat": "${now.epochSeconds}"},
            "secretsProvider": store,
            "signature": {"secretId": "key"},
        },
    }
    send = {
        "type": "HeaderFilter",
        "config": {"messageType": "REQUEST", "replace": {"X-Token": "${contexts.jwtBuilder.value}"}},
    }
    async with Server(lambda request: answer_text(request.headers.get("x-token") or "")) as backend:
        write_json(instance / "config" / "routes" / "r.json", chain(backend, build, send))
        port = (await started(instance)).ports[0]
        key = read_key(read_signing_key(certificate[0], None, 0.0).public_jwk)
        for path in ("/a", "/b", "/a"):
            answer = await ask(port, "GET", path, [("X-Token", "forged")])
            claims = verify_with(parse_foreign_token(answer.body.decode()), [key])
            assert (claims["path"], claims.keys()) == (path, {"path", "iat"})
