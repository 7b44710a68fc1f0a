"""Writes `docs/reference/interoperability.md` from the results of the last whole run."""

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
PAGE = HERE.parent / "docs" / "reference" / "interoperability.md"
TEMPLATE = HERE / "interoperability.md.in"
MARKS = {"passed": "✓", "failed": "✗", "not run": "–"}


def render(found: Mapping[str, Any]) -> str:
    """Return the page that results and template make."""
    outcomes = [row["outcome"] for row in found["rows"]]
    facts = {
        "date": found["date"],
        "passed": str(outcomes.count("passed")),
        "failed": str(outcomes.count("failed")),
        "not_run": str(outcomes.count("not run")),
        "tables": "\n".join(_tables(found)).strip(),
        "versions": "\n".join(f"| {name} | {version} |" for name, version in found["versions"].items()),
    }
    text = TEMPLATE.read_text("utf-8")
    for name, value in facts.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    return text


def write_page() -> None:
    """Write the page."""
    PAGE.write_text(render(json.loads(RESULTS.read_text("utf-8"))), "utf-8")


def _tables(found: Mapping[str, Any]) -> Iterator[str]:
    for family, rows in groupby(found["rows"], lambda row: row["family"]):
        yield f"## {family}\n\n| | Program | Does | Seen |\n|---|---|---|---|"
        for row in rows:
            seen = row["seen"].replace("|", "\\|").replace("\n", " ")
            yield f"| {MARKS[row['outcome']]} | {row['program']} | {row['task']} | {seen} |"
        yield ""


if __name__ == "__main__":
    write_page()
