import contextlib
import gc
import json
import math
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.kernel import strict_json
from deputize.kernel.strict_json import JsonError, dumps
from support.examples import PROFILE

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
        (b'{"a":1,"\\u0061":2}', "'a' stands twice"),
        (b'{"a":"\\u003a","a":"\\u003a"}', "'a' stands twice"),
        (b'{"a":"\\u003A","a":"\\u003A"}', "'a' stands twice"),
        (b'{"a:":1,"a\\u003a":2,"b":"\\u003A"}', "'a:' stands twice"),
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


@pytest.mark.parametrize("offset", range(70))
def test_too_long_an_integer_is_found_wherever_it_stands(offset):
    around = b'{"a":"' + b"x" * offset + b'","b":%b,"c":"' + b"1" * 127 + b'"}'
    assert strict_json.loads(around % (b"2" * 128))
    with pytest.raises(JsonError, match="more than 128 digits"):
        strict_json.loads(around % (b"2" * 129))


def test_depth_is_limited_however_it_is_reached():
    with pytest.raises(JsonError, match="deeper than 64"):
        strict_json.loads(b"[" * 100_000)
    with pytest.raises(JsonError, match="deeper than 64"):
        strict_json.loads(b'{"a":' * 65 + b"1" + b"}" * 65)
    assert strict_json.loads(b"[" * 64 + b"]" * 64)
    with pytest.raises(JsonError, match="deeper than 64"):
        strict_json.loads(b"[" * 65 + b"]" * 65)


@pytest.mark.parametrize(
    "string",
    [rb'"]"', rb'"\"]"', rb'"]\\"', rb'"\\\"]"', rb'"\\\\"', rb'"\n]"', rb'"]\"]\\"', rb'"\u0022]"'],
)
@pytest.mark.parametrize("closing", [b"]", b"[", b"{", b"}"])
def test_brackets_in_strings_make_a_text_neither_deeper_nor_flatter(string, closing):
    members = b",".join([string.replace(b"]", closing)] * 70)
    for depth in (63, 64):
        text = b"[" * depth + members + b"," + b"[]," * 3 + members + b"]" * depth
        if depth == 63:
            assert strict_json.loads(text) == json.loads(text)
        else:
            with pytest.raises(JsonError, match="deeper than 64"):
                strict_json.loads(text)


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


def test_what_is_ordinary_is_not_decoded_twice(monkeypatch):
    """The exact decoder reads what is in doubt only: else a call would pay for both."""
    monkeypatch.setattr(strict_json, "_loads_exactly", None)
    for text in (
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"at":"10:15","n":1e3}}}',
        '{"a": "x \\u00e9 \\n \\" \\\\ é 😀 \\u003c", "b": [{}, [], -0.0, 18446744073709551616, null, true]}',
        json.dumps([{"name": f"[{n}]", "at": "10:15", "of": [n, n / 7, '"\\']} for n in range(500)]),
        "[" * 64 + "]" * 64,
        '"' + "[" * 500 + '"',
        "1" * 128,
        json.dumps([10**128 - 1, {"a": 1}]),
    ):
        assert strict_json.loads(text.encode()) == json.loads(text)


HOSTILE = {
    "quotation marks": lambda size: b'"' * size,
    "backslashes": lambda size: b'"' + b"\\" * (size - 2) + b'"',
    "escaped quotation marks": lambda size: b'"' + b'\\"' * (size // 2 - 1) + b'"',
    "openings": lambda size: b"[" * size,
    "openings in a string": lambda size: b'"' + b"[{" * (size // 2 - 1) + b'"',
    "empty lists": lambda size: b"[" + b"[]," * (size // 3 - 1) + b"[]]",
    "combs": lambda size: b"[" + (b"[" * 63 + b"]" * 63 + b",") * (size // 127) + b"[]]",
    "empty strings": lambda size: b"[" + b"[]," * 70 + b'"",' * (size // 3 - 72) + b"1]",
    "colons": lambda size: b'"' + b":" * (size - 2) + b'"',
    "digits": lambda size: b"[" + (b"1" * 128 + b",") * (size // 129 - 1) + b"1]",
    "one integer": lambda size: b"1" * size,
    "one fraction": lambda size: b"1." + b"1" * (size - 2),
    "exponents": lambda size: b"[" + b"1e15," * (size // 5 - 1) + b"1]",
    "names": lambda size: b"{" + b",".join(b'"%x":1' % n for n in range(size // 9)) + b"}",
    "a name twice": lambda size: b"{" + b'"a":1,' * (size // 6 - 1) + b'"a":1}',
    "escaped colons": lambda size: b'["' + b"\\u003a" * (size // 6 - 1) + b'"]',
    "pairs": lambda size: b'"' + b"\\ud83d\\ude00" * (size // 12 - 1) + b'"',
    "halves of pairs": lambda size: b'"' + b"\\ud83d" * (size // 6 - 1) + b'"',
    "blanks": lambda size: b" " * (size - 1) + b"1",
    "nothing": lambda size: b"\0" * size,
}


def read(text):
    with contextlib.suppress(JsonError):
        strict_json.loads(text)


def count_calls(text):
    """How many functions are called, compiled ones included."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in {"call", "c_call"}

    gc.disable()  # it calls back whoever wants to know
    sys.setprofile(count)
    try:
        read(text)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def measure_memory(text):
    """How many bytes are held at most."""
    tracemalloc.start()
    try:
        read(text)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LARGEST = 2**20 if PROFILE == "short" else 2**22


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_texts_cost_no_more_a_byte_than_short_ones(kind):
    """Each compiled function reads a text once and forwards; how often they are called is counted here."""
    small, medium, large = (HOSTILE[kind](size) for size in (2**14, 2**17, LARGEST))
    assert min(len(small) / 2**14, len(medium) / 2**17, len(large) / LARGEST) > 0.8
    assert count_calls(large) <= count_calls(small) * (LARGEST // 2**14) * 1.2
    assert measure_memory(medium) <= 48 * len(medium)


@pytest.mark.parametrize(
    "value",
    ["\ud800", {"\udc00": 1}, [b"\xff"], [object()], [math.nan], {"a": math.inf}, -math.inf],
    ids=["text", "name", "bytes", "object", "no number", "infinite", "infinite below"],
)
def test_what_is_no_json_is_not_written(value):
    with pytest.raises(JsonError):
        dumps(value)


def test_values_are_written_short_and_read_back():
    value = {"a": [1, 1.5, None, True, "é\n\u2028"], "b": {}}
    assert dumps(value) == '{"a":[1,1.5,null,true,"é\\n\u2028"],"b":{}}'.encode()
    assert strict_json.loads(dumps(value)) == value


def test_texts_that_speak_of_infinity_are_written():
    assert dumps({"NaN": "-Infinity"}) == b'{"NaN":"-Infinity"}'
