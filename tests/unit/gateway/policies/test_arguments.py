"""The policy reads what the server reads, or refuses."""

import json
import shutil
import subprocess
from decimal import Decimal

import pytest

from deputize.gateway.policies.arguments import AmbiguousArguments, exact_value, read_arguments
from deputize.kernel import strict_json
from deputize.kernel.strict_json import JsonError

NUMBERS = [
    *("0", "-0", "-0.0", "0.0", "1", "100.0", "1e2", "1E+2", "100e-2", "0.1", "0.10", "1e22", "-2.5e-3"),
    *("9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993", "9223372036854775807"),
    *("9223372036854775808", "18446744073709551616", "1" + "0" * 40, "100.00000000000000001", "1e16"),
    *("0.1000000000000000055511", "99.99999999999999999", "1e-400", "4.9e-324", "1.7976931348623157e308"),
    *("12345678.123456789", "0." + "0" * 300 + "1", "3.0000000000000000", "123456789012345680000"),
]  # fmt: skip


def call(arguments: str) -> bytes:
    params = f'{{"name": "t", "arguments": {arguments}}}'
    return f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {params}}}'.encode()


def test_numbers_are_exact_decimals_and_everything_else_is_itself():
    text = '{"amount": 100.10, "count": 3, "yes": true, "none": null, "deep": [{"x": "é"}]}'
    exact = read_arguments(call(text))
    assert exact == {
        "amount": Decimal("100.10"),
        "count": Decimal(3),
        "yes": True,
        "none": None,
        "deep": [{"x": "é"}],
    }


@pytest.mark.parametrize("message", [b'{"method":"x"}', b'{"params":{"name":"t"}}', b'{"params":null}'])
def test_no_arguments_are_none(message):
    assert read_arguments(message) == {}


def test_arguments_that_are_no_object_are_refused():
    with pytest.raises(AmbiguousArguments, match="not an object"):
        read_arguments(call("[1]"))


@pytest.mark.parametrize(
    "arguments",
    [
        '{"amount": 1, "Amount": 1000}',
        '{"a": [{"to": "alice", "TO": "mallory"}]}',
        '{"k": 1, "\u212a": 2}',  # the Kelvin sign
        '{"caf\u00e9": 1, "cafe\u0301": 2}',  # composed and decomposed
        '{"stra\u00dfe": 1, "strasse": 2}',
        '{"\ufb01le": 1, "file": 2}',  # a ligature
        '{"to\u200b": 1, "to": 2}',  # an invisible character
    ],
)
def test_members_that_differ_in_case_or_unicode_form_are_refused(arguments):
    with pytest.raises(AmbiguousArguments, match="differ in case or Unicode form"):
        read_arguments(call(arguments))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_that_is_let_through_is_the_same_for_python(number):
    try:
        exact = read_arguments(call(f'{{"n": {number}}}'))["n"]
    except AmbiguousArguments:
        return
    read = json.loads(number)
    assert exact == (Decimal(read) if isinstance(read, int) else Decimal(repr(read)))


@pytest.mark.parametrize(
    "number",
    ["9007199254740993", "-9007199254740993", "100.00000000000000001", "99.99999999999999999", "1e-400"],
)
def test_what_programs_read_differently_is_refused_and_not_shown(number):
    with pytest.raises(AmbiguousArguments, match="/n/0") as caught:
        read_arguments(call(f'{{"n": [{number}]}}'))
    assert number not in str(caught.value)


@pytest.mark.parametrize("number", ["9007199254740992", "9223372036854775808", "1e2", "-0", "0.1", "5e-324"])
def test_what_all_programs_read_alike_is_let_through(number):
    assert read_arguments(call(f'{{"n": {number}}}'))["n"] == Decimal(number)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_a_number_that_is_let_through_is_the_same_for_javascript():
    program = (
        "const ns = JSON.parse(require('fs').readFileSync(0)); "
        "const exact = v => Number.isInteger(v) ? BigInt(v).toString() : String(v); "
        "console.log(JSON.stringify(ns.map(t => exact(JSON.parse(t)))))"
    )
    node = subprocess.run(
        ["node", "-e", program], input=json.dumps(NUMBERS), capture_output=True, text=True, check=True
    )
    compared = 0
    for number, read in zip(NUMBERS, json.loads(node.stdout), strict=True):
        try:
            exact = read_arguments(call(f'{{"n": {number}}}'))["n"]
        except AmbiguousArguments:
            continue
        compared += 1
        assert exact == Decimal(read), number
    assert compared > 15


@pytest.mark.parametrize(
    "text", ['{"n": 1E400}', '{"n": 1, "n": 2}', '{"n": NaN}', '{"n": "\\ud800"}', "[" * 65 + "]" * 65]
)
def test_what_strict_reading_refuses_never_comes_here(text):
    with pytest.raises(JsonError):
        strict_json.loads(call(text))


def test_a_default_of_a_schema_becomes_exact():
    assert exact_value({"a": 0.1, "b": [1]}) == {"a": Decimal("0.1"), "b": [Decimal(1)]}
    with pytest.raises(AmbiguousArguments):
        exact_value(2**53 + 1)
    with pytest.raises(AmbiguousArguments):
        exact_value([10**309])
