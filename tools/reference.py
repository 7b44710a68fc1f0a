"""Writes the generated part of docs/reference from the code itself; with `--check`, says what is out of date."""

import argparse
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from pydantic.fields import FieldInfo

from deputize.cli import main as deputize
from deputize.expressions.functions.function import Function
from deputize.expressions.functions.gateway import FUNCTIONS, METHODS
from deputize.expressions.functions.mapping import LIBRARIES
from deputize.gateway import catalogue
from deputize.gateway.audit_objects import AUDIT_OBJECTS
from deputize.gateway.filters import FILTERS
from deputize.gateway.handlers import HANDLERS
from deputize.gateway.resolvers import RESOLVERS
from deputize.gateway.secret_objects import SECRET_OBJECTS

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE = "<!-- Written by `make docs` from the code; change the code, not this page. -->\n"
GROUPS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("Filters", FILTERS),
    ("Handlers", HANDLERS),
    ("Access-token resolvers", RESOLVERS),
    ("Secrets and TLS", SECRET_OBJECTS),
    ("Audit", AUDIT_OBJECTS),
)


def main() -> int:
    """0 if the pages are as they should be, or were written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [name for name, text in _pages().items() if not _is_current(FOLDER / name, text, check)]
    print("\n".join(f"docs/reference/{name} is out of date; run `make docs`" for name in stale) or "reference: up to date")
    return 1 if stale else 0


def _pages() -> dict[str, str]:
    return {"gateway-objects.md": _gateway_objects(), "expression-functions.md": _functions(), "commands.md": _commands()}


def _is_current(path: Path, text: str, check: bool) -> bool:  # noqa: FBT001
    if not check:
        path.write_text(text, "utf-8")
    return path.exists() and path.read_text("utf-8") == text


def _gateway_objects() -> str:
    sections = [f"# Gateway objects\n\n{NOTE}"]
    for title, kinds in GROUPS:
        sections.append(f"\n## {title}\n")
        sections.extend(_object(kind) for kind in kinds)
    return "\n".join(sections)


def _object(kind: Any) -> str:  # noqa: ANN401
    names = catalogue.type_names(kind)
    also = f" (also `{'`, `'.join(names[1:])}`)" if len(names) > 1 else ""
    settings = kind.Config.model_fields
    rows = [_row(name, field) for name, field in settings.items()]
    table = "\n".join(["| Key | Required | Default | Meaning |", "|---|---|---|---|", *rows]) if rows else "No configuration."
    return f"### `{names[0]}`{also}\n\n{_first_paragraph(kind)}\n\n{_first_paragraph(kind.Config)}\n\n{table}\n"


def _row(name: str, field: FieldInfo) -> str:
    default = "" if field.is_required() else _default(field)
    return f"| `{field.alias or name}` | {'yes' if field.is_required() else 'no'} | {default} | {_cell(field.description or '')} |"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True) if not field.default_factory else ""
    return "" if value in (None, "", (), {}) else f"`{str(getattr(value, 'source', value)).lower() if isinstance(value, bool) else value}`"


def _first_paragraph(thing: object) -> str:
    return _cell((inspect.getdoc(thing) or "").partition("\n\n")[0])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _functions() -> str:
    sections = [f"# Expression functions\n\n{NOTE}", "\n## Mapping expressions\n", "Called as `#library.function(…)`.\n"]
    for library, functions in LIBRARIES.items():
        sections.append(f"### `#{library}`\n\n" + "\n".join(_function_rows(functions)) + "\n")
    sections.append("## Gateway expressions\n\n" + "\n".join(_function_rows(FUNCTIONS)))
    sections.append(
        "\n### On values\n\nCalled on a value, as in `request.method.startsWith('P')`.\n\n" + "\n".join(_function_rows(METHODS)) + "\n"
    )
    return "\n".join(sections)


def _function_rows(functions: Mapping[str, Function]) -> Iterator[str]:
    yield from ("| Function | Takes |", "|---|---|")
    yield from (f"| `{name}` | {function.arity} |" for name, function in functions.items())


def _commands() -> str:
    return f"# Commands\n\n{NOTE}\n" + "\n".join(_command(deputize, "deputize"))


def _command(command: click.Command, path: str) -> Iterator[str]:
    with click.Context(command, info_name=path, terminal_width=100, max_content_width=100) as context:
        yield f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _command(inner, f"{path} {name}")


if __name__ == "__main__":
    sys.exit(main())
