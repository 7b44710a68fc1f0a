"""What the demo shows: the three tokens side by side, the audit record, and lines with a tick or a cross."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(highlight=False, markup=False, soft_wrap=True)
UUID = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
TIMES = frozenset({"iat", "exp", "auth_time"})


def heading(text: str) -> None:
    """A new chapter."""
    console.print()
    console.rule(Text(text, "bold"), align="left")


def line(text: str) -> None:
    """One line of prose."""
    console.print(text)


def check(holds: bool, text: str, detail: str = "") -> bool:  # noqa: FBT001 - a tick is a boolean
    """A line with ✓ or ✗; `holds` is handed back."""
    mark = Text("✓ ", "bold green") if holds else Text("✗ ", "bold red")
    console.print(mark + Text(text) + Text(f"  {detail}" if detail else "", "dim"))
    return holds


def tokens(actor: Mapping[str, Any], subject: Mapping[str, Any], mcp: Mapping[str, Any]) -> None:
    """The three tokens' claims side by side, ids cut short; what the exchange changed between subject and MCP token is marked."""
    table = Table(show_lines=False, header_style="bold")
    for title in ("claim", "actor token", "subject token", "MCP token", "by the exchange"):
        table.add_column(title, overflow="fold")
    for name in sorted({*actor, *subject, *mcp}):
        change = _change(subject.get(name), mcp.get(name))
        cells = [_cell(name, token.get(name)) for token in (actor, subject, mcp)]
        table.add_row(name, *cells, change, style="bold yellow" if change else None)
    console.print(table)


def record(line_of_audit: Mapping[str, Any]) -> None:
    """One audit record, indented."""
    console.print_json(json.dumps(line_of_audit))


def _change(before: object, after: object) -> str:
    if before == after:
        return ""
    if before is None:
        return "+ added"
    return "- gone" if after is None else "~ changed"


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in TIMES and isinstance(value, int):
        return datetime.fromtimestamp(value, UTC).strftime("%H:%M:%S")
    text = value if isinstance(value, str) else json.dumps(value)
    return UUID.sub(r"\1…", text)
