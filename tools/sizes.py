"""Checks the size limits of the source: functions of at most 60 lines, files of at most 500."""

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ("src", "samples", "demo", "tools", "bench", "interop")
MAX_FILE, MAX_FUNCTION = 500, 60


def main() -> int:
    """Print what is too large and the overall shape; return 1 if anything is."""
    files = [path for name in MEASURED for path in sorted((ROOT / name).rglob("*.py"))]
    problems = list(_problems(files))
    lengths = sorted(
        length for path in files if path.is_relative_to(ROOT / "src") for _, length in _functions(path)
    )
    median, ninetieth = statistics.median(lengths), lengths[len(lengths) * 9 // 10]
    print("\n".join(problems), end="\n" if problems else "")
    print(
        f"sizes: {len(files)} files, {len(lengths)} functions in src, median {median}, 90th {ninetieth}, "
        f"longest {lengths[-1]}"
    )
    return 1 if problems else 0


def _problems(files: list[Path]) -> Iterator[str]:
    for path in files:
        name = path.relative_to(ROOT)
        lines = path.read_text("utf-8").count("\n")
        if lines > MAX_FILE:
            yield f"{name}: {lines} lines, at most {MAX_FILE}"
        for function, length in _functions(path):
            if length > MAX_FUNCTION:
                yield f"{name}:{function.lineno}: {function.name} has {length} lines, at most {MAX_FUNCTION}"


def _functions(path: Path) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, _length(node)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of the body without its docstring: explaining more must never be a reason to split."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1


if __name__ == "__main__":
    sys.exit(main())
