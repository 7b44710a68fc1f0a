from http.cookiejar import CookieJar
from urllib.request import Request

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.endpoint import EndpointCall
from deputize.authority.signon.responses import form_sources
from deputize.http.messages import Body
from deputize.oauth.redirect_uris import (
    MAX_LENGTH,
    is_on_device,
    is_registered,
    receives_cookies,
    registration_refusal,
)
from support.authority import head_of

LOCAL = "http://localhost:3000/callback"


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        (LOCAL, LOCAL),
        (LOCAL, "http://localhost:51234/callback"),
        (LOCAL, "http://localhost/callback"),
        ("http://localhost/callback", "http://localhost:1/callback"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65535/cb"),
        ("http://[::1]:80/cb?a=b", "http://[::1]:9/cb?a=b"),
        ("http://localhost", "http://localhost:7"),
        ("https://app.example/cb", "https://app.example/cb"),
        ("com.example.app:/cb", "com.example.app:/cb"),
    ],
)
def test_registered(registered, requested):
    assert is_registered(["https://x.example/", registered], requested)


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        (LOCAL, "http://localhost:3000/callback/"),
        (LOCAL, "http://localhost:3000/Callback"),
        (LOCAL, "http://localhost:3000/callback?x=1"),
        (LOCAL, "http://localhost:3000/callback#x"),
        (LOCAL, "http://127.0.0.1:3000/callback"),
        (LOCAL, "https://localhost:3000/callback"),
        (LOCAL, "http://LOCALHOST:3000/callback"),
        (LOCAL, "http://localhost:0/callback"),
        (LOCAL, "http://localhost:080/callback"),
        (LOCAL, "http://localhost:65536/callback"),
        (LOCAL, "http://localhost:123456/callback"),
        (LOCAL, "http://localhost:/callback"),
        (LOCAL, "http://localhost:3000:80/callback"),
        (LOCAL, "http://localhost.evil.example:3000/callback"),
        (LOCAL, "http://evil.example:3000/callback"),
        (LOCAL, "http://user@localhost:3000/callback"),
        (LOCAL, "http://localhost:3000@evil.example/callback"),
        (LOCAL, "http://localhost:3000\\@evil.example/callback"),
        (LOCAL, "http://localhost:３０００/callback"),
        (LOCAL, "http://localhost:3000/callback\n"),
        (LOCAL, " http://localhost:3000/callback"),
        (LOCAL, "http://localhost:3000/call%62ack"),
        (LOCAL, "http://localhost:3000/x/../callback"),
        ("https://app.example/cb", "https://app.example:8443/cb"),
        ("https://app.example/cb", "https://app.example/cb/../evil"),
        ("https://localhost/cb", "https://localhost:5/cb"),
        ("http://localhost/cb", "http://localhost:5/cb" + "x" * MAX_LENGTH),
    ],
)
def test_not_registered(registered, requested):
    assert not is_registered([registered], requested)


def test_nothing_is_registered_for_nobody():
    assert not is_registered([], LOCAL)


@pytest.mark.parametrize(
    "uri",
    [
        LOCAL,
        "http://127.0.0.1/",
        "http://[::1]/cb",
        "https://app.example/cb?x=1",
        "com.example.app:/cb",
        "com.example.app://cb",
    ],
)
def test_may_be_registered(uri):
    assert registration_refusal(uri) is None


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://app.example/cb", "only a loopback host"),
        ("https://*.example/cb", "wildcards"),
        ("https://app.example/cb#x", "fragment"),
        ("https://u:p@app.example/cb", "user information"),
        ("https:///cb", "names no host"),
        ("javascript:alert(1)", "scheme"),
        ("data:text/html,x", "scheme"),
        ("myapp:/cb", "scheme"),
        ("/cb", "scheme"),
        ("https://app.example:port/cb", "not a URI"),
        ("https://[::1/cb", "not a URI"),
        ("https://app.example\\cb", "plain URI"),
        ("https://app.example/c b", "plain URI"),
        ("https://äpp.example/", "plain URI"),
        ("", "plain URI"),
        ("https://app.example/" + "x" * MAX_LENGTH, "plain URI"),
    ],
)
def test_may_not_be_registered(uri, reason):
    assert reason in registration_refusal(uri)


HTTP, HTTPS = "http://localhost:9080/env/as", "https://auth.example/env/as"


