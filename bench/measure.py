"""Rounds of several candidates in turn, so that a drift of the machine affects all of them."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bench.load import Load, prepare
from bench.subject import Deputize, deputize

WARM_UP_SECONDS = 1


@dataclass
class Plan:
    """How long and how many rounds to measure, and what the benchmarks of one run share."""

    rounds: int
    seconds: int
    folder: Path
    users: int = 100
    agents: int = 10
    say: Callable[[str], None] = print

    @cached_property
    def subject(self) -> Deputize:
        """Deputize with the users, agents and tokens of this run; made when it is first needed."""
        return deputize(self.folder, self.users, self.agents)


@dataclass(frozen=True)
class Result:
    """The rounds of one candidate: figures by name, of which each name ends with its unit."""

    name: str
    rounds: tuple[Mapping[str, float], ...]

    def median(self, figure: str) -> float:
        """Return the median of a figure over the rounds."""
        return statistics.median(each[figure] for each in self.rounds)


@dataclass
class Findings:
    """What a benchmark found: results by name, what each candidate checks, its versions, who is missing."""

    results: dict[str, Result] = field(default_factory=dict[str, Result])
    checks: dict[str, str] = field(default_factory=dict[str, str])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    missing: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, results: Iterable[Result]) -> None:
        """Add results under their names."""
        self.results |= {result.name: result for result in results}


def alternate(plan: Plan, candidates: Mapping[str, Load]) -> list[Result]:
    """Warm up each candidate, then run `plan.rounds` rounds in turn."""
    prepared = {
        name: prepare(load, plan.folder, f"load-{number}")
        for number, (name, load) in enumerate(candidates.items())
    }
    for each in prepared.values():
        each.drive(WARM_UP_SECONDS)
    measured: dict[str, list[Mapping[str, float]]] = {name: [] for name in candidates}
    for number in range(1, plan.rounds + 1):
        for name, each in prepared.items():
            figures = each.drive(plan.seconds)
            measured[name].append(figures)
            plan.say(f"  round {number}/{plan.rounds}  {name:<40} {told(figures)}")
    return [Result(name, tuple(rounds)) for name, rounds in measured.items()]


def told(figures: Mapping[str, float]) -> str:
    """Return the figures of a round in a line."""
    return "  ".join(f"{name} {value:,.4g}" for name, value in figures.items())
