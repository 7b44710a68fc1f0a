import pytest

from support.agent_delegation import ENVIRONMENT_ID
from support.authority import running_authority

METADATA = [
    f"/{ENVIRONMENT_ID}/as/.well-known/openid-configuration",
    f"/{ENVIRONMENT_ID}/as/.well-known/oauth-authorization-server",
    f"/.well-known/openid-configuration/{ENVIRONMENT_ID}/as",
    f"/.well-known/oauth-authorization-server/{ENVIRONMENT_ID}/as",
]


@pytest.fixture
async def http(authority):
    async with authority.client() as client:
        yield client


@pytest.mark.parametrize("path", METADATA)
async def test_metadata_is_found_wherever_clients_look(authority, http, path):
    response = await http.get(path, headers={"Host": "evil.example", "Origin": "https://inspector.example"})
    assert response.json()["issuer"] == authority.issuer
    assert response.json()["token_endpoint"] == f"{authority.issuer}/token"
    assert response.headers["access-control-allow-origin"] == "*"
    assert "evil" not in response.text


@pytest.mark.parametrize("path", [METADATA[0], f"/{ENVIRONMENT_ID}/as/jwks"])
async def test_browsers_may_ask_with_headers_of_their_own(http, path):
    response = await http.options(path, headers={"Origin": "https://x.example", "Access-Control-Request-Headers": "mcp-protocol-version"})
    assert response.status_code == 204
    assert response.headers["access-control-allow-headers"] == "*"


@pytest.mark.parametrize("endpoint", ["token", "introspect", "userinfo", "authorize"])
async def test_nothing_secret_is_readable_across_origins(http, endpoint):
    response = await http.options(f"/{ENVIRONMENT_ID}/as/{endpoint}", headers={"Origin": "https://x.example"})
    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers


async def test_keys_are_published_without_their_secret(http):
    keys = (await http.get(f"/{ENVIRONMENT_ID}/as/jwks")).json()["keys"]
    assert [key["kid"] for key in keys] == ["k1", "k2"]
    assert all("d" not in key for key in keys)


@pytest.mark.parametrize("path", ["/unknown/as/jwks", "/nothing", "/assets/../pages.py", "/assets/secrets"])
async def test_what_is_not_there_is_404_in_json(http, path):
    response = await http.get(path)
    assert response.status_code == 404
    assert response.json()["error"] == "not_found"


async def test_a_wrong_method_says_which_are_right(http):
    response = await http.get(f"/{ENVIRONMENT_ID}/as/token")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


async def test_health(authority, http, monkeypatch):
    assert (await http.get("/health/live")).json() == {"status": "live"}
    assert (await http.get("/health/ready")).json() == {"status": "ready"}

    async def fail(*_arguments):
        raise OSError

    monkeypatch.setattr(type(authority.store.sessions), "find_session", fail)
    assert (await http.get("/health/ready")).status_code == 503


async def test_a_bug_is_an_error_without_a_trace_of_it(authority, http, monkeypatch):
    monkeypatch.setattr(authority.clock, "now", lambda: 1 / 0)
    response = await http.get(f"/{ENVIRONMENT_ID}/as/jwks")
    assert response.status_code == 500
    assert response.json()["error"] == "server_error"
    assert "division" not in response.text


@pytest.mark.parametrize(("name", "kind"), [("signon.css", "text/css; charset=utf-8"), ("logo.svg", "image/svg+xml")])
async def test_assets(http, name, kind):
    response = await http.get(f"/assets/{name}")
    assert response.headers["content-type"] == kind
    assert "immutable" in response.headers["cache-control"]


async def test_over_https_cookies_are_host_bound(tmp_path):
    async with running_authority(tmp_path, "https://authority.test") as secure, secure.client() as client:
        response = await client.get(secure.authorize_url())
    assert response.headers["set-cookie"].startswith("__Host-deputize-browser=")
    assert response.headers["strict-transport-security"] == "max-age=31536000"
