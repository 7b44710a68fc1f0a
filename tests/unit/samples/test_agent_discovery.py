import json
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import discovery
from agent.discovery import Challenge
from agent.errors import DiscoveryRefused

SERVER = "https://ig.example.com:8443/mcp"
ISSUER = "https://auth.example.com/env/as"
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "code_challenge_methods_supported": ["S256"],
    "authorization_response_iss_parameter_supported": True,
}
RESOURCE = {"resource": SERVER, "authorization_servers": [ISSUER], "scopes_supported": ["test"]}


def publishing(documents: Mapping[str, Any]) -> httpx2.AsyncClient:
    """A client that finds these documents at these addresses, and nothing else."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        document = documents.get(str(request.url))
        return httpx2.Response(404) if document is None else httpx2.Response(200, json=document)

    return httpx2.AsyncClient(transport=httpx2.MockTransport(respond))


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        ('Bearer resource_metadata="https://x/y", scope="a b"', Challenge("", ("a", "b"), "https://x/y")),
        ('bearer error="insufficient_scope", scope=test', Challenge("insufficient_scope", ("test",), "")),
        (r'Bearer error="a \"quoted\" word"', Challenge('a "quoted" word')),
        ('Basic realm="x"', Challenge()),
        ("Bearer", Challenge()),
    ],
)
def test_reads_challenges(header: str, challenge: Challenge):
    assert discovery.parse_challenge([header]) == challenge


def test_finds_the_bearer_challenge_among_others():
    assert discovery.parse_challenge(['Basic realm="x"', 'Bearer scope="a"']).scopes == ("a",)


@given(st.lists(st.text(), max_size=3))
def test_no_header_makes_reading_fail(headers: list[str]):
    assert isinstance(discovery.parse_challenge(headers), Challenge)


def test_resource_metadata_is_looked_for_with_the_path_first():
    origin = "https://ig.example.com:8443/.well-known/oauth-protected-resource"
    assert discovery.resource_metadata_urls(SERVER) == [f"{origin}/mcp", origin]
    assert discovery.resource_metadata_urls("https://ig.example.com:8443/") == [origin]


def test_issuer_metadata_is_looked_for_in_the_prescribed_order():
    well_known = "https://auth.example.com/.well-known"
    assert discovery.issuer_metadata_urls(ISSUER) == [
        f"{well_known}/oauth-authorization-server/env/as",
        f"{well_known}/openid-configuration/env/as",
        f"{ISSUER}/.well-known/openid-configuration",
    ]
    assert discovery.issuer_metadata_urls("https://auth.example.com") == [
        f"{well_known}/oauth-authorization-server",
        f"{well_known}/openid-configuration",
    ]


@pytest.mark.parametrize(
    "url", ["https://a.example", "http://localhost:9000/x", "http://127.0.0.1", "http://[::1]:8000/"]
)
def test_trusts_what_nobody_can_change_on_the_way(url: str):
    assert discovery.is_trustworthy(url)


@pytest.mark.parametrize(
    "url", ["http://a.example", "http://localhost.evil.example", "file:///etc/passwd", "javascript:1", ""]
)
def test_trusts_nothing_else(url: str):
    assert not discovery.is_trustworthy(url)


async def test_asks_where_the_challenge_says():
    client = publishing({"https://ig.example.com/elsewhere": RESOURCE})
    found = await discovery.protected_resource(
        client, SERVER, Challenge(resource_metadata="https://ig.example.com/elsewhere")
    )
    assert (found.resource, found.issuer, found.scopes) == (SERVER, ISSUER, ("test",))


@pytest.mark.parametrize("suffix", ["/mcp", ""])
async def test_without_a_hint_the_well_known_places_are_asked(suffix: str):
    client = publishing(
        {f"https://ig.example.com:8443/.well-known/oauth-protected-resource{suffix}": RESOURCE}
    )
    assert (await discovery.protected_resource(client, SERVER, Challenge())).issuer == ISSUER


@pytest.mark.parametrize("resource", ["HTTPS://IG.example.com:8443/mcp", f"{SERVER}/"])
async def test_equivalent_spellings_of_the_resource_are_the_same(resource: str):
    client = publishing({"https://ig.example.com/m": RESOURCE | {"resource": resource}})
    found = await discovery.protected_resource(
        client, SERVER, Challenge(resource_metadata="https://ig.example.com/m")
    )
    assert found.resource == resource


@pytest.mark.parametrize("resource", ["https://ig.example.com:8443", "https://ig.example.com:8443/", SERVER])
async def test_the_document_at_the_root_may_describe_the_whole_origin(resource: str):
    root = "https://ig.example.com:8443/.well-known/oauth-protected-resource"
    client = publishing({root: RESOURCE | {"resource": resource}})
    for challenge in (Challenge(), Challenge(resource_metadata=root)):
        assert (await discovery.protected_resource(client, SERVER, challenge)).resource == resource


@pytest.mark.parametrize(
    "place",
    ["https://ig.example.com:8443/.well-known/oauth-protected-resource/mcp", "https://ig.example.com/m"],
)
async def test_no_other_document_may_describe_the_origin(place: str):
    client = publishing({place: RESOURCE | {"resource": "https://ig.example.com:8443"}})
    with pytest.raises(DiscoveryRefused, match="describes"):
        await discovery.protected_resource(client, SERVER, Challenge(resource_metadata=place))


async def test_the_probe_carries_what_its_message_says():
    def respond(request: httpx2.Request) -> httpx2.Response:
        message = json.loads(request.content)
        assert request.headers["mcp-method"] == message["method"]
        assert (
            request.headers["mcp-protocol-version"]
            == message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"]
        )
        return httpx2.Response(401, headers={"WWW-Authenticate": 'Bearer scope="a"'})

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(respond))
    assert await discovery.challenge_of(client, SERVER) == Challenge(scopes=("a",))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"resource": "https://ig.example.com:8443/other"}, "describes"),
        ({"resource": "https://evil.example/mcp"}, "describes"),
        ({"resource": None}, "describes"),
        ({"authorization_servers": []}, "no authorization server"),
        ({"authorization_servers": "https://x"}, "no authorization server"),
        ({"authorization_servers": [1]}, "no authorization server"),
    ],
)
async def test_refuses_metadata_of_another_resource_or_without_a_server(change: dict[str, Any], reason: str):
    client = publishing({"https://ig.example.com/m": RESOURCE | change})
    with pytest.raises(DiscoveryRefused, match=reason):
        await discovery.protected_resource(
            client, SERVER, Challenge(resource_metadata="https://ig.example.com/m")
        )


async def test_refuses_to_ask_in_the_clear():
    with pytest.raises(DiscoveryRefused, match="no https address"):
        await discovery.protected_resource(
            publishing({}), SERVER, Challenge(resource_metadata="http://ig.example.com/m")
        )


async def test_finds_the_authorization_server():
    client = publishing({f"{ISSUER}/.well-known/openid-configuration": METADATA})
    server = await discovery.authorization_server(client, ISSUER)
    assert (server.token_endpoint, server.promises_iss, server.auth_methods) == (
        f"{ISSUER}/token",
        True,
        ("client_secret_basic",),
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"issuer": f"{ISSUER}/"}, "speaks for the issuer"),
        ({"issuer": "https://evil.example"}, "speaks for the issuer"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"code_challenge_methods_supported": None}, "PKCE"),
        ({"token_endpoint": "http://auth.example.com/token"}, "token_endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"token_endpoint": 1}, "token_endpoint"),
    ],
)
async def test_refuses_an_authorization_server_it_must_not_use(change: dict[str, Any], reason: str):
    client = publishing({discovery.issuer_metadata_urls(ISSUER)[0]: METADATA | change})
    with pytest.raises(DiscoveryRefused, match=reason):
        await discovery.authorization_server(client, ISSUER)


async def test_says_where_it_looked_in_vain():
    with pytest.raises(
        DiscoveryRefused, match=r"oauth-authorization-server/env/as or .*openid-configuration"
    ):
        await discovery.authorization_server(publishing({}), ISSUER)


@pytest.mark.parametrize(
    "body", [b"not json", b"[]", b"[" * 100_000, b" " * (discovery.MAX_DOCUMENT_BYTES + 1)]
)
async def test_refuses_documents_that_are_none(body: bytes):
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, content=body)))
    with pytest.raises(DiscoveryRefused):
        await discovery.authorization_server(client, ISSUER)


async def test_a_server_that_asks_for_no_token_has_no_challenge():
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200)))
    assert await discovery.challenge_of(client, SERVER) is None
