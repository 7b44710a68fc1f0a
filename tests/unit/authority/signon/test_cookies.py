from http.cookiejar import CookieJar
from urllib.request import Request as Sent

import httpx2
import pytest

from deputize.authority.signon.browser import Cookies
from deputize.http.messages import Response
from support.authority import head_of

HTTPS, HTTP = Cookies(secure=True, environment_id="env"), Cookies(secure=False, environment_id="env")


def browser(cookie):
    return head_of(headers=[(b"cookie", cookie.encode())])


def set_cookies(response):
    return response.headers.get_all("set-cookie")


def test_over_https_no_other_host_can_set_or_read_them():
    response = Response(200)
    HTTPS.set_session(response, "value", 60)
    (cookie,) = set_cookies(response)
    assert cookie.startswith("__Host-deputize-session-env=value;")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax", "Max-Age=60"} <= set(cookie.split("; "))
    assert "domain" not in cookie.lower()


def test_over_http_the_prefix_and_secure_would_lose_them_and_the_path_keeps_them_here():
    response = Response(200)
    HTTP.set_browser(response, "value")
    (cookie,) = set_cookies(response)
    assert cookie.startswith("deputize-browser=value;")
    assert "Path=/env/" in cookie.split("; ")
    assert "Secure" not in cookie
    assert "Max-Age" not in cookie


@pytest.mark.parametrize(
    "set_one",
    [lambda response: HTTP.set_session(response, "v", 60), lambda response: HTTP.set_browser(response, "v")],
)
def test_over_http_nobody_else_on_the_host_gets_them(set_one):
    response, jar = Response(200), CookieJar()
    set_one(response)
    answer = httpx2.Response(
        200, headers=response.headers.raw, request=httpx2.Request("GET", "http://localhost:9080/env/signon/f")
    )
    jar.extract_cookies(
        httpx2.Cookies._CookieCompatResponse(answer), httpx2.Cookies._CookieCompatRequest(answer.request)
    )

    def sent_to(url):
        request = Sent(url)
        jar.add_cookie_header(request)
        return request.has_header("Cookie")

    assert sent_to("http://localhost:9080/env/account")
    for url in (
        "http://localhost:3000/callback",
        "http://localhost:9080/other/account",
        "http://localhost:3000/environment",
        "http://localhost/",
    ):
        assert not sent_to(url)


def test_a_session_belongs_to_one_environment():
    request = browser("deputize-session-env=1; deputize-browser=b")
    assert HTTP.session(request) == "1"
    assert Cookies(secure=False, environment_id="two").session(request) is None
    assert HTTP.browser(request) == "b"


def test_a_neighbour_s_cookie_for_the_whole_host_does_not_replace_ours():
    assert HTTP.session(browser("deputize-session-env=ours; deputize-session-env=theirs")) == "ours"


def test_clearing_ends_the_cookie_at_once():
    response = Response(200)
    HTTPS.clear_session(response)
    assert "Max-Age=0" in set_cookies(response)[0]
    assert HTTPS.session(browser("__Host-deputize-session-env=")) is None


@pytest.mark.parametrize("cookies", [HTTP, HTTPS])
def test_nothing_is_found_in_a_browser_without_cookies(cookies):
    assert cookies.browser(browser("")) is None
