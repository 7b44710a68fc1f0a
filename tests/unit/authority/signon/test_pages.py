import string

import pytest
from jinja2 import UndefinedError

from deputize.authority.my.sections import SECTIONS
from deputize.authority.signon.pages import (
    ASSETS,
    LOCALES,
    Page,
    Problem,
    asset,
    asset_address,
    direction,
    language,
    read_step_texts,
    render,
    step_language,
)
from deputize.authority.signon.steps import STEPS
from deputize.authority.signon.steps.destination import DESTINATION
from deputize.authority.signon.steps.login import LOGIN

LOGIN_VALUES = {
    "agent_name": "MCP <Tutorial>",
    "purpose": "agent",
    "stranger": None,
    "csrf": "token",
    "step": "LOGIN",
    "username": "",
    "passkey_options": "",
    "providers": (),
}


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def check_translation(english, other):
    assert list(other) == list(english)
    assert {name: placeholders(text) for name, text in other.items()} == {
        name: placeholders(text) for name, text in english.items()
    }
    assert all(text.strip() for text in other.values())


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_says_everything_with_the_same_placeholders(locale):
    check_translation(language("en").texts, language(locale).texts)
    for part in (*STEPS.own, DESTINATION, *SECTIONS):
        texts = read_step_texts(part.package, part.name)
        assert locale in texts, (
            f"{part.name}.toml has no table [{locale}]: what is in this tree speaks {', '.join(LOCALES)}"
        )
        check_translation(texts["en"], texts[locale])


def test_placeholders_are_filled_and_values_are_not_formats():
    texts = step_language("en", LOGIN.package, "agreement_prompt")
    assert texts.text("agreement_prompt.title", agent="{x}") == "Let {x} act for you?"


@pytest.mark.parametrize(
    ("locale", "expected"), [("en", "ltr"), ("ar-EG", "rtl"), ("he", "rtl"), ("ja", "ltr"), ("AR", "rtl")]
)
def test_direction(locale, expected):
    assert direction(locale) == expected


def login_html(values=LOGIN_VALUES, problems=(), locale="en"):
    page = Page(f"{LOGIN.package}/login.html", values, problems)
    return render(page, step_language(locale, LOGIN.package, LOGIN.name)).body.buffered.decode()


def test_values_are_escaped():
    assert "MCP &lt;Tutorial&gt;" in login_html()


def test_a_page_says_its_language():
    assert '<html lang="ja" dir="ltr">' in login_html(locale="ja")


def test_problems_are_announced_and_lead_to_their_field():
    page = login_html(LOGIN_VALUES | {"username": "demouser"}, (Problem("Enter your password", "password"),))
    assert 'role="alert"' in page
    assert '<a href="#password">Enter your password</a>' in page
    assert page.count('aria-invalid="true"') == 2
    assert "<title>Problem: Sign on" in page


def test_a_missing_value_is_a_bug_not_an_empty_page():
    with pytest.raises(UndefinedError):
        login_html({})


def test_pages_are_fenced_in():
    headers = render(
        Page("signed_off.html", {"refusal": None}), language("en"), form_sources=("http:",)
    ).headers
    assert headers.get("content-security-policy") == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' http:; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    assert headers.get("x-frame-options") == "DENY"
    assert headers.get("referrer-policy") == "no-referrer"
    assert headers.get("cache-control") == "no-store"


def test_nothing_is_inline():
    page = login_html()
    assert "<script" not in page
    assert "<style" not in page
    assert "style=" not in page


@pytest.mark.parametrize("name", ASSETS)
def test_assets_change_address_with_their_content(name):
    assert asset_address(name) == f"/assets/{name}?v={asset(name).version}"
    assert asset(name).content
