from collections.abc import Mapping

import pytest

from deputize.expressions.errors import OperandError, OperandLimitError
from deputize.expressions.values import (
    MISSING,
    Missing,
    describe,
    element,
    equals,
    is_absent,
    is_list,
    is_number,
    member,
    plain,
    text_of,
)


class LazyView(Mapping):
    """A binding as the gateway makes them: no dict."""

    def __init__(self, members):
        self._members = members

    def __getitem__(self, name):
        return self._members[name]

    def __iter__(self):
        return iter(self._members)

    def __len__(self):
        return len(self._members)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_missing_is_falsy_and_not_null():
    assert not MISSING
    assert MISSING is Missing.MISSING
    assert MISSING is not None
    assert is_absent(MISSING)
    assert is_absent(None)
    assert not is_absent(False)


@pytest.mark.parametrize(
    ("value", "expected"), [(1, True), (1.5, True), (True, False), ("1", False), (None, False)]
)
def test_booleans_are_not_numbers(value, expected):
    assert is_number(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"), [([], True), ((), True), ("ab", False), (b"ab", False), ({}, False)]
)
def test_texts_are_not_lists(value, expected):
    assert is_list(value) is expected


@pytest.mark.parametrize("target", [{"a": 1}, LazyView({"a": 1})])
def test_members_are_read_from_any_mapping(target):
    assert member(target, "a") == 1
    assert member(target, "b") is MISSING


@pytest.mark.parametrize("target", [None, MISSING, "text", 3, True, [1]])
def test_what_has_no_members_has_none_missing(target):
    assert member(target, "real") is MISSING
    assert member(target, "__class__") is MISSING


@pytest.mark.parametrize(
    ("target", "key", "expected"),
    [
        (["x", "y"], 1, "y"),
        (["x"], 1, MISSING),
        (["x"], -1, MISSING),
        (["x"], True, MISSING),
        (["x"], "0", MISSING),
        ({"a": 1}, "a", 1),
        ({"1": "one"}, 1, "one"),
        ({"a": 1}, ["a"], MISSING),
        ({"a": 1}, None, MISSING),
        ("abc", 0, MISSING),
        (None, 0, MISSING),
    ],
)
def test_elements_and_members_by_key(target, key, expected):
    assert element(target, key) is expected or element(target, key) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (True, True, True),
        ("1", 1, False),
        (None, None, True),
        (None, False, False),
        ([1, 2], (1, 2), True),
        ([True], [1], False),
        ({"a": [1]}, LazyView({"a": [1.0]}), True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1], {"0": 1}, False),
        ("", None, False),
        ([], "", False),
    ],
)
def test_equality_is_json_equality(left, right, expected):
    assert equals(left, right) is expected
    assert equals(right, left) is expected


def test_equality_of_deep_values_is_refused_rather_than_recursing():
    with pytest.raises(OperandLimitError):
        equals(nested(1000), nested(1000))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (True, "true"),
        (False, "false"),
        (42, "42"),
        (1.0, "1.0"),
        (1.5, "1.5"),
        (None, "null"),
        (MISSING, "null"),
    ],
)
def test_scalars_have_a_text_form(value, text):
    assert text_of(value) == text


@pytest.mark.parametrize("value", [[], {}, pytest.param(10**5000, id="huge"), float("nan"), float("inf")])
def test_other_values_have_none(value):
    with pytest.raises(OperandError):
        text_of(value)


def test_copies_are_plain_and_leave_missing_out():
    copy = plain(LazyView({"a": (1, MISSING), "b": MISSING, "c": LazyView({})}), 10)
    assert copy == {"a": [1, None], "c": {}}
    assert type(copy) is dict
    assert type(copy["a"]) is list
    assert type(copy["c"]) is dict


def test_copies_share_nothing_with_the_bindings():
    original = {"a": [1]}
    plain(original, 10)["a"].append(2)
    assert original == {"a": [1]}


@pytest.mark.parametrize("value", [[1] * 10, {str(n): n for n in range(10)}, nested(80)])
def test_large_and_deep_values_are_not_copied(value):
    with pytest.raises(OperandLimitError):
        plain(value, 10)


@pytest.mark.parametrize("value", [object(), [object()], {1: 2}, b"x", {"a": float("nan")}, {"a": 2**70}])
def test_what_is_not_json_is_not_copied(value):
    with pytest.raises(OperandError):
        plain(value, 10)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (MISSING, "a missing value"),
        (None, "null"),
        (True, "a boolean"),
        (1, "a number"),
        ("x", "a text"),
        ({}, "a map"),
        ([], "a list"),
        (b"x", "a value that is not JSON"),
    ],
)
def test_kinds_have_names_for_messages(value, words):
    assert describe(value) == words
