import pytest
from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.signon.cookies import Cookies


def browser(cookie):
    return Request({"type": "http", "method": "GET", "headers": [(b"cookie", cookie.encode())]})


def set_cookies(response):
    return [value.decode() for name, value in response.raw_headers if name == b"set-cookie"]


def test_over_https_no_other_host_can_set_or_read_them():
    response = Response()
    Cookies(secure=True).set_session(response, "env", "value", 60)
    (cookie,) = set_cookies(response)
    assert cookie.startswith("__Host-deputize-session-env=value;")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax", "Max-Age=60"} <= set(cookie.split("; "))
    assert "domain" not in cookie.lower()


def test_over_http_the_prefix_and_secure_would_lose_them():
    response = Response()
    Cookies(secure=False).set_browser(response, "value")
    (cookie,) = set_cookies(response)
    assert cookie.startswith("deputize-browser=value;")
    assert "Secure" not in cookie
    assert "Max-Age" not in cookie


def test_a_session_belongs_to_one_environment():
    cookies = Cookies(secure=False)
    request = browser("deputize-session-one=1; deputize-browser=b")
    assert cookies.session(request, "one") == "1"
    assert cookies.session(request, "two") is None
    assert cookies.browser(request) == "b"


def test_clearing_ends_the_cookie_at_once():
    response = Response()
    Cookies(secure=True).clear_session(response, "env")
    assert "Max-Age=0" in set_cookies(response)[0]


@pytest.mark.parametrize("secure", [True, False])
def test_nothing_is_found_in_a_browser_without_cookies(secure):
    assert Cookies(secure=secure).browser(browser("")) is None
