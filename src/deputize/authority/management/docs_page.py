"""The page that describes the API: made here of its description, with nothing of any other host."""

import json
from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

STYLE: Final = """\
:root { color-scheme: light dark; --line: #8886; --soft: #8881; }
html { color: light-dark(#16232b, #e8eef0); background: light-dark(#fff, #121212); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
a { color: light-dark(#0b57d0, #a8c7fa); }
td, th, summary, code { overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; min-height: 1.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); text-align: left; padding: .3rem .5rem; vertical-align: top; }
"""
_PAGE: Final = Markup(
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<link rel="stylesheet" href="/v1/docs/style.css"></head><body><main><h1>{title}</h1><p>{summary}</p>'
    '<p><a href="/v1/openapi.json">OpenAPI document</a></p><h2>Operations</h2>{operations}'
    "<h2>Schemas</h2>{schemas}</main></body></html>\n"
)
_OPERATION: Final = Markup(
    '<details id="{id}"><summary><code>{method} {path}</code> {summary}</summary>{parameters}{bodies}'
    "<table><thead><tr><th>Status</th><th>Meaning</th><th>Body</th></tr></thead><tbody>{answers}</tbody></table>"
    "</details>"
)
_ROW: Final = Markup("<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>")
_TABLE: Final = Markup(
    "<table><thead><tr><th>{}</th><th>Takes</th><th>Meaning</th></tr></thead><tbody>{}</tbody></table>"
)


def render_docs(document: Mapping[str, Any]) -> str:
    """Return the page about an API with this description."""
    operations = Markup("").join(
        _render_operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    schemas = Markup("").join(
        _render_schema(name, schema) for name, schema in document["components"]["schemas"].items()
    )
    info = document["info"]
    return _PAGE.format(title=info["title"], summary=info["summary"], operations=operations, schemas=schemas)


def _render_operation(path: str, method: str, operation: Mapping[str, Any]) -> Markup:
    parameters = Markup("").join(
        _ROW.format(each["name"], f"{each['in']}", each.get("description", ""))
        for each in operation.get("parameters", ())
    )
    content = operation.get("requestBody", {}).get("content", {})
    bodies = Markup("").join(
        Markup("<p>Body <code>{}</code>: {}</p>").format(kind, _link(each["schema"]))
        for kind, each in content.items()
    )
    answers = Markup("").join(
        _ROW.format(status, each["description"], _answer_link(each))
        for status, each in operation["responses"].items()
    )
    return _OPERATION.format(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        parameters=_TABLE.format("Parameter", parameters) if parameters else "",
        bodies=bodies,
        answers=answers,
    )


def _answer_link(answer: Mapping[str, Any]) -> Markup:
    links = (_link(each["schema"]) for each in answer.get("content", {}).values() if "schema" in each)
    return next(links, Markup(""))


def _link(schema: Mapping[str, Any]) -> Markup:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return Markup('<a href="#schema-{0}">{0}</a>').format(name) if name else Markup("")


def _render_schema(name: str, schema: Mapping[str, Any]) -> Markup:
    rows = Markup("").join(
        _ROW.format(member, _taken(each), each.get("description", ""))
        for member, each in schema.get("properties", {}).items()
    )
    table = (
        _TABLE.format("Member", rows)
        if rows
        else Markup("<pre>{}</pre>").format(json.dumps(schema, indent=1))
    )
    about = schema.get("description", "")
    return Markup(
        '<details id="schema-{0}"><summary><code>{0}</code></summary><p>{1}</p>{2}</details>'
    ).format(name, about, table)


def _taken(schema: Mapping[str, Any]) -> Markup:
    """Return what a member takes, in a few words."""
    if "$ref" in schema:
        return _link(schema)
    if "anyOf" in schema:
        return Markup(" or ").join(_taken(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return Markup(", ").join(schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return Markup("list of {}").format(_taken(schema.get("items", {})))
    return Markup.escape(str(schema.get("type", "anything")))
