"""Limits for who writes no language: what an argument may be, and how much may be spent in a day."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from deputize.gateway.policies.arguments import AmbiguousArguments, ExactObject, ExactValue, exact_value
from deputize.gateway.policies.request import TOOL_CALL, Decision, PolicyRequest, deny, permit
from deputize.gateway.state.budgets import DIGITS, MOST, Charge
from deputize.kernel import strict_json
from deputize.kernel.errors import DeputizeError
from deputize.kernel.strict_json import JsonError
from deputize.kernel.values import JsonValue
from deputize.mcp.spellings import fold_name

_PLACE: Final = r'(?P<tool>"[^"]+"|[^."\s]+)'
_LIMIT: Final = re.compile(
    rf"\s*{_PLACE}\.(?P<path>[^\s<>=]+)\s*(?P<operator><=|>=|==|<|>|\sin\s)\s*(?P<bound>[^\s=].*)"
)
_AMOUNT: Final = re.compile(rf"\s*{_PLACE}(?:\.(?P<path>\S+))?\s*")
_NAME: Final = re.compile(r"[A-Za-z_][\w-]*")
_ORDER: Final[Mapping[str, Callable[[Decimal, Decimal], bool]]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
_EXAMPLE: Final = "'transfer.amount <= 100' or 'transfer.to in payees'"


class LimitError(DeputizeError):
    """The text of a limit or budget says nothing that can be decided by; says what it should look like."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What an argument of a tool has to be. Says nothing about other tools."""

    name: str
    """How records call it."""
    tool: str
    path: tuple[str, ...]
    """The names of the members that lead to the argument."""
    operator: str
    """One of <=, <, >=, >, ==, in."""
    bound: ExactValue
    """A decimal to compare in order; for `in` a list."""

    def allows(self, arguments: ExactObject) -> bool:
        """Whether the argument is there, of the bound's type, and within it.

        Of a list, `in` wants every item.
        """
        value = find_argument(arguments, self.path)
        if self.operator == "in":
            values = value if isinstance(value, list) else [value]
            return all(any(_is_same(each, one) for one in _items(self.bound)) for each in values)
        if self.operator == "==":
            return _is_same(value, self.bound)
        compare = _ORDER[self.operator]
        return isinstance(value, Decimal) and isinstance(self.bound, Decimal) and compare(value, self.bound)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much calls of a tool may spend in a day."""

    name: str
    tool: str
    path: tuple[str, ...]
    """The argument that is the amount; without a path each call is 1."""
    limit: Decimal
    is_per_user: bool
    is_per_agent: bool
    """With both, each pair has its own."""
    zone: ZoneInfo
    """Where a day begins."""

    def account(self, request: PolicyRequest) -> Charge:
        """Return a charge of nothing to what the request's user and agent have today."""
        holder = [
            request.server,
            request.user if self.is_per_user else None,
            request.agent if self.is_per_agent else None,
        ]
        day = datetime.fromtimestamp(request.now, self.zone).date()
        return Charge(self.name, strict_json.dumps(holder).decode(), day, Decimal(0), self.limit)

    def amount_of(self, request: PolicyRequest) -> Decimal | None:
        """Return what the request spends: 0 for other tools; `None` for an amount that cannot be counted."""
        if request.tool != self.tool or request.method != TOOL_CALL:
            return Decimal(0)
        amount = find_argument(request.arguments, self.path) if self.path else Decimal(1)
        return amount if isinstance(amount, Decimal) and is_amount(amount) else None


class LimitPolicies:
    """Limits as an engine: what none of them is about they permit."""

    reads_spending: bool = False

    def __init__(self, limits: Sequence[Limit], budgets: Sequence[Budget] = ()) -> None:
        """`budgets` are counted elsewhere: here their tools are told from others."""
        self._limits: dict[str, list[Limit]] = {each.tool: [] for each in (*limits, *budgets)}
        for each in limits:
            self._limits[each.tool].append(each)
        self._folded = {fold_name(tool) for tool in self._limits}

    async def decide(self, request: PolicyRequest) -> Decision:
        """Deny by every limit of the tool that the arguments do not keep.

        So is a tool that a lax server could take for one that limits or budgets are about.
        """
        if request.method != TOOL_CALL:
            return permit()
        limits = self._limits.get(request.tool)
        if limits is None:
            is_twin = fold_name(request.tool) in self._folded
            return (
                deny(reason="a server may take its name for that of a limited tool") if is_twin else permit()
            )
        broken = [each.name for each in limits if not each.allows(request.arguments)]
        return deny(*broken) if broken else permit(*(each.name for each in limits))


def parse_limit(text: str, lists: Mapping[str, Sequence[JsonValue]], name: str = "") -> Limit:
    """Read a limit such as `transfer.amount <= 100` or `transfer.to in payees`; `lists` are by name.

    A tool whose name has a dot is written in quotation marks. `name` is its text when empty. Raises
    `LimitError`.
    """
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise LimitError(f"{text!r} is no limit such as {_EXAMPLE}")
    sign, written = found["operator"].strip(), found["bound"].strip()
    if sign == "in" and _NAME.fullmatch(written):
        if written not in lists:
            raise LimitError(f"there is no list {written!r}; there are {', '.join(sorted(lists)) or 'none'}")
        value: JsonValue = list(lists[written])
    else:
        try:
            value = strict_json.loads(written.encode())
        except JsonError as error:
            raise LimitError(f"{written!r} in {text!r} is neither JSON nor the name of a list") from error
    try:
        bound = exact_value(value)
    except AmbiguousArguments as error:
        raise LimitError(f"in {text!r}, {error}") from error
    if sign == "in" and not isinstance(bound, list):
        raise LimitError(f'\'in\' of {text!r} needs a list, such as ["a", "b"], or the name of one')
    if sign in _ORDER and not isinstance(bound, Decimal):
        raise LimitError(f"{sign!r} of {text!r} needs a number")
    return Limit(name or text.strip(), _unquote(found["tool"]), _split(found["path"]), sign, bound)


def parse_amount(text: str) -> tuple[str, tuple[str, ...]]:
    """Read what a budget counts: `transfer.amount`, or `transfer` for its calls. Raises `LimitError`."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise LimitError(f"{text!r} is neither a tool nor an argument of one, such as 'transfer.amount'")
    return _unquote(found["tool"]), _split(found["path"]) if found["path"] else ()


def is_amount(value: Decimal) -> bool:
    """Whether budgets can count `value`: from 0, below `MOST`, with few digits behind the point."""
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DIGITS and 0 <= value < MOST


def find_argument(arguments: ExactObject, path: Sequence[str]) -> ExactValue:
    """Return the argument at `path`; `None` where there is none."""
    value: ExactValue = arguments
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _items(bound: ExactValue) -> Sequence[ExactValue]:
    return bound if isinstance(bound, list) else ()


def _is_same(value: ExactValue, other: ExactValue) -> bool:
    """Whether two scalars are equal; in Python, `True` equals 1. Nothing equals null, or what is missing."""
    return (
        isinstance(value, bool | str | Decimal)
        and isinstance(value, bool) is isinstance(other, bool)
        and value == other
    )


def _unquote(tool: str) -> str:
    return tool.strip('"')


def _split(path: str) -> tuple[str, ...]:
    names = tuple(path.split("."))
    if not all(names):
        raise LimitError(f"{path!r} is no path of members, such as 'payee.name'")
    return names