@pytest.mark.parametrize(
    ("uri", "issuer"),
    [
        ("http://localhost:3000/env/callback", HTTP),
        ("http://localhost/env/", HTTP),
        ("http://LOCALHOST:3000/env/callback", HTTP),
        ("https://localhost:3000/env/callback", HTTP),
        ("http://localhost:3000/x/../env/callback", HTTP),
        ("http://localhost:3000/x/%2E%2e/env/callback", HTTP),
        ("http://[::1]:3000/env/callback", "http://[::1]:9080/env/as"),
        ("http://[0:0:0:0:0:0:0:1]:3000/env/callback", "http://[::1]:9080/env/as"),
        ("https://auth.example/callback", HTTPS),
        ("https://auth.example:8443/callback", HTTPS),
        ("https://AUTH.example:8443", HTTPS),
        ("http://localhost:3000/callback", "https://localhost/env/as"),
    ],
)
def test_callbacks_that_browsers_would_send_the_session_cookie(uri, issuer):
    assert receives_cookies(uri, issuer)


@pytest.mark.parametrize(
    ("uri", "issuer"),
    [
        ("http://localhost:3000/callback", HTTP),
        ("http://localhost:3000", HTTP),
        ("http://localhost:3000/environment/callback", HTTP),
        ("http://localhost:3000/ENV/callback", HTTP),
        ("http://127.0.0.1:3000/env/callback", HTTP),
        ("com.example.app:/env/cb", HTTP),
        ("https://app.example/env/cb", HTTPS),
        ("https://app.auth.example/env/cb", HTTPS),
    ],
)
def test_callbacks_that_never_see_it(uri, issuer):
    assert not receives_cookies(uri, issuer)


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "0x7f000001",
        "2130706433",
        "0x7f.1",
        "127.0.0.01",
        "1%327.0.0.1",
        "app.example.0x1",
        "10.0.0.1.",
    ],
)
def test_hosts_that_browsers_read_as_another_one_are_not_registered(host):
    assert registration_refusal(f"https://{host}/cb")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "app.example", "1app.example", "[::1]", "xn--bcher-kva.example"]
)
def test_hosts_that_mean_what_they_say_are(host):
    assert registration_refusal(f"https://{host}/cb") is None


PIECES = st.lists(
    st.sampled_from(["env", "as", "x", "environment", "Env", "..", ".", "%2e%2E", ""]), max_size=4
).map("/".join)


@given(
    st.sampled_from(["http", "https"]),
    st.sampled_from(["localhost", "LocalHost", "127.0.0.1"]),
    st.integers(1, 65535),
    PIECES,
)
def test_whoever_would_be_sent_the_cookie_is_told_apart(scheme, host, port, path):
    uri, jar = f"{scheme}://{host}:{port}/{path}", CookieJar()
    set_here = httpx2.Response(
        200,
        headers={"Set-Cookie": "s=1; Path=/env/"},
        request=httpx2.Request("GET", "http://localhost:9080/env/as"),
    )
    jar.extract_cookies(
        httpx2.Cookies._CookieCompatResponse(set_here), httpx2.Cookies._CookieCompatRequest(set_here.request)
    )
    sent = Request(str(httpx2.URL(uri)))
    jar.add_cookie_header(sent)
    assert receives_cookies(uri, HTTP) or not sent.has_header("Cookie")


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "localhost.", "app.localhost", "app.localhost."),
        *("127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "[::1]", "[::]"),
    ],
)
def test_programs_on_the_device_are_recognised_by_any_name_of_it(host):
    assert is_on_device(f"https://{host}:8443/cb")


@pytest.mark.parametrize("host", ["localhost.example", "127.0.0.1.example", "notlocalhost", "8.8.8.8"])
def test_what_only_looks_like_the_device_is_somebody_s_site(host):
    assert not is_on_device(f"https://{host}/cb")


CALL = EndpointCall(head_of(), Body(b""), None, None, 0.0, "")


@pytest.mark.parametrize("host", ["e;sandbox", "a,b", "'self'", "x!y", "a=b", "(x)", "a&b", "$", "~"])
def test_a_host_with_a_meaning_in_a_page_s_policy_is_not_registered(host):
    assert "has a host" in registration_refusal(f"https://{host}/cb")


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30))
def test_whatever_is_registered_adds_one_source_to_the_policy_and_nothing_else(text):
    for uri in (f"https://{text}", f"http://localhost{text}", f"{text}"):
        if registration_refusal(uri) is None:
            (source,) = form_sources(CALL, uri)
            assert not set(source) & set(" ;,'\"*")
