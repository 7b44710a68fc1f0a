import pytest

from deputize.expressions import arithmetic
from deputize.expressions.errors import OperandError, OperandLimitError
from deputize.expressions.values import MAX_INTEGER, MAX_TEXT, MISSING


@pytest.mark.parametrize(
    ("operate", "left", "right", "result"),
    [
        (arithmetic.add, 1, 2.5, 3.5),
        (arithmetic.subtract, 1, 2, -1),
        (arithmetic.multiply, 3, 4, 12),
        (arithmetic.quotient, 7, 2, 3.5),
        (arithmetic.truncated_quotient, 7, 2, 3),
        (arithmetic.truncated_quotient, -7, 2, -3),
        (arithmetic.truncated_quotient, 7, -2, -3),
        (arithmetic.truncated_quotient, -7, -2, 3),
        (arithmetic.truncated_quotient, 7.0, 2, 3.5),
        (arithmetic.remainder, 7, 3, 1),
        (arithmetic.remainder, -7, 3, -1),
        (arithmetic.remainder, 7, -3, 1),
        (arithmetic.remainder, 7.5, 2, 1.5),
        (arithmetic.power, 2, 10, 1024),
        (arithmetic.power, 2, -1, 0.5),
        (arithmetic.power, 1, 10**18, 1),
        (arithmetic.power, -1, 65, -1.0),
    ],
)
def test_results(operate, left, right, result):
    if operate is arithmetic.power and abs(left) == 1:
        assert abs(operate(left, right)) == 1
    else:
        assert operate(left, right) == result
        assert type(operate(left, right)) is type(result)


@pytest.mark.parametrize(
    ("operate", "left", "right"),
    [
        (arithmetic.add, MAX_INTEGER, 1),
        (arithmetic.multiply, MAX_INTEGER, 2),
        (arithmetic.multiply, 1e308, 10.0),
        (arithmetic.power, 2, 64),
        (arithmetic.power, 10, 10**18),
        (arithmetic.power, 10.5, 1000),
        (arithmetic.power, -1.5, 0.5),
        (arithmetic.power, 0, -1),
        (arithmetic.quotient, 1, 0),
        (arithmetic.truncated_quotient, 1, 0),
        (arithmetic.truncated_quotient, 1, 0.0),
        (arithmetic.remainder, 1, 0),
    ],
)
def test_overflow_and_zero_are_errors(operate, left, right):
    with pytest.raises(OperandError):
        operate(left, right)


@pytest.mark.parametrize("value", [True, "1", None, MISSING, [], {}, 2**64, float("inf"), float("nan")])
def test_only_bounded_numbers_are_operands(value):
    with pytest.raises(OperandError):
        arithmetic.as_number(value)


def test_concatenation_is_bounded():
    assert arithmetic.concatenate("a" * MAX_TEXT, "") == "a" * MAX_TEXT
    with pytest.raises(OperandLimitError):
        arithmetic.concatenate("a" * MAX_TEXT, "b")
