"""Whatever the text, the quick way of reading JSON comes to what the exact one does, word for word."""

from decimal import Decimal, localcontext
from math import nextafter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.kernel import strict_json
from deputize.kernel.strict_json import JsonError
from support.json_texts import BROKEN_PIECES, NAMES, NO_VALUES, NUMBERS, PIECES, random_text


def outcome(decode, text, *limits):
    """The value with the type and sign of every number in it, or the words of the refusal."""
    try:
        return repr(decode(text, *limits))
    except JsonError as error:
        return error.args


def exactly(text):
    return outcome(strict_json._loads_exactly, text, strict_json.MAX_DEPTH)


def quickly(text):
    return outcome(strict_json.loads, text)


STRINGS = st.lists(st.sampled_from((*PIECES, *BROKEN_PIECES)) | st.characters(), max_size=4).map(
    lambda pieces: '"' + "".join(pieces) + '"'
)
NAMED = st.sampled_from(NAMES) | STRINGS
SCALARS = (
    st.sampled_from((*NUMBERS, *NO_VALUES, "true", "false", "null"))
    | st.from_regex(r"-?(0|[1-9][0-9]{0,140})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
    | STRINGS
)
TEXTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: "[" + ", ".join(items) + "]")
        | st.lists(st.tuples(NAMED, inner), max_size=4).map(
            lambda members: "{" + ",".join(f"{name} :{value}" for name, value in members) + "}"
        )
    ),
    max_leaves=10,
).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(TEXTS)
def test_both_ways_agree_on_any_text(text):
    assert quickly(text) == exactly(text)


@given(TEXTS, st.integers(0, 300), st.binary(max_size=4), st.integers(0, 4))
def test_both_ways_agree_on_any_text_with_a_fault(text, position, inserted, removed):
    text = text[:position] + inserted + text[position + removed :]
    assert quickly(text) == exactly(text)


@given(st.binary(max_size=40))
def test_both_ways_agree_on_any_bytes(text):
    assert quickly(text) == exactly(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_both_ways_agree_on_halves_between_floats(number):
    """Where rounding is hardest: the decimal expansion of a value halfway between two floats."""
    with localcontext() as context:
        context.prec = 2000
        between = (Decimal(number) + Decimal(nextafter(number, 0.0))) / 2
        for digits in (f"{between:f}", f"{between:f}1", f"{between:e}"):
            text = digits.encode()
            assert quickly(text) == exactly(text)


@pytest.mark.parametrize("cases", [2_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_both_ways_agree_on_many_texts(cases):
    random = Random(7)
    accepted = 0
    for _ in range(cases):
        text = random_text(random)
        found = quickly(text)
        assert found == exactly(text), text
        accepted += isinstance(found, str)
    assert cases * 0.2 < accepted < cases * 0.8, "neither what is accepted nor what is refused is seldom"
