import pytest
from jinja2 import UndefinedError

from deputize.authority.signon import assets
from deputize.authority.signon.languages import language
from deputize.authority.signon.pages import Page, Problem, render

LOGIN = {"agent_name": "MCP <Tutorial>", "csrf": "token", "step": "LOGIN", "username": ""}


def html(page, locale="en", **options):
    return render(page, language(locale), **options).body.decode()


def test_values_are_escaped():
    assert "MCP &lt;Tutorial&gt;" in html(Page("login.html", LOGIN))


def test_a_page_says_its_language():
    assert '<html lang="ja" dir="ltr">' in html(Page("login.html", LOGIN), "ja")


def test_problems_are_announced_and_lead_to_their_field():
    page = html(
        Page("login.html", LOGIN | {"username": "demouser"}, (Problem("Enter your password", "password"),))
    )
    assert 'role="alert"' in page
    assert '<a href="#password">Enter your password</a>' in page
    assert page.count('aria-invalid="true"') == 2
    assert "<title>Problem: Sign on" in page


def test_a_missing_value_is_a_bug_not_an_empty_page():
    with pytest.raises(UndefinedError):
        html(Page("login.html", {}))


def test_pages_are_fenced_in():
    headers = render(
        Page("signed_off.html", {"refusal": None}), language("en"), form_sources=("http:",)
    ).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' http:; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_nothing_is_inline():
    page = html(Page("login.html", LOGIN))
    assert "<script" not in page
    assert "<style" not in page
    assert "style=" not in page


@pytest.mark.parametrize("name", assets.ASSETS)
def test_assets_change_address_with_their_content(name):
    assert assets.address(name) == f"/assets/{name}?v={assets.asset(name).version}"
    assert assets.asset(name).content
