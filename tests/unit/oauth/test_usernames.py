import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.oauth.usernames import (
    canonical,
    comparison_form,
    name_refusal,
    username_refusal,
    without_hidden,
)


@pytest.mark.parametrize(
    "name",
    ["demouser", "Ada Lovelace", "ada@example.com", "müller", "山田太郎", "Ωμέγα", "иван", "a-b_c.d+e'f"],
)
def test_names_of_people(name):
    assert username_refusal(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "", " ", " ada", "ada ", "ada\u00a0", "\u3000ada", "ada  lovelace", "ada\tlovelace", "a\nb",
        "a\x7f", "a\u2028b",
        "ada\u202e", "\u2066ada", "ada\u200b", "a\u00adda", "\ufeffada", "ada\ue000", "ada\U000e0041",
        "ada\ud800", "a\u0378",
        "ada\u115f", "ada\u1160", "ada\u3164", "ada\uffa0", "a\u2800da", "ada\ufe00", "ada\ufe0f",
        "ada\u034f", "ada\U000e0100", "ada\u180b", "ada\u17b4",
        "ａｄａ", "ﬁona", "a\u0308", "аda", "pаypal", "Ωmega", "x" * 129,
    ],
)  # fmt: skip
def test_names_that_could_be_taken_for_others(name):
    assert username_refusal(name)


@pytest.mark.parametrize(
    "name", ["MCP Tutorial", "Bank & Söhne", "½ Preis…", "Яндекс Mail", "Łukasiewicz-Αθήνα", "山田 Bank"]
)
def test_names_of_things_may_have_words_of_several_scripts(name):
    assert name_refusal(name) is None


@pytest.mark.parametrize(
    "name", [" a", "a ", "a\u200bb", "a\u202eb", "a\u00a0b", "\u3164", "MCP Tut\u043erial"]
)
def test_names_of_things_that_deceive(name):
    assert name_refusal(name)


@given(st.text(st.sampled_from("ab \u00a0\u200b\u202e\u3164\t")))
def test_without_what_nobody_sees_no_name_is_refused(name):
    plain = without_hidden(name)
    assert not plain or name_refusal(plain) is None


@given(st.text())
def test_a_name_that_is_allowed_is_its_own_canonical_form(name):
    assert canonical(canonical(name)) == canonical(name)
    if username_refusal(name) is None:
        assert canonical(name) == name
        assert canonical(f"\u00a0 {name}\t") == name


@given(st.text(st.characters(categories=["L", "N", "P"])))
def test_case_makes_no_difference_to_who_is_meant(name):
    form = comparison_form(name)
    assert comparison_form(form) == form
    if len(name.upper()) == len(name) and name.upper().lower() == name.lower():
        assert comparison_form(name.casefold()) == form
