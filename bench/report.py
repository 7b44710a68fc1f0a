"""Writes the results of a run: JSON with the facts of the machine, a table, and a plot."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from rich.console import Console
from rich.table import Table

from bench.benchmarks import OURS, Benchmark, Goal
from bench.measure import Plan, Result
from bench.peers.oidc_provider import SOURCE

FOLDER = Path(__file__).resolve().parent / "results"


def machine() -> dict[str, str]:
    """Return what the figures depend on, without identifying the machine."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
            if "model name" in line
        ),
        "?",
    )
    return {
        "cpu": cpu,
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f} when written",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "nginx": _first_line("nginx", "-v"),
        "apache": _first_line("apache2", "-v"),
        "mod_auth_openidc": _package("libapache2-mod-auth-openidc"),
        "node": _first_line("node", "--version"),
        "oidc-provider": json.loads((SOURCE / "package.json").read_text("utf-8"))["dependencies"][
            "oidc-provider"
        ],
    }


def judge(results: list[Result], goals: tuple[Goal, ...]) -> list[dict[str, object]]:
    """Return each goal with the result that was reached."""
    by_name = {result.name: result for result in results}
    ours = next(result for name, result in by_name.items() if name.startswith(OURS))
    return [_judged(goal, ours, by_name[goal.peer] if goal.peer else None) for goal in goals]


def _judged(goal: Goal, ours: Result, peer: Result | None) -> dict[str, object]:
    """Compare with the goal. Beside a peer, processor time decides.

    It says the same as requests a second do on a machine with nothing else to do.
    """
    reached = peer.cpu_us / ours.cpu_us if peer else ours.requests_per_second
    judged: dict[str, object] = {"against": goal.peer or "requests a second", "reached": round(reached, 2)}
    if peer:
        judged["reached_in_requests_per_second"] = round(neighbouring_ratio(ours, peer), 2)
    return judged | {"least": goal.least, "aim": goal.aim, "met": reached >= goal.least}


def neighbouring_ratio(ours: Result, peer: Result) -> float:
    """Return the median of the ratios of rounds that ran next to each other."""
    pairs = zip(ours.rounds, peer.rounds, strict=True)
    return statistics.median(mine.requests_per_second / theirs.requests_per_second for mine, theirs in pairs)


def write(name: str, benchmark: Benchmark, plan: Plan, results: list[Result]) -> list[dict[str, object]]:
    """Write `results/<name>.json` and `.svg`, print the table, and return the judged goals."""
    judged = judge(results, benchmark.goals)
    document = {
        "benchmark": name, "title": benchmark.title, "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "rounds": plan.rounds, "seconds": plan.seconds, "goals": judged,
        "results": [result.as_json() for result in results],
    }  # fmt: skip
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    _plot(FOLDER / f"{name}.svg", benchmark.title, results)
    _print(benchmark.title, results, judged)
    return judged


def _print(
    title: str, results: list[Result], judged: list[Mapping[str, object]] | list[dict[str, object]]
) -> None:
    table = Table(title=title)
    for heading in ("program", "requests/s (median)", "lowest", "highest", "µs of processor"):
        table.add_column(heading, justify="left" if heading == "program" else "right")
    for result in results:
        rates = [each.requests_per_second for each in result.rounds]
        low, high = f"{min(rates):,.0f}", f"{max(rates):,.0f}"
        table.add_row(result.name, f"{result.requests_per_second:,.0f}", low, high, f"{result.cpu_us:,.1f}")
    console = Console()
    console.print(table)
    for goal in judged:
        console.print(
            f"{'✓' if goal['met'] else '✗'} {goal['reached']} × {goal['against']} (at least "
            f"{goal['least']}, aim {goal['aim'] or '-'})"
        )


def _plot(path: Path, title: str, results: list[Result]) -> None:
    mpl.rcParams["svg.hashsalt"] = "deputize"
    figure, axes = plt.subplots(figsize=(8, 0.7 * len(results) + 1.2))
    names = [result.name for result in reversed(results)]
    rates = [result.requests_per_second for result in reversed(results)]
    bars = axes.barh(
        names, rates, color=["#1d7a3e" if name.startswith(OURS) else "#8a97b5" for name in names]
    )
    axes.bar_label(bars, labels=[f"{rate:,.0f}" for rate in rates], padding=4)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("requests a second on one core (median)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.15)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _package(name: str) -> str:
    """Return the version of an installed Debian package."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f=${Version}", name], capture_output=True, text=True, check=False
    )
    return done.stdout or "?"


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return "not installed"
    return (done.stdout + done.stderr).strip().splitlines()[0].partition(": ")[2] or done.stdout.strip()
