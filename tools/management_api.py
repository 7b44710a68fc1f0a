"""The pages about the management API, made of its description."""

import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from deputize.authority.management.app import document

INTRODUCTION = """\
Everything console and commands can do, over HTTP at `/v1`. A running authority serves its description
(OpenAPI 3.1) at `/v1/openapi.json`, which is [openapi.json](openapi.json) here, and a page about it at
`/v1/docs`. How to use it: [the guide](../howto/use-the-management-api.md).

*Who may* are the roles of which one is enough; an agent owner may only what concerns agents whose `owner`
they are. Members of entries are those of [environment files](environment-file.md).
"""
HEAD = "| Operation | Does | Who may | Takes | Parameters |\n|---|---|---|---|---|"


def openapi_text() -> str:
    """Return the description."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def management_api_page() -> str:
    """Return the page: a table of operations for each kind of thing."""
    operations = [
        (operation["tags"][0], method.upper(), path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]
    order = list(dict.fromkeys(each[0] for each in operations))
    operations.sort(key=lambda each: order.index(each[0]))
    parts = [INTRODUCTION]
    for tag, found in groupby(operations, key=lambda each: each[0]):
        rows = "\n".join(_row(*each[1:]) for each in found)
        parts.append(f"## {tag.capitalize()}\n\n{HEAD}\n{rows}\n")
    return "\n".join(parts)


def _row(method: str, path: str, operation: Mapping[str, Any]) -> str:
    roles = dict.fromkeys(role for way in operation["security"] for roles in way.values() for role in roles)
    who = "any" if len(roles) == 3 else ", ".join(role.replace("_", " ") for role in roles)
    content = operation.get("requestBody", {}).get("content", {})
    names = dict.fromkeys(each["schema"]["$ref"].rpartition("/")[2] for each in content.values())
    takes = ", ".join(f"`{name}`" for name in names)
    parameters = ", ".join(
        f"`{each['name']}`" for each in operation.get("parameters", ()) if each["in"] == "query"
    )
    return f"| `{method} {path}` | {operation['summary']} | {who} | {takes} | {parameters} |"
