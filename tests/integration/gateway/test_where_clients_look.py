"""Where clients look for what is protected and by whose tokens, over real sockets."""

import json

import pytest

from deputize.http.messages import Response
from support.gateway import write_json
from support.wire import Client, Server, answer_json, answer_text, ask

PROTECTED = "/.well-known/oauth-protected-resource"
AUTHORITY = "/.well-known/oauth-authorization-server"
PAGE = ("Origin", "https://inspector.example")


def protecting(resource, authority, backend, **more):
    config = {
        "resourceId": resource,
        "authorizationServerUri": authority,
        "requireActor": False,
        "resourceServerFilter": {
            "type": "OAuth2ResourceServerFilter",
            "config": {
                "requireHttps": False,
                "scopes": "test",
                "accessTokenResolver": {
                    "type": "TokenIntrospectionAccessTokenResolver",
                    "config": {"endpoint": f"{authority}/introspect"},
                },
            },
        },
        **more,
    }
    return {
        "condition": "${find(request.uri.path, '^/(mcp|other)')}",
        "baseURI": backend,
        "handler": {
            "type": "Chain",
            "config": {
                "filters": [{"type": "McpProtectionFilter", "config": config}],
                "handler": "ReverseProxyHandler",
            },
        },
    }


class Stage:
    """An issuer that publishes its metadata, a server behind, and a gateway with the routes asked for."""

    def __init__(self, instance, started):
        self.instance, self._started = instance, started
        self.metadata = None

    def publish(self, request):
        if self.metadata is None or request.target != f"{AUTHORITY}/as":
            return Response(404)
        return answer_json(self.metadata)

    async def start(self, **routes):
        for name, route in routes.items():
            write_json(self.instance / "config" / "routes" / f"{name}.json", route)
        self.port = (await self._started(self.instance)).ports[0]

    def protecting(self, resource="https://weather.example/mcp", **more):
        return protecting(resource, self.issuer, self.backend.url, **more)

    async def get(self, target, method="GET", *headers):
        return await ask(self.port, method, target, headers)


@pytest.fixture
async def stage(instance, started):
    stage = Stage(instance, started)
    async with Server(stage.publish) as authority, Server(lambda _: answer_text("behind")) as backend:
        stage.authority, stage.backend = authority, backend
        stage.issuer = f"{authority.url}/as"
        stage.metadata = {"issuer": stage.issuer, "token_endpoint": f"{authority.url}/as/token", "x": [1]}
        yield stage


async def test_a_resource_is_described_wherever_clients_look(stage):
    await stage.start(mcp=stage.protecting())
    document = (await stage.get(f"{PROTECTED}/mcp")).json()
    assert document["resource"] == "https://weather.example/mcp"
    assert document["authorization_servers"] == [stage.issuer]
    for place in (f"{PROTECTED}/mcp/", PROTECTED):
        answer = await stage.get(place)
        assert (answer.status, answer.json()) == (200, document)
        assert answer.headers.get("content-type") == "application/json"
    for elsewhere in (f"{PROTECTED}/", f"{PROTECTED}/other", f"{PROTECTED}/mcp/x"):
        assert (await stage.get(elsewhere)).status == 404


@pytest.mark.parametrize("place", [f"{PROTECTED}/mcp", PROTECTED, AUTHORITY])
async def test_browsers_and_programs_may_read_them(stage, place):
    await stage.start(mcp=stage.protecting())
    read = await stage.get(place, "GET", PAGE)
    assert (read.status, read.headers.get_all("access-control-allow-origin")) == (200, ["*"])
    wanted = [
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "mcp-protocol-version"),
    ]
    preflight = await stage.get(place, "OPTIONS", PAGE, *wanted)
    assert (preflight.status, preflight.headers.get("access-control-allow-origin")) == (204, "*")
    assert preflight.headers.get("access-control-allow-headers") == "*"
    assert "GET" in preflight.headers.get("access-control-allow-methods")
    async with Client(stage.port) as client:
        await client.send("HEAD", place)
        status, fields = await client.head()
        assert (status, fields.get("content-length")) == (200, str(len(read.body)))
    refused = await stage.get(place, "POST")
    assert (refused.status, refused.headers.get("allow")) == (405, "GET, HEAD")


async def test_a_filter_of_the_operators_takes_the_place_of_ours(stage):
    cors = {"type": "CorsFilter", "config": {"policies": {"acceptedOrigins": "https://a.example"}}}
    await stage.start(mcp=stage.protecting(wellKnownFilter=cors))
    for place in (f"{PROTECTED}/mcp", PROTECTED, AUTHORITY):
        assert (await stage.get(place, "GET", PAGE)).status == 403
        read = await stage.get(place, "GET", ("Origin", "https://a.example"))
        assert read.headers.get_all("access-control-allow-origin") == ["https://a.example"]


async def test_older_clients_find_the_issuers_own_metadata_here(stage):
    await stage.start(mcp=stage.protecting())
    for place in (AUTHORITY, f"{AUTHORITY}/mcp"):
        answer = await stage.get(place)
        assert (answer.status, answer.json()) == (200, stage.metadata)
    assert [request.target for request in stage.authority.received] == [f"{AUTHORITY}/as"]


async def test_metadata_that_cannot_be_had_are_not_made_up(stage):
    stage.metadata["issuer"] = "https://other.example"
    await stage.start(mcp=stage.protecting())
    answer = await stage.get(AUTHORITY)
    assert (answer.status, answer.body) == (502, b"")
    await stage.get(AUTHORITY)
    asked = len(stage.authority.received)
    assert asked == 3  # one look at each place; then a pause


async def test_no_client_is_led_to_another_resource(stage):
    await stage.start(
        one=stage.protecting("https://weather.example/mcp"),
        two=stage.protecting("https://weather.example/other"),
    )
    assert (await stage.get(PROTECTED)).status == 404
    for path in ("mcp", "other"):
        document = (await stage.get(f"{PROTECTED}/{path}/")).json()
        assert document["resource"] == f"https://weather.example/{path}"
        assert (await stage.get(f"{AUTHORITY}/{path}")).status == 200
    assert (await stage.get(AUTHORITY)).json() == stage.metadata  # they have one issuer


async def test_routes_go_first_where_they_mean_it(stage):
    static = {"type": "StaticResponseHandler", "config": {"status": 200, "entity": "mine"}}
    await stage.start(
        mcp=stage.protecting(),
        own={"condition": "${request.uri.path == '" + AUTHORITY + "'}", "handler": static},
        zz={"handler": static},
    )
    assert (await stage.get(AUTHORITY)).body == b"mine"
    assert (await stage.get(PROTECTED)).json()["resource"] == "https://weather.example/mcp"
    assert (await stage.get("/anything")).body == b"mine"


async def test_an_authorization_server_at_the_same_origin_has_its_own(stage):
    await stage.start(mcp=stage.protecting(f"{stage.authority.url}/mcp"))
    assert (await stage.get(AUTHORITY)).status == 404
    assert (await stage.get(PROTECTED)).status == 200


@pytest.mark.parametrize(
    ("settings", "scopes"),
    [
        ({}, ["test"]),
        ({"supportedScopes": ["a", "b"]}, ["a", "b"]),
        ({"supportedScopes": ["a", "offline_access"]}, ["a"]),
    ],
    ids=json.dumps,
)
async def test_clients_are_told_scopes_that_they_can_have(stage, settings, scopes):
    await stage.start(mcp=stage.protecting(**settings))
    assert (await stage.get(PROTECTED)).json()["scopes_supported"] == scopes
