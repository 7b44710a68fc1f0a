"""Prints what the demo shows: the three tokens side by side, the audit record, and lines with ✓ or ✗."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(highlight=False, markup=False, soft_wrap=True)
UUID = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
TIMES = frozenset({"iat", "exp", "auth_time"})


def heading(text: str) -> None:
    """Print the heading of a part."""
    console.print()
    console.rule(Text(text, "bold"), align="left")


def line(text: str) -> None:
    """Print one line of prose."""
    console.print(text)


def failure(text: str) -> None:
    """Print why the run cannot go on."""
    console.print(Text("\n✗ ", "bold red") + Text(text))


def check(holds: bool, text: str, detail: str = "") -> bool:  # noqa: FBT001 - a tick is a boolean
    """Print a line with ✓ or ✗, and return `holds`."""
    mark = Text("✓ ", "bold green") if holds else Text("✗ ", "bold red")
    console.print(mark + Text(text if not detail else f"{text:<14}  ") + Text(_short(detail), "dim"))
    return holds


def facts(values: Mapping[str, str]) -> None:
    """Print names and values below each other."""
    for name, value in values.items():
        console.print(Text(f"{name:<11}", "dim") + Text(value))


def transcript(output: str) -> None:
    """Print a program's output, each line cut to the width of the terminal."""
    for each in output.rstrip().splitlines():
        whole = Text(f"  {each}")
        whole.truncate(console.width, overflow="ellipsis")
        console.print(whole)


def tokens(actor: Mapping[str, Any], subject: Mapping[str, Any], mcp: Mapping[str, Any]) -> None:
    """Print the claims of the three tokens side by side, ids cut short.

    What the exchange changed between subject and MCP token is marked.
    """
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for title in ("claim", "actor token", "subject token", "", "MCP token"):
        table.add_column(title, overflow="fold")
    for name in sorted({*actor, *subject, *mcp}):
        change = _change(subject.get(name), mcp.get(name))
        before, own, after = (_cell(name, token.get(name)) for token in (actor, subject, mcp))
        table.add_row(name, before, own, change, after, style="bold yellow" if change else None)
    console.print(table)
    line("The exchange: + added, ~ changed, - left out. Ids are cut short.")


def record(audit: Mapping[str, Any]) -> None:
    """Print who did what in an audit record, and what came of it."""
    names = ("timestamp", "sub", "act", "tool", "scopes", "decision", "jti")
    shown = {name: audit.get(name) for name in names} | {
        "status": audit.get("response", {}).get("statusCode")
    }
    facts({name: _cell(name, value) for name, value in shown.items()})


def _change(before: object, after: object) -> str:
    if before == after:
        return ""
    if before is None:
        return "+"
    return "-" if after is None else "~"


def _cell(name: str, value: object) -> str:
    if name in TIMES and isinstance(value, int):
        return datetime.fromtimestamp(value, UTC).strftime("%H:%M:%S")
    return _short(_plain(value))


def _plain(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a value without the brackets and quotes of JSON."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name}: {_plain(inner)}" for name, inner in cast("Mapping[str, Any]", value).items()
        )
    if isinstance(value, list):
        return ", ".join(map(_plain, cast("list[Any]", value)))
    return "" if value is None else str(value)


def _short(text: str) -> str:
    return UUID.sub(r"\1…", text)
