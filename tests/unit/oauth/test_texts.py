from dataclasses import replace

import pytest

from deputize.oauth.texts import MAX_LANGUAGES, choose_text, parse_accept_language
from support.agent_delegation import AGREEMENT, TEXT


def agreement_in(*locales):
    return replace(AGREEMENT, texts=tuple(replace(TEXT, locale=locale) for locale in locales))


def locale_for(agreement, preferred=None, browser=(), default="en"):
    text = choose_text(agreement, preferred, browser, default)
    return text and text.locale


@pytest.mark.parametrize(
    ("preferred", "browser", "chosen"),
    [
        ("fr", ("de",), "fr"),
        (None, ("de", "fr"), "de"),
        ("fr-CA", (), "fr"),
        ("FR-ca", (), "fr"),
        ("it", ("sv", "de-AT"), "de"),
        ("it", ("sv",), "en"),
        (None, (), "en"),
        ("pt-PT", (), "en"),
        ("pt-BR", (), "pt-BR"),
        ("pt", (), "en"),
        ("zh-Hant-TW", (), "zh-Hant"),
        ("", ("",), "en"),
    ],
)
def test_user_then_browser_then_environment_with_fallback_to_the_bare_language(preferred, browser, chosen):
    assert locale_for(agreement_in("en", "fr", "de", "pt-BR", "zh-Hant"), preferred, browser) == chosen


def test_a_preferred_language_wins_over_an_exact_match_of_the_browser():
    assert locale_for(agreement_in("en", "fr"), "fr-CA", ("en",)) == "fr"


def test_disabled_texts_are_not_shown():
    texts = (replace(TEXT, locale="fr", enabled=False), TEXT)
    assert locale_for(replace(AGREEMENT, texts=texts), "fr") == "en"


def test_any_enabled_text_is_better_than_none():
    assert locale_for(agreement_in("ja"), "fr") == "ja"
    assert locale_for(replace(AGREEMENT, texts=(replace(TEXT, enabled=False),))) is None


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        (None, ()),
        ("", ()),
        ("de", ("de",)),
        ("da, en-GB;q=0.8, en;q=0.7", ("da", "en-GB", "en")),
        ("en;q=0.5,fr;q=0.9,de", ("de", "fr", "en")),
        ("fr;q=0, de", ("de",)),
        ("*, en", ("en",)),
        ("en;q=nonsense, de;q=0.1", ("de",)),
        ("a" * 5000, ()),
        (",".join(["en"] * 100), ("en",) * MAX_LANGUAGES),
    ],
)
def test_accept_language(header, tags):
    assert parse_accept_language(header) == tags
