"""Which plans are remembered, and by what."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from deputize.http.exchange import Head, Readings, Varying
from deputize.http.heads import Field
from deputize.http.plans.plan import Plan

_LENGTH: Final = b"content-length"
_NAMES: Final = (
    _LENGTH,
    b"traceparent",
    b"tracestate",
    b"baggage",
    b"b3",
    b"sentry-trace",
    b"x-amzn-trace-id",
    b"x-b3-traceid",
    b"x-b3-spanid",
    b"x-b3-parentspanid",
    b"x-b3-sampled",
    b"x-cloud-trace-context",
    b"x-forgerock-transactionid",
    b"mcp-name",
    b"dpop",
)
"""Fields that differ in every call although hardly anybody decides by them."""
_PREFIX: Final = b"mcp-param-"
_COMMON: Final = (b"content-t", b"mcp-pro", b"mcp-s", b"mcp-m")
"""Beginnings of fields that most heads have and that are not cut out."""
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"


def _any_case(name: bytes) -> bytes:
    return b"".join(
        b"[%c%c]" % (code - 32, code) if chr(code).isalpha() else re.escape(bytes([code])) for code in name
    )


_VARYING: Final = re.compile(
    rb"\r\n(?!"
    + b"|".join(map(_any_case, _COMMON))
    + rb")(?=["
    + bytes(sorted({letter for name in (*_NAMES, _PREFIX) for letter in (name[:1] + name[:1].upper())}))
    + rb"])("
    + b"|".join([*map(_any_case, _NAMES), _any_case(_PREFIX) + _TOKEN + b"{1,64}"])
    + rb"): ([!-~](?:[ -~]{0,2046}[!-~])?)(?=\r\n)"
)
"""A field line whose value is cut out.

It begins with a literal, which is searched for at C speed, and turns other lines away by their first letters:
without that it took 3.8 µs for a head of 850 bytes, with it 2.3. A head in which one of these fields is
written in another form (no single space, empty, over 2,048 characters) is not remembered.
"""


class Cut(NamedTuple):
    """A head without its varying values."""

    key: tuple[bytes, ...]
    """All bytes but the values. Heads with the same key are parsed alike."""
    names: Sequence[bytes]
    values: Sequence[bytes]

    def is_just(self, line: bytes, fields: int) -> bool:
        """Whether the bytes are request line `line` and so many fields, each on one line, and no other.

        A parser skips empty lines before a request, and might end a head sooner than `cut` does.
        """
        texts = self.key[1 : len(self.values) + 2]
        breaks = fields + 2 - len(self.values)  # the others are cut out
        ends, before, behind = (sum(text.count(each) for text in texts) for each in (b"\r\n", b"\r", b"\n"))
        return (texts[0] + b"\r\n").startswith(line) and ends == before == behind == breaks


def cut(ends: bytes, head: bytes) -> tuple[tuple[bytes, ...], list[bytes], list[bytes]]:
    """Take `head`, all bytes up to the empty line, apart: into what a `Cut` is made of.

    `ends` stands for the connection's ends: plans for one client's address are not for another's.
    """
    parts = _VARYING.split(head)
    names = parts[1::3]
    return (ends, *parts[::3], *names), names, parts[2::3]


def mark_varying(fields: list[Field], taken: Cut, readings: Readings) -> list[Field] | None:
    """Return the parsed `fields` of a head with its varying values marked.

    `None` when a field of such a name stands there in another form than `cut` takes out, so that the head
    cannot be remembered.
    """
    marked: list[Field] = []
    index = 0
    for name, value in fields:
        lowered = name.lower()
        if lowered not in _NAMES and not lowered.startswith(_PREFIX):
            marked.append((name, value))
            continue
        if index == len(taken.values) or taken.names[index] != name or taken.values[index] != value:
            return None
        varying = Varying(value)
        varying.at, varying.readings = index, readings
        marked.append((name, varying))
        index += 1
    return marked if index == len(taken.values) else None


class KnownPlan(NamedTuple):
    """A head and its plan."""

    head: Head
    plan: Plan
    length_at: int | None
    """Where the value of Content-Length stands; `None` without a body."""
    size: int
    """How many bytes of memory it counts for."""


class PlanMemory:
    """Plans by the bytes of the heads they were made for, bounded in number and bytes.

    Two generations: what was not used while the younger one filled up is forgotten, so a flood of other heads
    costs those in use one look-up each, and nobody has to be told apart.
    """

    __slots__ = ("_bytes", "_most", "_most_bytes", "_old", "_young")

    def __init__(self, most: int = 8192, most_bytes: int = 64 * 1024 * 1024) -> None:
        """`most` plans, which count for `most_bytes`, at most; 0 remembers nothing."""
        self._most = most // 2
        self._most_bytes = most_bytes // 2
        self._young: dict[tuple[bytes, ...], KnownPlan] = {}
        self._old: dict[tuple[bytes, ...], KnownPlan] = {}
        self._bytes = 0

    def recall(self, key: tuple[bytes, ...], now: float) -> KnownPlan | None:
        """Return what is remembered, unless one of its leases has ended. `now` in seconds since the epoch."""
        known = self._young.get(key)
        if known is None:
            known = self._old.pop(key, None)
            if known is None:
                return None
            self._add(key, known)
        for lease in known.plan.leases:
            if not lease.begins <= now < lease.ends:
                self._forget(key)
                return None
            lease.used = True
        return known

    def keep(self, key: tuple[bytes, ...], head: Head, plan: Plan, names: Sequence[bytes]) -> None:
        """Remember the plan of a head, unless it was made for one call only."""
        if head.readings.of_call or not self._most:
            return
        head.readings.are_over = True
        length_at = next((index for index, name in enumerate(names) if name.lower() == _LENGTH), None)
        size = PLAN_BYTES + FIELD_BYTES * len(head.headers.raw) + 6 * sum(map(len, key))
        self._add(key, KnownPlan(head, plan, length_at, size))

    def _add(self, key: tuple[bytes, ...], known: KnownPlan) -> None:
        self._forget(key)
        if len(self._young) >= self._most or self._bytes + known.size > self._most_bytes:
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[key] = known
        self._bytes += known.size

    def _forget(self, key: tuple[bytes, ...]) -> None:
        known = self._young.pop(key, None)
        if known is not None:
            self._bytes -= known.size


PLAN_BYTES: Final = 14 * 1024
"""What a plan counts for besides its bytes: steps, forms of records, contexts. Measured, as is the next."""
FIELD_BYTES: Final = 160
"""What each field counts for besides its bytes."""
