"""Writes the generated part of docs/reference from the code; with `--check`, says what is out of date."""

import argparse
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deputize.authority.directory import objects
from deputize.authority.directory.objects.agreement import AgreementLanguage
from deputize.authority.directory.objects.resource import ResourceAttribute, ResourceScope
from deputize.authority.management.schemas import attribute_docstrings
from deputize.authority.signon.steps import STEPS
from deputize.cli import DeferredCommand
from deputize.cli import main as deputize
from deputize.diagnosis.causes import CAUSES
from deputize.diagnosis.refusals import REFUSALS
from deputize.expressions.functions.function import Function
from deputize.expressions.functions.gateway import GATEWAY_FUNCTIONS
from deputize.expressions.functions.mapping import MAPPING_FUNCTIONS
from deputize.expressions.gateway import Template
from deputize.expressions.patterns import Pattern
from deputize.gateway import catalogue
from deputize.gateway.audit import AUDIT_OBJECTS
from deputize.gateway.audit.event_handlers import EVENT_HANDLERS
from deputize.gateway.config.compatibility import ABSENT, DIFFERENCES
from deputize.gateway.config.file_settings import AdminSettings, GatewaySettings, RouteSettings
from deputize.gateway.config.settings import Settings
from deputize.gateway.decorators import DECORATORS
from deputize.gateway.exchange.targets import AssignmentTarget
from deputize.gateway.filters import FILTERS
from deputize.gateway.filters.allow_only import AddressRange, PortRange
from deputize.gateway.handlers import HANDLERS
from deputize.gateway.inert import INERT_OBJECTS
from deputize.gateway.loading.names import PING_CONTEXTS, PING_MEMBERS, PING_ROOTS
from deputize.gateway.policies import POLICIES
from deputize.gateway.resolvers import RESOLVERS
from deputize.gateway.secrets import SECRET_OBJECTS
from deputize.gateway.throttling import THROTTLING_POLICIES
from deputize.gateway.tls import TLS_OBJECTS
from deputize.kernel import durations
from deputize.oauth.grants import GRANTS
from deputize.oauth.records.settings import IdentityAssertion, TrustedIssuer, TrustedUsers, Workload
from tools.gateway_schema import schemas as gateway_schemas
from tools.management_api import management_api_page, openapi_text

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
EXAMPLES = FOLDER.parents[1] / "tests" / "golden" / "functions" / "gateway.txt"
NOTE = "<!-- Written by `make docs` from the code; change the code, not this page. -->\n"
GROUPS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("Filters", FILTERS),
    ("Handlers", HANDLERS),
    ("Access-token resolvers", RESOLVERS),
    ("Secrets", SECRET_OBJECTS),
    ("TLS", TLS_OBJECTS),
    ("Throttling policies", THROTTLING_POLICIES),
    ("Policies", POLICIES),
    ("Audit", AUDIT_OBJECTS),
    ("Decorators", DECORATORS),
    ("Accepted, without effect", INERT_OBJECTS),
)
CAUSES_PAGE = "../howto/troubleshooting.md"
CAUSES_BEGIN = "<!-- causes: written by `make docs` from deputize/diagnosis/causes.py and refusals.py -->"
CAUSES_END = "<!-- end of causes -->"
FILES: tuple[tuple[str, type[Settings]], ...] = (
    ("`config/admin.json`", AdminSettings),
    ("`config/config.json`, which may be absent", GatewaySettings),
    ("`config/routes/*.json`", RouteSettings),
)
ENTRIES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The file", objects.EnvironmentFile),
    ("trusted_issuers", TrustedIssuer),
    ("trusted_issuers: users", TrustedUsers),
    ("registration", objects.RegistrationObject),
    ("registration: agent", objects.AgentTemplate),
    ("resources", objects.ResourceObject),
    ("resources: attributes", ResourceAttribute),
    ("resources: scopes", ResourceScope),
    ("agreements", objects.AgreementObject),
    ("agreements: languages", AgreementLanguage),
    ("policies", objects.PolicyObject),
    ("agents", objects.AgentObject),
    ("agents: workloads", Workload),
    ("agents: identity_assertions", IdentityAssertion),
    ("users", objects.UserObject),
)
PARAGRAPH = "\n\n"
OBJECT = "name of a heap object, or an object"
WRITTEN_AS = {
    "_parse_duration": "duration",
    "_seconds": "duration",
    "_interval": "duration or `never`",
    "_to_reference": OBJECT,
    "_find_charset": "character set",
    "_find_separator": "`COMMA`, `COLON`, `TAB` or a character",
}
CONTAINERS: Mapping[Any, tuple[str, int]] = {
    Annotated: ("", 0),
    tuple: ("list of ", 0),
    list: ("list of ", 0),
    dict: ("object of ", 1),
    Mapping: ("object of ", 1),
}
"""How a container is read, and which of its type arguments its items have."""
NAMED: Mapping[Any, str] = {
    str: "text",
    int: "number",
    float: "number",
    bool: "`true` or `false`",
    Template: "runtime expression",
    AssignmentTarget: "assignable expression",
    Pattern: "regular expression",
    AddressRange: "address, network or range",
    PortRange: "port or range",
    Any: "anything",
}
OBJECTS_INTRODUCTION = """\
Every object has a `type`, usually a `name`, and a `config` with the keys below. A *duration* is English text
such as `20 seconds`, `1 hour and 30 minutes` or `unlimited`. A *runtime expression* is a text that may hold
`${…}` and is evaluated for each request; every other text may hold `${…}` too and is evaluated once, at load.
Where a list is expected, one bare value stands for a list of one. Unknown keys are accepted and warned about
by name.
"""
COMPATIBILITY_INTRODUCTION = """\
What becomes of files that were written for PingGateway. `deputize gateway check` says the same about each
file. Keys that a type here does not read are accepted and warned about; [the reference](gateway-objects.md)
lists those it reads. Of decorations, `baseURI`, `capture` and `timer` work, and `tracing` has no effect.
Tokens (`&{…}`), transformations (`$int` …), `$location`, `${…}` and `#{…}` work.

"""
FUNCTIONS_INTRODUCTION = f"""\
Installed packages can add functions: an entry point in the group `{MAPPING_FUNCTIONS.group}` or
`{GATEWAY_FUNCTIONS.group}` names a `deputize.expressions.Function`. Its name is what expressions write
(`library.function` in mappings, `function`, or `.function` for one that is called on a value), its first
number of arguments the fewest it takes, its second the most. It gets JSON values and returns one, raises
`deputize.expressions.OperandError` for what it refuses, and must neither wait nor look at anything else. A
name that exists already is refused, and so is a function that cannot be called as it says.
"""


