"""The source as syntax trees, each file parsed and walked once however many tests judge it."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "deputize"


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of a file, the module first."""
    return tuple(ast.walk(ast.parse(path.read_text("utf-8"))))


def nodes_below(folder: Path = SOURCE) -> Mapping[Path, tuple[ast.AST, ...]]:
    """Return the nodes of each file in `folder` and below, in the order of their paths."""
    return {path: nodes_of(path) for path in sorted(folder.rglob("*.py"))}


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the whole names of what a file imports, at its top or inside a function."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
