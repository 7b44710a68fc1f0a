"""COAZ-MCP: what of an MCP call a decision point is asked (OpenID AuthZEN, COAZ binding for MCP, draft 1).

Each method has a default mapping, which says nothing of arguments. A tool declares its own as
`x-authzen-mapping` in its input schema. Of the expressions in it, those that select a claim or a parameter
are understood; others need an evaluator of CEL, and a tool that uses them is denied.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, cast

from deputize.gateway.policies.arguments import ExactValue
from deputize.gateway.policies.request import TOOL_CALL, PolicyRequest
from deputize.kernel.errors import DeputizeError
from deputize.kernel.values import JsonObject, JsonValue

DECLARED: Final = "x-authzen-mapping"
_SERVER: Final = "mcp_server"
_DEFAULTS: Final[Mapping[str, str]] = {
    "initialize": _SERVER,
    "logging/setLevel": _SERVER,
    "prompts/get": "prompt",
    "prompts/list": _SERVER,
    "resources/list": _SERVER,
    "resources/read": "resource",
    "resources/subscribe": "resource",
    "resources/unsubscribe": "resource",
    "tasks/cancel": "task",
    "tasks/get": "task",
    "tasks/list": _SERVER,
    "tasks/result": "task",
    "tools/call": "tool",
    "tools/list": _SERVER,
}
"""The type of the resource by method; that of a list is the server."""
_SUBJECT: Final = "$token.sub"
_STEP: Final = re.compile(
    r"""\.(?P<optional>\?)?(?P<name>[A-Za-z_]\w*)|\[(?P<quote>['"])(?P<quoted>[^'"\\]+)(?P=quote)\]"""
)
_ROOTS: Final = ("token", "params")
_REQUIRED: Final = ("action", "resource")
_EVALUATION: Final = frozenset({"subject", "action", "resource", "context"})


class MappingError(DeputizeError):
    """No question can be asked: a mapping is malformed, or selects what is not there."""


@dataclass(frozen=True, slots=True)
class CoazSelection:
    """An expression that selects a claim or a parameter."""

    source: str
    root: str
    steps: tuple[tuple[str, bool], ...]
    """The names on the way, and whether each may be missing."""


@dataclass(frozen=True, slots=True)
class DeclaredMapping:
    """How the calls of one tool are asked about."""

    template: "Mapping[str, CoazTemplate]"
    """The members of a question that are common to all evaluations."""
    evaluations: "tuple[Mapping[str, CoazTemplate], ...]"
    """One question each, of members that take the place of the common ones."""


CoazTemplate = (
    CoazSelection | str | bool | int | float | None | Sequence["CoazTemplate"] | Mapping[str, "CoazTemplate"]
)


def read_mapping(declared: JsonValue) -> DeclaredMapping:
    """Read a declared mapping. Raises `MappingError`.

    Stricter than the binding: the subject is always that of the token.
    """
    if not isinstance(declared, Mapping) or len(declared) != 1:
        raise MappingError("the mapping has not exactly one member, 'evaluation' or 'evaluations'")
    (envelope, body), *_ = declared.items()
    if envelope not in {"evaluation", "evaluations"} or not isinstance(body, Mapping):
        raise MappingError("the mapping is neither an 'evaluation' nor 'evaluations'")
    entries: JsonValue = body.get("evaluations") if envelope == "evaluations" else [{}]
    if not isinstance(entries, list) or not entries:
        raise MappingError("'evaluations' has no evaluations")
    common = {name: each for name, each in body.items() if name != "evaluations"}
    subject = common.get("subject", {})
    if not isinstance(subject, Mapping) or subject.get("id", _SUBJECT) != _SUBJECT:
        raise MappingError(f"the subject is not that of the token, {_SUBJECT}")
    common["subject"] = {"type": "identity", **subject, "id": _SUBJECT}
    found: list[Mapping[str, CoazTemplate]] = []
    for entry in cast("list[JsonValue]", entries):
        if not isinstance(entry, Mapping) or "subject" in entry:
            raise MappingError("an evaluation is no object, or has a subject of its own")
        whole = {**common, **entry}
        if not whole.keys() <= _EVALUATION:
            raise MappingError(f"an evaluation has none but {', '.join(sorted(_EVALUATION))}")
        if any(not isinstance(whole.get(name), Mapping) for name in _REQUIRED):
            raise MappingError("an evaluation lacks its action or its resource")
        if not isinstance(whole.get("context", {}), Mapping):
            raise MappingError("the context is no object")
        found.append({name: _compile(each) for name, each in entry.items()})
    return DeclaredMapping({name: _compile(each) for name, each in common.items()}, tuple(found))


def read_mappings(tools: Mapping[str, JsonObject]) -> tuple[dict[str, DeclaredMapping], dict[str, str]]:
    """Return what `tools` declare in their input schemas, and why some of it cannot be used."""
    found: dict[str, DeclaredMapping] = {}
    flaws: dict[str, str] = {}
    for name, schema in tools.items():
        if DECLARED in schema:
            try:
                found[name] = read_mapping(schema[DECLARED])
            except MappingError as error:
                flaws[name] = str(error)
    return found, flaws


def make_questions(request: PolicyRequest, declared: DeclaredMapping | None) -> tuple[JsonObject, ...]:
    """Return the bodies of access evaluation requests, all of which have to be permitted.

    `declared` is the mapping of the request's tool. Raises `MappingError`.
    """
    if declared is not None and request.method == TOOL_CALL:
        inputs = {
            "token": request.claims,
            "params": {"name": request.tool, "arguments": _plain(request.arguments)},
        }
        return tuple(
            _anchor(_fill_members({**declared.template, **each}, inputs), request)
            for each in declared.evaluations
        )
    kind = _DEFAULTS.get(request.method)
    if kind is None:
        raise MappingError(f"there is no mapping for {request.method}")
    target = request.server if kind == _SERVER else request.tool
    if not target:
        raise MappingError("the request names nothing")
    question: dict[str, JsonValue] = {
        "subject": {"type": "identity", "id": request.user},
        "action": {"name": request.method},
        "resource": {"type": kind, "id": target},
    }
    return (_anchor(question, request),)


def _anchor(question: Mapping[str, JsonValue], request: PolicyRequest) -> JsonObject:
    """Say who asks: user and agent are the token's, whatever a mapping says."""
    subject, context = question["subject"], question.get("context", {})
    if not isinstance(subject, Mapping) or not isinstance(context, Mapping):
        raise MappingError("the subject or the context is no object")
    for name in _REQUIRED:
        if not isinstance(question[name], Mapping):
            raise MappingError(f"the {name} is no object")
    agent: JsonObject = {"agent": request.agent} if request.agent else {}
    return {**question, "subject": {**subject, "id": request.user}, "context": {**context, **agent}}


def _compile(value: JsonValue) -> CoazTemplate:
    if isinstance(value, Mapping):
        return {name: _compile(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_compile(each) for each in value]
    if not isinstance(value, str) or not value.startswith("$"):
        return cast("CoazTemplate", value)
    return value[1:] if value.startswith("$$") else _read_selection(value)


def _read_selection(source: str) -> CoazSelection:
    root = next((each for each in _ROOTS if source[1:].startswith(each)), "")
    rest = source[1 + len(root) :]
    steps = list(_STEP.finditer(rest))
    if not root or not steps or "".join(step.group() for step in steps) != rest:
        raise MappingError(f"the expression {source!r} does more than select a claim or a parameter")
    return CoazSelection(
        source, root, tuple((step["name"] or step["quoted"], step["optional"] is not None) for step in steps)
    )


def _fill_members(
    template: Mapping[str, CoazTemplate], inputs: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    return dict(_filled(template, inputs))


def _filled(
    template: Mapping[str, CoazTemplate], inputs: Mapping[str, JsonValue]
) -> Iterator[tuple[str, JsonValue]]:
    for name, each in template.items():
        found = _fill(each, inputs)
        if not isinstance(found, _Absent):
            yield name, found


class _Absent:
    """What is optional and not there."""


def _fill(template: CoazTemplate, inputs: Mapping[str, JsonValue]) -> JsonValue | _Absent:
    if isinstance(template, Mapping):
        return _fill_members(template, inputs)
    if isinstance(template, Sequence) and not isinstance(template, str):
        items = [_fill(each, inputs) for each in template]
        return [each for each in items if not isinstance(each, _Absent)]
    if not isinstance(template, CoazSelection):
        return template
    value: JsonValue = inputs[template.root]
    for name, is_optional in template.steps:
        if not isinstance(value, Mapping) or name not in value:
            if is_optional:
                return _Absent()
            raise MappingError(f"the expression {template.source!r} selects what is not there")
        value = value[name]
    return value


def _plain(value: ExactValue) -> JsonValue:
    """Return `value` as ordinary JSON, which has the same numbers: others were refused when it was read."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value