def main() -> int:
    """Write the pages, or check them; return 0 if they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [name for name, text in _pages().items() if not _is_current(FOLDER / name, text, check)]
    print(
        "\n".join(f"docs/reference/{name} is out of date; run `make docs`" for name in stale)
        or "reference: up to date"
    )
    return 1 if stale else 0


def _pages() -> dict[str, str]:
    return {
        "gateway-objects.md": _gateway_objects(),
        "compatibility.md": _compatibility(),
        "environment-file.md": _environment_file(),
        "expression-functions.md": _functions(),
        "commands.md": _commands(),
        "management-api.md": f"# The management API\n\n{NOTE}\n{management_api_page()}",
        "openapi.json": openapi_text(),
        **dict(gateway_schemas()),
        CAUSES_PAGE: _with_causes((FOLDER / CAUSES_PAGE).read_text("utf-8")),
    }


def _with_causes(page: str) -> str:
    """Return the guide with the catalogue of causes between its two marks."""
    before, _, rest = page.partition(CAUSES_BEGIN)
    _, _, after = rest.partition(CAUSES_END)
    rows = ["| You see | Cause | Do | Where |", "|---|---|---|---|"]
    for cause in (*CAUSES.values(), *REFUSALS):
        texts = (cause.symptom, cause.tell(cause.cause, {}), cause.tell(cause.fix, {}))
        told = " | ".join(text.replace("|", "\\|") for text in texts)
        rows.append(f'| <a id="{cause.id}"></a>{told} | {cause.setting.place if cause.setting else ""} |')
    listed = "\n".join(rows)
    return f"{before}{CAUSES_BEGIN}\n\n{listed}\n\n{CAUSES_END}{after}"


def _is_current(path: Path, text: str, check: bool) -> bool:  # noqa: FBT001
    if not check:
        path.write_text(text, "utf-8")
    return path.exists() and path.read_text("utf-8") == text


def _gateway_objects() -> str:
    sections = [
        f"# Gateway objects\n\n{NOTE}\n{OBJECTS_INTRODUCTION}",
        "\n## The files of an instance folder\n",
    ]
    sections.extend(_named_model(title, model) for title, model in FILES)
    for title, kinds in GROUPS:
        sections.append(f"\n## {title}\n")
        sections.extend(_object(kind) for kind in kinds)
    sections.extend(
        _named_model(f"Configuration of `{kind.__name__}`", kind.Config) for kind in EVENT_HANDLERS.own
    )
    return "\n".join(sections)


def _compatibility() -> str:
    """Return what becomes of each type, context and function that files of PingGateway name."""
    types = [name for kind in catalogue.HEAP_TYPES.own for name in catalogue.type_names(kind)]
    rows = {name: f"| `{name}` | works | {_cell(DIFFERENCES.get(name, ''))} |" for name in types}
    rows |= {
        name: f"| `{name}` | no | It {_cell(each.reason)}. Instead: {_cell(each.instead)}. |"
        for name, each in ABSENT.items()
    }
    contexts = {f"contexts.{name}" for name in PING_CONTEXTS}
    absent_names = [f"`{name}`" for name in sorted(PING_ROOTS | contexts | PING_MEMBERS)]
    functions = ", ".join(f"`{each.name}`" for each in GATEWAY_FUNCTIONS.own)
    return "\n".join(
        [
            f"# Compatibility\n\n{NOTE}\n{COMPATIBILITY_INTRODUCTION}",
            "## Object types\n\n| Type | Here | |\n|---|---|---|",
            *(rows[name] for name in sorted(rows, key=str.lower)),
            "\n## Names in expressions\n",
            "Always missing here, and warned about: "
            + ", ".join(f"`{name}`" for name in absent_names)
            + ".\n",
            f"## Functions and methods\n\nAll of the original, and more: {functions}.\n",
        ]
    )


def _named_model(title: str, model: type[Settings]) -> str:
    return "\n\n".join([f"### {title}", inspect.getdoc(model) or "", _table(model), *_parts(model)]) + "\n"


def _parts(model: type[BaseModel]) -> Iterator[str]:
    """Yield a table for each record that `model` is made of."""
    for part in dict.fromkeys(
        part for field in model.model_fields.values() for part in _records_in(field.annotation)
    ):
        yield f"#### {part.__name__}"
        yield inspect.getdoc(part) or ""
        yield _table(part)


def _records_in(annotation: Any) -> tuple[type[Settings], ...]:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return (annotation,)
    return tuple(record for inner in get_args(annotation) for record in _records_in(inner))


def _object(kind: Any) -> str:  # noqa: ANN401
    name, *others = catalogue.type_names(kind)
    also = f" (also `{'`, `'.join(others)}`)" if others else ""
    about = [inspect.getdoc(kind) or "", inspect.getdoc(kind.Config) or ""]
    parts = [f"### `{name}`{also}", *about, _table(kind.Config), *_parts(kind.Config)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(model: type[BaseModel]) -> str:
    if not model.model_fields:
        return "No configuration."
    about = attribute_docstrings(model)
    rows = [_row(name, field, about.get(name, "")) for name, field in model.model_fields.items()]
    return "\n".join(["| Key | Takes | Required | Default | Meaning |", "|---|---|---|---|---|", *rows])


def _row(name: str, field: FieldInfo, about: str) -> str:
    required = "yes" if field.is_required() else "no"
    return f"| `{field.alias or name}` | {_type(field)} | {required} | {_default(field)} | {_cell(about)} |"


def _type(field: FieldInfo) -> str:
    """Return what a reader writes there, in the words of the documentation."""
    validators = {getattr(getattr(each, "func", None), "__name__", "") for each in field.metadata}
    for validator, word in WRITTEN_AS.items():
        if validator in validators:
            return word
    return _words(field.annotation)


def _words(annotation: Any) -> str:  # noqa: ANN401
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _cell(" | ".join(f"`{each}`" for each in inner))
    if origin in CONTAINERS:
        word, item = CONTAINERS[origin]
        return word + _words(inner[item])
    if str in inner and dict[str, Any] in inner:
        return OBJECT
    if inner:
        return " or ".join(dict.fromkeys(_words(each) for each in inner if each is not type(None)))
    return NAMED.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    value: Any = None if field.is_required() or field.default_factory else field.default
    parts = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,)
    holds_settings = any(isinstance(each, BaseModel) for each in parts)
    if value is None or holds_settings or value in ((), [], "", {}):
        return ""
    if _type(field).startswith("duration"):
        return f"`{durations.write(cast('float', value))}`"
    return (
        f"`{json.dumps(value)}`"
        if isinstance(value, bool | int | float | str | tuple)
        else f"`{getattr(value, 'source', value)}`"
    )


def _environment_file() -> str:
    sections = [f"# Environment files\n\n{NOTE}"]
    sections.extend(f"## {title}\n\n{inspect.getdoc(model)}\n\n{_table(model)}\n" for title, model in ENTRIES)
    sections.append(_grants())
    sections.extend(_steps())
    sections.append("## Mappings\n\nWhat `mapping` may name:\n\n| Name | Expression |\n|---|---|")
    return (
        "\n".join([*sections, *(f"| {name} | `{source}` |" for name, source in objects.MAPPINGS.items())])
        + "\n"
    )


def _grants() -> str:
    """Return the table of grants, each with the word for it in files and the first paragraph about it."""
    rows = [
        f"| `{grant.word}` | `{grant.grant_type}` | {_cell(_about(grant.handle))} |" for grant in GRANTS.own
    ]
    table = "\n".join(["| Word | `grant_type` on the wire | Meaning |", "|---|---|---|", *rows])
    return (
        "## agents: grants\n\nThe word for a URN is its last part, in lower case and with `_` for `-`. "
        f"Packages can add grants.\n\n{table}\n"
    )


def _about(function: Callable[..., object]) -> str:
    """Return the first paragraph of the docstring of a function's module."""
    return (inspect.getdoc(inspect.getmodule(function)) or "").split(PARAGRAPH)[0]


