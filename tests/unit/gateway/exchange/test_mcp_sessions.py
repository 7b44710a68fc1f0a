import base64

import pytest

from deputize.gateway.exchange.contexts import RefusalContext
from deputize.gateway.exchange.mcp_sessions import PROCESS_SECRET
from deputize.gateway.filters.mcp_protection import McpProtectionFilter
from deputize.gateway.filters.mcp_validation import McpValidationFilter
from deputize.gateway.filters.oauth2_resource_server import OAuth2ResourceServerFilter
from deputize.gateway.handlers.chain import Chain
from deputize.http.messages import Body, Headers, Response
from deputize.kernel.errors import ConfigurationError
from deputize.secrets.sealing import TextSeal
from support.gateway import ask, built, exchange_for
from support.mcp_messages import LEGACY_VERSION, MODERN_META, MODERN_VERSION, legacy_call, modern_call
from support.oauth_filters import CLAIMS, RESOURCE, oauth_heap, posting, protection, resource_server

TOKENS = {
    "good": CLAIMS,
    "renewed": {**CLAIMS, "jti": "jti-2", "exp": CLAIMS["exp"] + 60, "scope": "test"},
    "user": {**CLAIMS, "sub": "another"},
    "client": {**CLAIMS, "client_id": "agent-2"},
    "actor": {**CLAIMS, "act": {"sub": "agent-2"}},
    "chain": {**CLAIMS, "act": {"sub": "agent-1", "act": {"sub": "agent-0"}}},
    "nobody-acting": {name: value for name, value in CLAIMS.items() if name != "act"},
    "issuer": {**CLAIMS, "iss": "https://other.example"},
    "nameless-1": {"aud": [RESOURCE], "scope": "test"},
    "nameless-2": {"aud": [RESOURCE], "scope": "test"},
}
OTHERS = sorted(TOKENS.keys() - {"good", "renewed"})
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "a", "version": "1"},
    },
}
STORE = {
    "type": "Base64EncodedSecretStore",
    "config": {
        "secrets": {name: base64.b64encode(name.encode() * 32).decode() for name in ("old", "new", "third")}
    },
}


class McpServer:
    """Opens sessions with ids of its own, and remembers the ids it is sent."""

    def __init__(self, session="0123456789abcdef"):
        self.session = session
        self.asked = []

    async def handle(self, exchange):
        self.asked.append(exchange.request.headers.get_all("mcp-session-id"))
        return Response(200, Headers([(b"Mcp-Session-Id", self.session.encode("latin-1"))]), Body(b"{}"))


def route(server, *, validated=True, resource=RESOURCE, **rs):
    heap = oauth_heap(resource_server(**rs), tokens=TOKENS)
    validation = built(
        McpValidationFilter, {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}, heap
    )
    filters = [
        built(McpProtectionFilter, protection(resourceIdPointer="/aud", resourceId=resource), heap),
        validation,
    ]
    return Chain(filters if validated else filters[:1], server)


def request(token, *headers, verb="POST", document=None):
    common = [("Authorization", f"Bearer {token}"), LEGACY_VERSION, *headers]
    if verb == "POST":
        return posting(document or legacy_call(id=42), *common)
    return exchange_for("/mcp", method=verb, headers=[("Accept", "text/event-stream"), *common])


async def opened(chain, token="good"):
    """The id that a client of `token` gets for a new session."""
    response = await ask(chain, request(token, document=INITIALIZE))
    (session,) = response.headers.get_all("mcp-session-id")
    return session


def error_of(response):
    return response.status, response.body.buffered, dict(response.headers)


async def test_the_server_hears_its_own_id_and_the_client_never_does():
    server = McpServer()
    chain = route(server)
    session = await opened(chain)
    assert server.session not in session
    for token in ("good", "renewed"):
        response = await ask(chain, request(token, ("Mcp-Session-Id", session)))
        assert (response.status, response.headers.get_all("mcp-session-id")) == (200, [session])
    assert server.asked == [[], [server.session], [server.session]]


