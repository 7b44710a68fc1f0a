"""The `now` binding and its methods.

The time comes from whoever makes the binding, never from a clock in here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from deputize.expressions.errors import OperandError
from deputize.expressions.functions.function import Function, as_integer, as_map, exactly
from deputize.expressions.values import Value

_LATEST = 253_402_300_799
"""The last second of the year 9999."""


def moment(epoch_seconds: float) -> Mapping[str, Value]:
    """What `now` is bound to: `epochSeconds` since 1970-01-01T00:00:00Z and the HTTP date `rfc1123`.

    Raises `OperandError`.
    """
    if not 0 <= epoch_seconds <= _LATEST:
        raise OperandError("the time is out of range")
    seconds = int(epoch_seconds)
    return {
        "epochSeconds": seconds,
        "rfc1123": format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True),
    }


def _move(name: str, seconds: int) -> Function:
    def move(value: Value, amount: Value) -> Mapping[str, Value]:
        start = as_integer(as_map(value).get("epochSeconds"))
        return moment(start + as_integer(amount) * seconds)

    return exactly(name, 2, move)


_UNITS: Mapping[str, int] = {"Seconds": 1, "Minutes": 60, "Hours": 3600, "Days": 86_400}

METHODS: tuple[Function, ...] = (
    *(_move(f".plus{unit}", seconds) for unit, seconds in _UNITS.items()),
    *(_move(f".minus{unit}", -seconds) for unit, seconds in _UNITS.items()),
)
