"""Writes the results of a run: JSON with the facts of the machine, and a table."""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.benchmarks import Benchmark
from bench.measure import Findings, Plan

FOLDER = Path(__file__).resolve().parent / "results"
Document = dict[str, Any]
"""What a results file holds."""
FIGURES = {
    "cpu_us": ("µs of processor a call", ",.1f"),
    "cpu_ms": ("ms of processor a page", ",.1f"),
    "requests_per_second": ("calls a second", ",.0f"),
    "p50_ms": ("p50 ms", ",.2f"),
    "p99_ms": ("p99 ms", ",.2f"),
    "share_percent": ("% of the processor time", ",.1f"),
    "cpu_s": ("s of processor", ",.2f"),
    "resident_mib": ("MiB resident", ",.0f"),
    "user_kib": ("KiB of user memory each", ",.1f"),
    "kernel_kib": ("KiB of kernel memory each", ",.1f"),
    "streams": ("streams", ",.0f"),
    "held_seconds": ("seconds held", ",.0f"),
    "lost": ("lost", ",.0f"),
    "cpu_percent": ("% of a core meanwhile", ",.1f"),
}
"""The heading and format of each figure."""


def machine() -> dict[str, str]:
    """Return what the figures depend on, without identifying the machine."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    return {
        "cpu": next((line.partition(":")[2].strip() for line in lines if "model name" in line), "?"),
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f} when written",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def document(name: str, benchmark: Benchmark, plan: Plan, findings: Findings, seconds: float) -> Document:
    """Return what the results file of a benchmark holds; it took `seconds` in all."""
    return {
        "benchmark": name,
        "title": benchmark.title,
        "date": datetime.now(UTC).date().isoformat(),
        "took_seconds": round(seconds),
        "machine": machine(),
        "versions": findings.versions,
        "tokens": plan.users * plan.agents,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "figures": list(benchmark.figures),
        "goals": [goal.judge(findings) for goal in benchmark.goals],
        "missing": findings.missing,
        "facts": findings.facts,
        "results": [
            {
                "name": result.name,
                "checks": findings.checks.get(result.name),
                "medians": {
                    figure: result.median(figure)
                    for figure in benchmark.figures
                    if figure in result.rounds[0]
                },
                "rounds": result.rounds,
            }
            for result in findings.results.values()
        ],
    }


def write(found: Document, folder: Path) -> None:
    """Write the JSON file of a benchmark, and print its table and goals."""
    folder.mkdir(exist_ok=True)
    (folder / f"{found['benchmark']}.json").write_text(
        json.dumps(_rounded(found), indent=2, ensure_ascii=False) + "\n", "utf-8"
    )
    _print(found)


def _rounded(value: Any) -> Any:
    """Return the value with four significant digits of each measured number, which is more than they hold."""
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {key: _rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case _:
            return value


def _print(found: Document) -> None:
    table = Table(title=f"{found['title']} ({found['took_seconds']} s)")
    table.add_column("")
    for figure in found["figures"]:
        table.add_column(FIGURES[figure][0], justify="right")
    for result in found["results"]:
        table.add_row(result["name"], *shown(result["medians"], found["figures"]))
    console = Console()
    console.print(table)
    for goal in found["goals"]:
        console.print(describe(goal), soft_wrap=True, markup=False, highlight=False)


def shown(medians: dict[str, float], figures: Sequence[str]) -> list[str]:
    """Return the figures as they stand in a table."""
    return [format(medians[figure], FIGURES[figure][1]) if figure in medians else "–" for figure in figures]


def describe(goal: dict[str, Any]) -> str:
    """Return a goal and what was reached in a line."""
    bounds = " and ".join(
        f"{word} {goal[name]:g}"
        for name, word in (("least", "at least"), ("most", "at most"), ("aim", "aimed at"))
        if name in goal
    )
    if goal["reached"] is None:
        return f"– not measured: {goal['what']} ({bounds or 'stated'})"
    if not bounds:
        return f"  stated: {goal['reached']:g} {goal['what']}"
    return f"{'✓ met' if goal['met'] else '✗ missed'}: {goal['reached']:g} {goal['what']} ({bounds})"
