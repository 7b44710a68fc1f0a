import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.kernel import strict_json
from deputize.kernel.strict_json import JsonError

SAFE_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-strict_json.MAX_SAFE_INTEGER, strict_json.MAX_SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(SAFE_JSON, st.booleans())
def test_reads_what_every_parser_reads_alike(value, escaped):
    assert strict_json.loads(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.binary(max_size=64))
def test_arbitrary_bytes_are_a_value_or_the_one_error(text):
    try:
        strict_json.loads(text)
    except JsonError:
        return
    json.loads(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a":1,"a":2}', "stands twice"),
        (b'[{"x":{"b":1,"c":2,"b":3}}]', "'b' stands twice"),
        (b"\xef\xbb\xbf{}", "byte-order mark"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b'{"a":NaN}', "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b"[1e999]", "out of range"),
        (b"[12345678901234567890123]", "2\\^53"),
        (b"[9007199254740992]", "2\\^53"),
        (b'"\\ud800"', "lone surrogate"),
        (b'{"a":"x\\udc00"}', "lone surrogate"),
        (b"", "Expecting value"),
        (b"{} {}", "Extra data"),
        (b"[1,]", "line 1 column"),
    ],
)
def test_refuses_what_parsers_read_differently(text, reason):
    with pytest.raises(JsonError, match=reason):
        strict_json.loads(text)


def test_depth_is_limited_however_it_is_reached():
    with pytest.raises(JsonError, match="deeper than 64"):
        strict_json.loads(b"[" * 100_000)
    with pytest.raises(JsonError, match="deeper than 64"):
        strict_json.loads(b'{"a":' * 65 + b"1" + b"}" * 65)
    assert strict_json.loads(b"[" * 64 + b"]" * 64)


def test_brackets_in_strings_do_not_count_as_depth():
    text = json.dumps(['[{"\\' * 200]).encode()
    assert strict_json.loads(text) == ['[{"\\' * 200]


def test_size_is_limited():
    with pytest.raises(JsonError, match="larger than 8 bytes"):
        strict_json.loads(b'"12345678"', max_size=8)


def test_a_surrogate_pair_is_one_character():
    assert strict_json.loads(b'"\\ud83d\\ude00"') == "\U0001f600"
