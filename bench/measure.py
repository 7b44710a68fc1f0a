"""Rounds of several candidates in turn, so that a drift of the machine affects all of them."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.load import Request, Round, drive

WARM_UP_SECONDS = 2.0


@dataclass(frozen=True)
class Plan:
    """How long and how many rounds to measure."""

    rounds: int
    seconds: float
    folder: Path


@dataclass(frozen=True)
class Result:
    """The rounds of one candidate."""

    name: str
    rounds: tuple[Round, ...]

    @property
    def requests_per_second(self) -> float:
        """The median over the rounds."""
        return statistics.median(each.requests_per_second for each in self.rounds)

    @property
    def cpu_us(self) -> float:
        """The median processor time for one request, in microseconds."""
        return statistics.median(each.cpu_us for each in self.rounds)

    def as_json(self) -> dict[str, object]:
        """Return the figures for the results file."""
        return {
            "name": self.name,
            "median_requests_per_second": round(self.requests_per_second),
            "median_cpu_microseconds_per_request": round(self.cpu_us, 1),
            "rounds": [asdict(each) for each in self.rounds],
        }


def alternate(plan: Plan, candidates: Mapping[str, Request], say: Callable[[str], None]) -> list[Result]:
    """Warm up each candidate, then run `plan.rounds` rounds in turn."""
    for request in candidates.values():
        drive(request, WARM_UP_SECONDS, plan.folder)
    measured: dict[str, list[Round]] = {name: [] for name in candidates}
    for number in range(1, plan.rounds + 1):
        for name, request in candidates.items():
            each = drive(request, plan.seconds, plan.folder)
            measured[name].append(each)
            latency = f"p50 {each.p50_ms:.2f} ms  p99 {each.p99_ms:.2f} ms  cpu {each.cpu_us:.0f} µs"
            say(f"  round {number}/{plan.rounds}  {name:<40} {each.requests_per_second:>9,.0f}/s  {latency}")
    return [Result(name, tuple(rounds)) for name, rounds in measured.items()]