def _steps() -> Iterator[str]:
    """Yield the steps of policies, and their settings where they have any."""
    rows = [f"| `{step.name}` | {_cell(_about(step.submit))} |" for step in STEPS.own]
    table = "\n".join(["| Key | Meaning |", "|---|---|", *rows])
    yield (
        "## policies: steps\n\nA step has exactly one key, named like its kind, which holds its settings; "
        f"`{{}}` where it has none. Packages can add kinds.\n\n{table}\n"
    )
    for step in STEPS.own:
        if step.settings.model_fields:
            text = inspect.getdoc(step.settings)
            yield f"## policies: steps: {step.name}\n\n{text}\n\n{_table(step.settings)}\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _functions() -> str:
    sections = [
        f"# Expression functions\n\n{NOTE}\n{FUNCTIONS_INTRODUCTION}",
        "\n## Mapping expressions\n",
        "Called as `#library.function(…)`.\n",
    ]
    for library, functions in groupby(MAPPING_FUNCTIONS.own, lambda each: each.name.partition(".")[0]):
        sections.append(f"### `#{library}`\n\n" + "\n".join(_function_rows(functions)) + "\n")
    methods = [each for each in GATEWAY_FUNCTIONS.own if each.name.startswith(".")]
    others = [each for each in GATEWAY_FUNCTIONS.own if each not in methods]
    sections.append("## Gateway expressions\n\n" + "\n".join(_example_rows(others)))
    sections.append(
        "\n### On values\n\nCalled on a value, as in `request.method.startsWith('P')`.\n\n"
        + "\n".join(_example_rows(methods))
        + "\n"
    )
    return "\n".join(sections)


