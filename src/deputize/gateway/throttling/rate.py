"""How often something may happen, and who decides that."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import Field, field_validator

from deputize.gateway.config.settings import Duration, Settings
from deputize.http.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Rate:
    """`requests` in `seconds`, all of which may come at once."""

    requests: int
    seconds: float


class RateSettings(Settings):
    """A rate as configured."""

    number_of_requests: int = Field(ge=1)
    """Requests granted in the duration; they may come all at once."""
    duration: Duration
    """The time in which they are granted."""

    @field_validator("duration")
    @classmethod
    def _bounded(cls, seconds: float | None) -> float:
        if not seconds:
            raise ValueError("the duration of a rate is longer than zero, and limited")
        return seconds

    @property
    def rate(self) -> Rate:
        """The rate meant."""
        return Rate(self.number_of_requests, self.duration or 1.0)


@runtime_checkable
class ThrottlingRatePolicy(Protocol):
    """Decides which rate holds for an exchange."""

    def rate_of(self, exchange: Exchange) -> Rate | None:
        """The rate, or `None` where this policy sets none."""
        ...
