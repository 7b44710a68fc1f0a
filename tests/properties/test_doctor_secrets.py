"""The doctor sends secrets to the issuer's own origin only, and shows nothing that looks like one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deputize.diagnosis import causes
from deputize.diagnosis.browser import Browser
from deputize.diagnosis.case import Case, KnownSecret, ObtainedToken, Options, origin_of
from deputize.diagnosis.findings import Found, safe
from deputize.diagnosis.web import Web, keeps_secrets
from deputize.kernel.clock import SystemClock
from deputize.kernel.uris import parse_origin
from deputize.oauth.client_auth.client_secret_basic import find_credentials

ISSUER = "https://auth.example/env/as"
HOSTS = st.sampled_from(
    ["auth.example", "auth.example.evil.test", "evil.test", "localhost", "AUTH.example", "[::1]"]
)
URLS = st.builds(
    "{}://{}{}{}/env/as/token".format,
    st.sampled_from(["https", "http", "ftp", ""]),
    st.sampled_from(["", "auth.example@", "user:pw@"]),
    HOSTS,
    st.sampled_from(["", ":443", ":8443", ":80", ":x"]),
)


def case_for(issuer, endpoints):
    web = Web(None, "https://gateway.example/mcp")
    options = Options(issuer, "https://gateway.example/mcp", KnownSecret("id", "secret"))
    case = Case(options, web, SystemClock(), print, Browser(web, issuer))
    case.endpoints = endpoints
    return case


@given(url=URLS)
@example(url="https://auth.example/env/as/token")
@example(url="https://evil.test/env/as/token")
def test_an_endpoint_is_used_only_on_the_issuers_origin(url):
    case = case_for(ISSUER, {"token_endpoint": url})
    try:
        used = case.endpoint("token_endpoint")
    except Found:
        assert origin_of(url) != parse_origin(ISSUER)
    else:
        assert (used, origin_of(url)) == (url, parse_origin(ISSUER))


@pytest.mark.parametrize(
    ("issuer", "may"),
    [
        ("http://auth.example/env/as", False),
        ("http://localhost:9080/env/as", True),
        ("https://auth.example/env/as", True),
        ("http://localhost.evil.test/env/as", False),
    ],
)
def test_nothing_secret_leaves_the_machine_in_clear_text(issuer, may):
    assert keeps_secrets(parse_origin(issuer)) is may
    case = case_for(issuer, {"token_endpoint": f"{issuer}/token"})
    if may:
        assert case.endpoint("token_endpoint") == f"{issuer}/token"
    else:
        with pytest.raises(Found) as found:
            case.endpoint("token_endpoint")
        assert found.value.cause is causes.CLEAR_TEXT


@given(text=st.text(max_size=2000))
@example(text="\x1b[31mred\r\nok  everything is fine")
def test_what_others_say_is_one_short_printable_line(text):
    shown = safe(text)
    assert "\n" not in shown
    assert "\r" not in shown
    assert "\x1b" not in shown
    assert len(shown) <= 512 * 10


@given(secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64))
def test_basic_credentials_are_read_back_as_they_were(secret):
    _, value = KnownSecret("an-id", secret).basic()
    found = find_credentials(value.decode(), {})
    assert (found.client_id, found.secret) == ("an-id", secret)


def test_errors_do_not_show_what_is_held():
    held = (KnownSecret("an-id", "a-secret"), ObtainedToken("a-token", {"sub": "x"}))
    assert repr(held) == "(KnownSecret('an-id'), ObtainedToken())"
