import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.kernel import strict_json
from deputize.kernel.strict_json import JsonError

SAFE_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 10**strict_json.MAX_DIGITS, 10**strict_json.MAX_DIGITS - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text().filter(lambda name: "\0" not in name), inner, max_size=4)
    ),
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
        (b"[1" + b"0" * 128 + b"]", "more than 128 digits"),
        (b"[-" + b"9" * 129 + b"]", "more than 128 digits"),
        (b"1" * 100_000, "more than 128 digits"),
        (b'{"a\\u0000b":1}', "NUL"),
        (b'[{"x":{"\\u0000":1}}]', "NUL"),
        (b'{"a":1,"a":2,"b":"\\u0000"}', "stands twice"),
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


def test_nul_is_only_refused_in_names():
    assert strict_json.loads(b'{"a":"\\u0000"}') == {"a": "\0"}
    assert strict_json.loads(b'{"\\\\u0000":1}') == {"\\u0000": 1}


ID = frozenset({"id"})


@pytest.mark.parametrize(
    ("text", "members"),
    [
        (b'{"id":7,"x":{"a":1,"a":2}}', {"id": 7}),
        (b'{"id":"q","x":NaN}', {"id": "q"}),
        (b'{"id":7,"x":"\\ud800"}', {"id": 7}),
        (b'{"id":7,"x":' + b"[" * 80 + b"]" * 80 + b"}", {"id": 7}),
        (b'{"id":7,"x":1' + b"0" * 5000 + b"}", {"id": 7}),
        (b'{"id":1' + b"0" * 5000 + b"}", {"id": None}),
        (b'{"id":7,"id":7}', {}),
        (b'{"id":[1]}', {"id": None}),
        (b'{"id":{"a":1}}', {"id": None}),
        (b'{"id":"\\ud800"}', {"id": None}),
        (b'{"x":{"id":7}}', {}),
        (b'[["id",7]]', {}),
        (b'{"id":7', {}),
        (b'{"id":7,"x":' + b"[" * 100_000, {}),
        ("{}".encode("utf-16"), {}),
        (b"", {}),
    ],
)
def test_single_members_are_read_where_the_rest_is_refused(text, members):
    assert strict_json.loads_members(text, ID) == members


@given(st.binary(max_size=64))
def test_members_of_any_bytes(text):
    strict_json.loads_members(text, ID)


def test_members_are_not_looked_for_in_what_is_too_large():
    assert strict_json.loads_members(b'{"id":7}', ID, max_size=7) == {}
