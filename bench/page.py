"""Writes `docs/explanation/performance.md` from the results; with `--check`, says whether it is up to date.

The prose is in `performance.md.jinja`, in which no figure is written by hand.
"""

import argparse
import json
import math
import sys
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.benchmarks import BENCHMARKS
from bench.report import FIGURES, FOLDER, Document, shown

HERE = Path(__file__).resolve().parent
TEMPLATE = "performance.md.jinja"
PAGE = HERE.parent / "docs" / "explanation" / "performance.md"
NOTE = "<!-- Written by `make bench` from bench/results and bench/performance.md.jinja; change those. -->"


class Pages:
    """What the template may ask for: tables and figures of results files, by the benchmark's name."""

    def __init__(self, results: Sequence[Document]) -> None:
        """`results` in the order in which what the template does not name is shown."""
        self._results = {found["benchmark"]: found for found in results}
        self._shown: set[str] = set()

    def render(self) -> str:
        """Return the page. Raises `KeyError` when a results file is missing that the template names."""
        loader = FileSystemLoader(HERE)
        environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True)  # noqa: S701 - Markdown
        asked = {name: getattr(self, name) for name in ASKED}
        return environment.get_template(TEMPLATE).render(note=NOTE, **asked).rstrip() + "\n"

    def goals(self) -> str:
        """Return a table of the goals of all benchmarks."""
        rows = [
            [_outcome(goal), _number(goal["reached"]), goal["what"], _bounds(goal), name]
            for name, found in self._results.items()
            for goal in found["goals"]
        ]
        return _table(["", "reached", "", "goal", "benchmark"], rows, numbers={1})

    def facts(self) -> str:
        """Return rows of what the figures depend on."""
        known: dict[str, str] = {}
        for found in self._results.values():
            known |= {**found["machine"], **found["versions"]}
        known["measured"] = ", ".join(sorted({found["date"] for found in self._results.values()}))
        return "\n".join(f"| {name} | {value} |" for name, value in known.items())

    def fact(self, name: str, fact: str) -> str:
        """Return a figure of a benchmark as a whole."""
        found = self._results[name]
        return f"{round(found['facts'].get(fact, found.get(fact))):,}"

    def section(self, name: str) -> str:
        """Return title, plot, table and what is missing of a benchmark."""
        found = self._results[name]
        self._shown.add(name)
        first, *others = found["figures"]
        rounds = len(found["results"][0]["rounds"])
        spread = ["lowest to highest"] if rounds > 1 else []
        headings = [FIGURES[first][0], *spread, *(FIGURES[figure][0] for figure in others)]
        rows = [
            [
                result["name"],
                *shown(result["medians"], [first]),
                *(_range(result, first) for _ in spread),
                *shown(result["medians"], others),
            ]
            for result in found["results"]
        ]
        each = f" of {found['seconds']} s" if "requests_per_second" in found["figures"] else ""
        parts = [
            f"**{found['title']}** (rounds: {rounds}{each}; all together took {found['took_seconds']} s)",
            f"![{found['title']}](../../bench/results/{name}.svg)",
            _table(["", *headings], rows, numbers=range(1, len(headings) + 1)),
            *(f"Not measured: {peer}: {reason}" for peer, reason in found["missing"].items()),
        ]
        return "\n\n".join(parts)

    def checks(self, name: str) -> str:
        """Return a table of what each candidate checks."""
        rows = [[result["name"], result["checks"]] for result in self._results[name]["results"]]
        return _table(["program", "checks"], rows)

    def rest(self) -> list[str]:
        """Return the names of the benchmarks that the template has not named so far, but for the last."""
        return [name for name in self._results if name not in self._shown and name != "start"]

    def minutes(self) -> int:
        """Return how long all benchmarks take."""
        return math.ceil(sum(found["took_seconds"] for found in self._results.values()) / 60)


ASKED = ("goals", "facts", "fact", "section", "checks", "rest", "minutes")


def read_results(folder: Path = FOLDER) -> list[Document]:
    """Return the results files of a folder, in the order of the benchmarks."""
    files = [folder / f"{name}.json" for name in BENCHMARKS]
    return [json.loads(path.read_text("utf-8")) for path in files if path.exists()]


def write_page() -> None:
    """Write the page."""
    PAGE.write_text(Pages(read_results()).render(), "utf-8")


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: Container[int] = ()) -> str:
    """Return a table; the columns of `numbers` are set to the right."""
    rules = ["--:" if place in numbers else "---" for place in range(len(headings))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, rules, *rows))


def _range(result: Document, figure: str) -> str:
    values = [each[figure] for each in result["rounds"]]
    form = FIGURES[figure][1]
    return f"{min(values):{form}} – {max(values):{form}}"


def _outcome(goal: Document) -> str:
    if goal["reached"] is None:
        return "not measured"
    if "least" not in goal and "most" not in goal:
        return "stated"
    return "met" if goal["met"] else "**missed**"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.3g}"


def _bounds(goal: Document) -> str:
    words = (("least", "≥"), ("most", "≤"), ("aim", "aim"))
    return ", ".join(f"{word} {goal[name]:g}" for name, word in words if name in goal) or "–"


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        write_page()
        return 0
    if PAGE.read_text("utf-8") == Pages(read_results()).render():
        return 0
    print(f"{PAGE} is not what its results and its template say: run python -m bench.page")
    return 1


if __name__ == "__main__":
    sys.exit(main())
