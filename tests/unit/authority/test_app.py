import pytest
from structlog.testing import capture_logs

from deputize.authority.dead_ends import wants_page
from deputize.authority.endpoint import EndpointCall
from deputize.authority.endpoints import ENDPOINTS
from deputize.http.exchange import Exchange
from deputize.http.messages import Body
from deputize.http.plans.plan import Run
from deputize.kernel.ids import is_id
from deputize.kernel.uris import Target
from deputize.oauth.consents import AgreementMissing
from deputize.oauth.records.directory import Directory
from support.agent_delegation import ENVIRONMENT_ID
from support.authority import basic, head_of, running_authority

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
    response = await http.options(
        path,
        headers={"Origin": "https://x.example", "Access-Control-Request-Headers": "mcp-protocol-version"},
    )
    assert response.status_code == 204
    allowed = response.headers["access-control-allow-headers"].split(", ")
    assert {"*", "Authorization", "DPoP", "MCP-Protocol-Version"} <= {*allowed}
    assert response.headers["access-control-allow-methods"] == "GET"


async def test_the_root_leads_browsers_to_the_console_and_programs_nowhere(http):
    led = await http.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (led.status_code, led.headers["location"]) == (303, "/console")
    assert (await http.get("/", headers={"Accept": "application/json"})).status_code == 404


@pytest.mark.parametrize("endpoint", ["token", "par", "userinfo", "revoke"])
async def test_programs_that_are_web_pages_may_call_what_takes_no_cookie(http, endpoint):
    path, origin = f"/{ENVIRONMENT_ID}/as/{endpoint}", {"Origin": "https://x.example"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,dpop"}
    preflight = await http.options(path, headers={**origin, **asked})
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
    refused = await http.post(path, headers=origin)
    assert refused.status_code in {400, 401}
    for response in (preflight, refused):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers
    assert {"WWW-Authenticate", "DPoP-Nonce"} <= {
        *refused.headers["access-control-expose-headers"].split(", ")
    }


def test_no_endpoint_that_reads_a_cookie_is_open_to_other_origins():
    """Pages, and what sends browsers to them, tell by the cookie who is there."""
    open_ones = {path for each in ENDPOINTS if each.cross_origin for path in each.paths}
    assert all("/as/" in path or "/.well-known/" in path for path in open_ones)
    closed = {f"/{{environment}}/as/{name}" for name in ("authorize", "signoff", "introspect")}
    assert not closed & open_ones


@pytest.mark.parametrize("endpoint", ["introspect", "authorize", "signoff"])
async def test_nothing_secret_is_readable_across_origins(http, endpoint):
    response = await http.options(f"/{ENVIRONMENT_ID}/as/{endpoint}", headers={"Origin": "https://x.example"})
    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers


async def test_keys_are_published_without_their_secret(http):
    keys = (await http.get(f"/{ENVIRONMENT_ID}/as/jwks")).json()["keys"]
    assert [key["kid"] for key in keys] == ["k1", "k2", "k3", "k4"]
    assert all("d" not in key for key in keys)


@pytest.mark.parametrize("path", ["/unknown/as/jwks", "/nothing", "/assets/../pages.py", "/assets/secrets"])
async def test_what_is_not_there_is_404_in_json(http, path):
    response = await http.get(path)
    assert response.status_code == 404
    assert response.json()["error"] == "not_found"


HTML = "text/html; charset=utf-8"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    "path",
    ["/unknown", "/unknown/as/jwks", f"/{ENVIRONMENT_ID}", f"/{ENVIRONMENT_ID}/nothing", "/unknown/account"],
)
async def test_people_get_a_page_where_there_is_nothing(http, path):
    response = await http.get(path, headers={"Accept": BROWSER, "Accept-Language": "de"})
    assert response.status_code == 404
    assert response.headers["content-type"] == HTML
    assert "Hier ist keine Seite" in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