@pytest.mark.parametrize("verb", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("token", OTHERS)
async def test_anothers_session_is_an_unknown_one(token, verb):
    server = McpServer()
    chain = route(server)
    session = await opened(chain)
    refused = await ask(chain, exchange := request(token, ("Mcp-Session-Id", session), verb=verb))
    unknown = await ask(chain, request(token, ("Mcp-Session-Id", "0" * len(session)), verb=verb))
    raw = await ask(chain, request(token, ("Mcp-Session-Id", server.session), verb=verb))
    assert error_of(refused) == error_of(unknown) == error_of(raw)
    expected = (
        b'{"jsonrpc":"2.0","id":%b,"error":{"code":-32600,"message":"Invalid request: session not found"}}'
    )
    assert error_of(refused)[:2] == (404, expected % (b"42" if verb == "POST" else b"null"))
    assert exchange.find(RefusalContext).error == "session_refused"
    assert len(server.asked) == 1


async def test_a_new_id_of_the_server_is_sealed_anew():
    server = McpServer()
    chain = route(server)
    session = await opened(chain)
    server.session = "another"
    response = await ask(chain, request("good", ("Mcp-Session-Id", session)))
    assert response.headers.get("mcp-session-id") != session
    await ask(chain, request("good", ("Mcp-Session-Id", response.headers.get("mcp-session-id"))))
    assert server.asked[-1] == ["another"]


async def test_a_session_of_one_resource_is_unknown_at_another():
    other = "https://ig.example.com:8443/other"
    at_both = {**CLAIMS, "aud": [RESOURCE, other]}
    heap = oauth_heap(resource_server(), tokens={"good": at_both})
    chains = [
        Chain(
            [built(McpProtectionFilter, protection(resourceIdPointer="/aud", resourceId=resource), heap)],
            McpServer(),
        )
        for resource in (RESOURCE, other)
    ]
    session = await opened(chains[0])
    assert (await ask(chains[1], request("good", ("Mcp-Session-Id", session)))).status == 404


@pytest.mark.parametrize("validated", [True, False])
async def test_modern_requests_have_no_session_to_bind(validated):
    server = McpServer()
    chain = route(server, validated=validated)
    bearer = ("Authorization", "Bearer good")
    modern = [bearer, MODERN_VERSION, ("Mcp-Method", "tools/call"), ("Mcp-Name", "forecast_daily")]
    response = await ask(chain, posting(modern_call(meta=MODERN_META), *modern))
    assert (response.status, response.headers.get("mcp-session-id"), server.asked) == (
        200,
        server.session,
        [[]],
    )
    response = await ask(
        chain, posting(modern_call(meta=MODERN_META), *modern, ("Mcp-Session-Id", server.session))
    )
    assert (response.status, b"-32020" in response.body.buffered, len(server.asked)) == (400, True, 1)


@pytest.mark.parametrize("versions", [[], ["2025-11-25", "2026-07-28"], ["2026-07-28", "2026-07-28"]])
async def test_a_session_is_bound_whatever_version_is_stated_or_not(versions):
    server = McpServer()
    chain = route(server, validated=False)
    headers = [("Authorization", "Bearer user"), *(("MCP-Protocol-Version", version) for version in versions)]
    response = await ask(chain, posting(legacy_call(), *headers, ("Mcp-Session-Id", server.session)))
    assert (response.status, server.asked) == (404, [])


async def test_two_session_headers_are_refused():
    server = McpServer()
    chain = route(server)
    session = await opened(chain)
    response = await ask(chain, request("good", ("Mcp-Session-Id", session), ("mcp-session-id", session)))
    assert (response.status, len(server.asked)) == (400, 1)


@pytest.mark.parametrize("session", ["", "a b", "a\tb", "caf\xe9", "x" * 513])
async def test_a_servers_id_that_cannot_be_sealed_is_dropped(session):
    response = await ask(route(McpServer(session)), request("good", document=INITIALIZE))
    assert (response.status, "mcp-session-id" in response.headers) == (200, False)


async def test_the_longest_id_fits_and_passes_the_validation_in_front():
    server = McpServer("~" * 512)
    heap = oauth_heap(resource_server(), tokens=TOKENS)
    validation = built(
        McpValidationFilter, {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}, heap
    )
    chain = Chain([validation, built(McpProtectionFilter, protection(), heap)], server)
    session = await opened(chain)
    assert (await ask(chain, request("good", ("Mcp-Session-Id", session)))).status == 200
    assert server.asked[-1] == [server.session]


async def test_a_resource_server_alone_binds_too():
    server = McpServer()
    chain = Chain([built(OAuth2ResourceServerFilter, resource_server(), oauth_heap(tokens=TOKENS))], server)
    session = await opened(chain)
    assert (await ask(chain, request("good", ("Mcp-Session-Id", session)))).status == 200
    assert (await ask(chain, request("user", ("Mcp-Session-Id", session)))).status == 404


async def test_routes_without_a_token_are_left_alone():
    heap = oauth_heap()
    server = McpServer()
    chain = Chain(
        [
            built(
                McpValidationFilter,
                {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}},
                heap,
            )
        ],
        server,
    )
    response = await ask(chain, posting(legacy_call(), LEGACY_VERSION, ("Mcp-Session-Id", "x")))
    assert (response.headers.get("mcp-session-id"), server.asked) == (server.session, [["x"]])


