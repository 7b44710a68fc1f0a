import string

import pytest

from deputize.authority.signon.languages import LOCALES, direction, language


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_says_everything_with_the_same_placeholders(locale):
    english, other = language("en").texts, language(locale).texts
    assert list(other) == list(english)
    assert {name: placeholders(text) for name, text in other.items()} == {
        name: placeholders(text) for name, text in english.items()
    }
    assert all(text.strip() for text in other.values())


def test_placeholders_are_filled_and_values_are_not_formats():
    assert language("en").text("agreement.title", agent="{x}") == "Let {x} act for you?"


@pytest.mark.parametrize(
    ("locale", "expected"), [("en", "ltr"), ("ar-EG", "rtl"), ("he", "rtl"), ("ja", "ltr"), ("AR", "rtl")]
)
def test_direction(locale, expected):
    assert direction(locale) == expected
