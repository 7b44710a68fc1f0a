"""How often something may happen, who decides that, and how it is counted."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from pydantic import Field, field_validator

from deputize.gateway.config.settings import Duration, Settings
from deputize.http.exchange import Exchange

MAX_BUCKETS: Final = 100_000
"""Partitions may come from clients: beyond this many the one unused for longest is full again."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`requests` in `seconds`, all of which may come at once."""

    requests: int
    seconds: float


class RateSettings(Settings):
    """A number of requests in a duration."""

    number_of_requests: int = Field(ge=1)
    """Requests granted in the duration; they may come all at once."""
    duration: Duration
    """The time in which they are granted."""

    @field_validator("duration")
    @classmethod
    def _check_bounds(cls, seconds: float | None) -> float:
        if not seconds:
            raise ValueError("the duration of a rate is longer than zero, and limited")
        return seconds

    @property
    def rate(self) -> Rate:
        """The configured rate."""
        return Rate(self.number_of_requests, self.duration or 1.0)


@runtime_checkable
class ThrottlingRatePolicy(Protocol):
    """Decides which rate holds for an exchange."""

    def rate_of(self, exchange: Exchange) -> Rate | None:
        """The rate, or `None` where this policy sets none."""
        ...


class Buckets:
    """A token bucket for each partition and rate.

    A bucket holds as many tokens as the rate has requests, begins full, and gains them evenly over the rate's
    duration. A partition whose exchanges alternate between two rates has two buckets: were there one, each
    change of rate would fill it again, and the limit would never be reached.
    """

    def __init__(self, max_buckets: int = MAX_BUCKETS) -> None:
        self._max = max_buckets
        self._buckets: OrderedDict[tuple[str, Rate], tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, partition: str, rate: Rate, now: float) -> float | None:
        """Take a token at `now`, in monotonic seconds.

        `None` if there was one, else the seconds until there will be.
        """
        key = (partition, rate)
        tokens, since = self._buckets.get(key, (float(rate.requests), now))
        pace = rate.requests / rate.seconds
        tokens = min(float(rate.requests), tokens + max(0.0, now - since) * pace)
        granted = tokens >= 1.0
        self._buckets[key] = (tokens - granted, max(now, since))
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max:
            self._buckets.popitem(last=False)
        return None if granted else (1.0 - tokens) / pace