def keys(*names):
    return {"sessionSecretId": list(names), "secretsProvider": STORE}


async def test_processes_share_sessions_and_a_rotation_overlaps():
    server = McpServer()
    session = await opened(route(server, **keys("old")))
    with_session = [("Mcp-Session-Id", session)]
    statuses = [
        (await ask(route(server, **keys(*names)), request("good", *with_session))).status
        for names in (["old"], ["old", "new"], ["new", "old"], ["new"], ["new", "third"])
    ]
    assert statuses == [200, 200, 200, 404, 404]
    anew = await opened(route(server, **keys("new", "old")))
    assert (await ask(route(server, **keys("new")), request("good", ("Mcp-Session-Id", anew)))).status == 200


async def test_without_a_secret_a_reloaded_route_still_knows_its_sessions():
    server = McpServer()
    session = await opened(route(server))
    assert (await ask(route(server), request("good", ("Mcp-Session-Id", session)))).status == 200
    assert TextSeal(lambda: [bytes(32)]).open(session, b"") is None
    assert len(PROCESS_SECRET) == 32


@pytest.mark.parametrize(
    ("config", "pointer"),
    [
        ({"sessionSecretId": "old"}, "secretsProvider"),
        (keys("missing"), "sessionSecretId"),
        (keys("old", "missing"), "sessionSecretId"),
        (
            {
                "sessionSecretId": "short",
                "secretsProvider": {
                    "type": "Base64EncodedSecretStore",
                    "config": {"secrets": {"short": base64.b64encode(b"x" * 31).decode()}},
                },
            },
            "sessionSecretId",
        ),
        ({"streamRecheckInterval": "zero"}, "streamRecheckInterval"),
    ],
)
def test_configuration_that_cannot_work(config, pointer):
    with pytest.raises(ConfigurationError, match=f"/config/{pointer}"):
        built(OAuth2ResourceServerFilter, resource_server(**config), oauth_heap())


async def test_a_secret_that_disappears_does_not_end_sessions(tmp_path):
    (tmp_path / "seal").write_bytes(base64.b64encode(b"a" * 32))
    store = {"type": "FileSystemSecretStore", "config": {"directory": str(tmp_path)}}
    server = McpServer()
    chain = route(server, sessionSecretId="seal", secretsProvider=store)
    session = await opened(chain)
    (tmp_path / "seal").unlink()
    assert (await ask(chain, request("good", ("Mcp-Session-Id", session)))).status == 200
    (tmp_path / "seal").write_bytes(base64.b64encode(b"b" * 32))
    assert (await ask(chain, request("good", ("Mcp-Session-Id", session)))).status == 404
