"""Rounds of several candidates in turn, so that a drift of the machine affects all of them."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from demo.programs import DEPUTIZE

from bench.load import Load, prepare
from bench.subject import Deputize, deputize

WARM_UP_SECONDS = 2


@dataclass(frozen=True)
class Plan:
    """How long and how many rounds to measure, and what the benchmarks of one run share."""

    rounds: int
    seconds: int
    folder: Path
    users: int = 100
    agents: int = 10
    streams: int = 8_000
    """Idle streams to hold, if the limit on open files allows."""
    hold_seconds: int = 120
    known: int = 100_000
    """Tokens that a gateway is to know at most."""
    people: int = 100_000
    """Users with sessions, consents and grants that an authority is to know at most."""
    command: str = DEPUTIZE[0]
    """The `deputize` whose start is measured."""
    say: Callable[[str], None] = print

    @property
    def subject(self) -> Deputize:
        """Deputize with the users, agents and tokens of this run; made once, when it is first needed."""
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
    facts: dict[str, float] = field(default_factory=dict[str, float])
    """Figures of the run as a whole."""

    def add(self, results: Iterable[Result]) -> None:
        """Add results under their names."""
        self.results |= {result.name: result for result in results}


def alternate(plan: Plan, candidates: Mapping[str, Load]) -> list[Result]:
    """Warm up each candidate as fast as it can, then run `plan.rounds` rounds in turn."""
    return take_turns(
        plan,
        {
            name: prepare(load, plan.folder, f"load-{number}").drive
            for number, (name, load) in enumerate(candidates.items())
        },
    )


def take_turns(plan: Plan, drives: Mapping[str, Callable[[int], Mapping[str, float]]]) -> list[Result]:
    """Warm up each, then run `plan.rounds` rounds in turn: each drives its load for so many seconds."""
    for drive in drives.values():
        with suppress(
            RuntimeError
        ):  # some answer nothing in so short a time; what is wrong shows in the rounds
            drive(WARM_UP_SECONDS)
    measured: dict[str, list[Mapping[str, float]]] = {name: [] for name in drives}
    for number in range(1, plan.rounds + 1):
        for name, drive in drives.items():
            figures = drive(plan.seconds)
            measured[name].append(figures)
            plan.say(f"  round {number}/{plan.rounds}  {name:<40} {told(figures)}")
    return [Result(name, tuple(rounds)) for name, rounds in measured.items()]


def told(figures: Mapping[str, float]) -> str:
    """Return the figures of a round in a line."""
    return "  ".join(f"{name} {value:,.4g}" for name, value in figures.items())