async def test_people_get_a_page_for_whatever_goes_wrong(authority, http, monkeypatch):
    wrong_method = await http.get(f"/{ENVIRONMENT_ID}/as/token", headers={"Accept": BROWSER})
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "OPTIONS, POST")
    monkeypatch.setattr(authority.clock, "now", lambda: 1 / 0)
    bug = await http.get(f"/{ENVIRONMENT_ID}/account", headers={"Accept": BROWSER})
    assert bug.status_code == 500
    for response in (wrong_method, bug):
        assert "<h1>This cannot continue</h1>" in response.text


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("application/json;q=0.5, text/html;q=0.9", True),
        ("text/html;q=0.5, application/json", False),
        ("application/json, text/html", False),
        ("text/html;q=0", False),
        ("text/html;q=x", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_who_wants_a_page(accept, page):
    assert wants_page(accept) == page


async def test_a_wrong_method_says_which_are_right(http):
    response = await http.get(f"/{ENVIRONMENT_ID}/as/token")
    assert response.status_code == 405
    assert response.headers["allow"] == "OPTIONS, POST"


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


@pytest.mark.parametrize(
    ("name", "kind"), [("signon.css", "text/css; charset=utf-8"), ("logo.svg", "image/svg+xml")]
)
async def test_assets(http, name, kind):
    response = await http.get(f"/assets/{name}")
    assert response.headers["content-type"] == kind
    assert "immutable" in response.headers["cache-control"]


async def test_over_https_cookies_are_host_bound(tmp_path):
    async with running_authority(tmp_path, "https://authority.test") as secure, secure.client() as client:
        response = await client.get(secure.authorize_url())
    assert response.headers["set-cookie"].startswith("__Host-deputize-browser=")
    assert response.headers["strict-transport-security"] == "max-age=31536000"


async def test_every_response_says_nosniff_and_over_https_to_keep_to_it(http, tmp_path):
    for path in ("/health/live", "/nothing"):
        headers = (await http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" not in headers
    async with running_authority(tmp_path, "https://authority.test") as secure, secure.client() as client:
        assert (await client.get("/nothing")).headers["strict-transport-security"] == "max-age=31536000"


async def test_one_log_line_a_request_without_its_query(http):
    with capture_logs() as lines:
        await http.get("/health/live%C2%85?code=hidden")
    (line,) = lines
    assert (line["event"], line["method"], line["status"]) == ("request", "GET", 404)
    assert line["path"] == "/health/live%C2%85"
    assert is_id(line["correlation_id"])


@pytest.mark.parametrize(
    ("error", "told"),
    [(AgreementMissing("no agreement 'Terms'"), "reason"), (ValueError("ours"), "exc_info")],
)
async def test_the_log_has_a_traceback_only_of_faults_of_ours(authority, http, monkeypatch, error, told):
    def fail():
        raise error

    monkeypatch.setattr(authority.clock, "now", fail)
    with capture_logs() as lines:
        response = await http.get(f"/{ENVIRONMENT_ID}/as/jwks")
    assert response.status_code == 500
    assert {"reason", "exc_info"} & lines[0].keys() == {told}
    assert str(lines[0][told]) == str(error)


@pytest.mark.parametrize(
    "path", [f"/{ENVIRONMENT_ID}/signon/", f"/{ENVIRONMENT_ID}/signon", f"/{ENVIRONMENT_ID}/signon/a/b"]
)
async def test_a_path_has_exactly_the_segments_of_its_endpoint(http, path):
    assert (await http.get(path)).status_code == 404
    assert (await http.get(f"/{ENVIRONMENT_ID}/signon/a")).headers["content-type"] == HTML


async def test_a_new_environment_is_found_and_one_that_is_gone_is_not(authority, http):
    held = authority.directory.current
    authority.directory.current = Directory(held.version + 1, {})
    assert (await http.get(METADATA[0])).status_code == 404
    authority.directory.current = held
    assert (await http.get(METADATA[0])).status_code == 200


@pytest.mark.parametrize("path", ["/health/live", METADATA[0], f"/{ENVIRONMENT_ID}/account"])
async def test_head_is_answered_as_get_is(http, path):
    head, get = await http.head(path), await http.get(path)
    assert (head.status_code, head.headers["cache-control"]) == (
        get.status_code,
        get.headers["cache-control"],
    )


async def test_what_happened_and_the_request_are_one_log_line(http):
    with capture_logs() as lines:
        await http.post(
            f"/{ENVIRONMENT_ID}/as/token", data={"grant_type": "client_credentials"}, headers=basic()
        )
        await http.post(f"/{ENVIRONMENT_ID}/as/token", data={"grant_type": "password"}, headers=basic())
        await http.post(f"/{ENVIRONMENT_ID}/as/introspect", data={}, headers=basic())
    assert [(line["event"], line["log_level"], line["method"], line["status"]) for line in lines] == [
        ("token issued", "info", "POST", 200),
        ("token refused", "warning", "POST", 400),
        ("request refused", "warning", "POST", 400),
    ]
    assert all(line["path"].startswith(f"/{ENVIRONMENT_ID}/as/") and line["ms"] >= 0 for line in lines)
    assert len({line["correlation_id"] for line in lines}) == 3


async def test_everything_that_happens_in_a_request_is_logged_once(authority):
    call = EndpointCall(
        head_of(),
        Body(),
        authority.services,
        authority.directory.environment,
        0.0,
        "id",
    )
    with capture_logs() as lines:
        for name in ("first", "second", "third"):
            call.record(name)
        assert [line["event"] for line in lines] == ["first", "second"]
        call.happened.log(status=200)
    assert [(line["event"], line.get("status")) for line in lines] == [
        ("first", None),
        ("second", None),
        ("third", 200),
    ]


@pytest.mark.parametrize(
    ("path", "form"),
    [("token", b"grant_type=client_credentials&scope=agent"), ("introspect", b"token=x"), ("jwks", b"")],
)
async def test_programs_are_answered_before_the_event_loop_turns(authority, path, form):
    for keys in (authority.services.refresh_token_values, authority.services.lineage_seals):
        await keys.of(ENVIRONMENT_ID)  # read once
    head = head_to(path, "POST" if form else "GET")
    answers = []
    run(authority.app.plan(head), head, answers.append, form)
    (answer,) = answers
    assert answer.status == 200


async def test_a_plan_finds_what_is_at_the_path_in_the_snapshot_of_each_call(authority):
    head, answers = head_to(".well-known/openid-configuration"), []
    plan = authority.app.plan(head)
    run(plan, head, answers.append)
    authority.directory.replace(issuer="https://other.test")
    run(plan, head, answers.append)
    authority.directory.current = Directory(9, {})
    run(plan, head, answers.append)
    assert [each.status for each in answers] == [200, 200, 404]
    assert [b"https://other.test" in each.body.buffered for each in answers] == [False, True, False]


async def test_a_head_that_comes_again_is_written_with_the_fields_of_each_answer(authority):
    head, answers = head_to("introspect", "POST"), []
    plan = authority.app.plan(head)
    for form in (b"token=x", b"token=", b"token=x"):
        run(plan, head, answers.append, form)
    first, refused, third = (
        [pair for pair in each.headers.raw if pair[0] != b"Content-Length"] for each in answers
    )
    assert (b"X-Content-Type-Options", b"nosniff") in first
    assert first == third == refused
    assert [each.status for each in answers] == [200, 400, 200]
    assert [each.headers.get("content-length") for each in answers] == [
        str(each.body.length) for each in answers
    ]


def head_to(path, method="GET"):
    fields = [
        (b"Content-Type", b"application/x-www-form-urlencoded"),
        (b"Authorization", basic()["Authorization"].encode()),
    ]
    return head_of(method, fields).with_target(Target(f"/{ENVIRONMENT_ID}/as/{path}", None))


def run(plan, head, answered, form=b""):
    Run(Exchange(head, head.peer, "", 0.0, 0.0, Body(form)), answered).start(plan)
