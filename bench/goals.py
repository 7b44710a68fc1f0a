"""What is to be reached, and whether it was."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.measure import Findings


@dataclass(frozen=True)
class Goal:
    """A bound of a figure that is computed from the results."""

    what: str
    """What the figure is, as it is printed after it: `× the processor time of ...`."""
    reach: Callable[[Findings], float]
    """Computes the figure; raises `KeyError` when what it is computed from was not measured."""
    least: float | None = None
    most: float | None = None
    aim: float | None = None

    def judge(self, findings: Findings) -> dict[str, object]:
        """Return the goal with what was reached, and whether it was met; both `None` if not measured."""
        bound = {
            name: value for name in ("least", "most", "aim") if (value := getattr(self, name)) is not None
        }
        try:
            reached = self.reach(findings)
        except KeyError:
            return {"what": self.what, "reached": None, **bound, "met": None}
        met = (self.least is None or reached >= self.least) and (self.most is None or reached <= self.most)
        return {"what": self.what, "reached": round(reached, 3), **bound, "met": met}


def speed_beside(ours: str, peer: str, least: float | None, aim: float | None = None) -> Goal:
    """How fast `ours` is beside `peer` by processor time a call: 2 is half the time.

    Processor time says the same as calls a second do on a machine with nothing else to do, and holds still
    where others are at work. Without a bound the figure is only stated.
    """
    return Goal(
        f"× as fast as {peer}: {ours}",
        lambda findings: findings.results[peer].median("cpu_us") / findings.results[ours].median("cpu_us"),
        least=least,
        aim=aim,
    )


def slowdown(name: str, base: str, most: float | None) -> Goal:
    """How much larger the processor time a call of `name` is than that of `base`: 0.05 is 5 %."""
    return Goal(
        f"more processor time a call than with {base}: {name}",
        lambda findings: (
            findings.results[name].median("cpu_us") / findings.results[base].median("cpu_us") - 1
        ),
        most=most,
    )


def added(what: str, figure: str, ours: str, base: str, most: float | None) -> Goal:
    """By how much a figure of `ours` is above that of `base`."""
    return Goal(
        what,
        lambda findings: findings.results[ours].median(figure) - findings.results[base].median(figure),
        most=most,
    )


def at_most(what: str, figure: str, name: str, most: float) -> Goal:
    """How large a figure is."""
    return Goal(what, lambda findings: findings.results[name].median(figure), most=most)


def at_least(what: str, figure: str, name: str, least: float) -> Goal:
    """How large a figure must be, that others mean something."""
    return Goal(what, lambda findings: findings.results[name].median(figure), least=least)