def _function_rows(functions: Iterable[Function]) -> Iterator[str]:
    yield from ("| Function | Takes |", "|---|---|")
    yield from (f"| `{each.name.rpartition('.')[2]}` | {each.arity} |" for each in functions)


def _example_rows(functions: Iterable[Function]) -> Iterator[str]:
    """Yield rows with the examples that a test evaluates."""
    examples: dict[str, str] = {}
    for line in EXAMPLES.read_text("utf-8").splitlines():
        name, _, rest = line.partition(": ")
        expression, _, value = rest.rpartition(" -> ")
        examples[name] = _cell(f"`{expression}` is `{value}`")
    yield from ("| Function | Takes | Example |", "|---|---|---|")
    yield from (
        f"| `{each.name.rpartition('.')[2]}` | {each.arity} | {examples[each.name]} |" for each in functions
    )


def _commands() -> str:
    return f"# Commands\n\n{NOTE}\n" + "\n".join(_command(deputize, "deputize"))


def _command(command: click.Command, path: str) -> Iterator[str]:
    with click.Context(command, info_name=path, terminal_width=100, max_content_width=100) as context:
        yield f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            whole = inner.load() if isinstance(inner, DeferredCommand) else inner
            yield from _command(whole, f"{path} {name}")


if __name__ == "__main__":
    sys.exit(main())
