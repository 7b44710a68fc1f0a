"""Cedar policies (https://docs.cedarpolicy.com), evaluated in this process by cedarpy.

A call of a tool is the request: principal `Agent::"<client id>"`, action `Action::"<tool>"` in the group
`Action::"tools/call"`, resource `Tool::"<tool>"` in `Server::"<identifier>"`, and the rest in `context`. The
schema is made from the tools' input schemas, so that a rule is judged when it is loaded, and not by the first
call that it should have stopped.

Imports cedarpy: import this module where a policy is used.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Self, cast

import cedarpy
from cedarpy import pst

from deputize.gateway.policies.cedar_types import (
    CedarMember,
    CedarRecord,
    CedarString,
    Unmappable,
    cedar_decimal,
    map_arguments,
)
from deputize.gateway.policies.request import TOOL_CALL, Decision, Effect, PolicyRequest, deny, permit
from deputize.kernel.errors import ConfigurationError, Faults, Position
from deputize.kernel.strict_json import JsonError, dumps
from deputize.kernel.values import JsonObject, JsonValue

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|;|[^";/]+|["/]', re.DOTALL)
_POLICY_PREFIX: Final = re.compile(r"^(?:Policy parse error: |for policy `[^`]*`, )")
_ILL_TYPED: Final = 'when { 1 + "x" == 1 };'
"""A clause that Cedar's type checker refuses wherever it can be reached."""
_NOTHING: Final = CedarRecord({})


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """The text of a file of policies."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class _CedarRule:
    """One policy of a file."""

    text: str
    position: Position
    name: str
    """Its `@id`, or else file and line."""
    question: str | None
    """What its `@ask` asks the user."""
    parsed: pst.Template


@dataclass(frozen=True, slots=True)
class _Tool:
    """What is prepared for the calls of one tool."""

    arguments: CedarRecord
    rules: Mapping[str, _CedarRule]
    """Those that may match, by the id that Cedar gave them."""
    policies: cedarpy.PolicySet
    without_questions: cedarpy.PolicySet
    """What decides once the user has agreed."""


class CedarPolicies:
    """The policies for one server."""

    def __init__(
        self,
        server: str,
        tools: Mapping[str, _Tool],
        unmapped: Mapping[str, str],
        budgets: Sequence[str],
        entities: cedarpy.Entities,
    ) -> None:
        self.unmapped: Final = unmapped
        """Why rules do not see a tool, or all of a member ("transfer/note"): what is unseen is denied."""
        self._tools = tools
        self._budgets = budgets
        self._entities = entities
        self._server = server
        self.reads_spending: Final = bool(budgets)

    @classmethod
    def load(
        cls,
        files: Iterable[PolicyFile],
        server: str,
        tools: Mapping[str, JsonObject],
        budgets: Sequence[str] = (),
    ) -> Self:
        """Return the policies in `files` for `server`, whose `tools` have these input schemas.

        `context.spent` has a member for each of `budgets`. Raises `ConfigurationError` for everything that is
        wrong with the files: syntax, names that the schema does not have, rules that can never match.
        """
        records, unmapped = _map_tools(tools)
        schema = cedarpy.Schema.from_json_str(dumps(_schema(records, budgets)).decode())
        faults = Faults()
        rules = [rule for file in files for rule in _read(file, faults)]
        seen: set[str] = set()
        for rule in rules:
            if rule.name in seen and "id" in rule.parsed.annotations:
                reason = f"another rule has the id {rule.name!r}"
                faults.found.append(ConfigurationError(rule.position, reason, "give each rule its own @id"))
            seen.add(rule.name)
            faults.found += _judge(rule, schema, records, unmapped)
        faults.raise_any()
        prepared = {name: _prepare(name, record, rules) for name, record in records.items()}
        return cls(server, prepared, unmapped, budgets, _place(records, server, schema))

    async def decide(self, request: PolicyRequest) -> Decision:
        """Decide about the call of a tool; every other request is denied, and what Cedar cannot say."""
        tool = self._tools.get(request.tool)
        if request.method != TOOL_CALL or tool is None or request.server != self._server:
            return deny(reason="the policies know nothing of this operation")
        if request.tool in self.unmapped:
            return deny(reason=f"policies do not see this tool: {self.unmapped[request.tool]}")
        try:
            context = dumps(self._context(request, tool)).decode()
        except (Unmappable, JsonError) as error:
            return deny(reason=str(error))
        decision = self._ask(request, context, tool.policies, tool.rules)
        questions = [tool.rules[each].question for each in decision.rules]
        if decision.effect is Effect.PERMIT or decision.reason or None in questions:
            return _named(decision, tool.rules)
        agreed = self._ask(request, context, tool.without_questions, tool.rules)
        if agreed.effect is not Effect.PERMIT:
            return deny(reason=agreed.reason or "no rule permits it")
        names = tuple(tool.rules[each].name for each in decision.rules)
        return Decision(Effect.ASK, names, question=" ".join(filter(None, questions)))

    def _ask(
        self,
        request: PolicyRequest,
        context: str,
        policies: cedarpy.PolicySet,
        rules: Mapping[str, _CedarRule],
    ) -> Decision:
        """Return what Cedar says; `rules` of the decision are ids."""
        question = {
            "principal": {"type": "Agent", "id": request.agent},
            "action": {"type": "Action", "id": request.tool},
            "resource": {"type": "Tool", "id": request.tool},
            "context": context,
        }
        answer = cedarpy.is_authorized(question, policies, self._entities)  # pyright: ignore[reportUnknownMemberType]
        if answer.diagnostics.errors or answer.decision is cedarpy.Decision.NoDecision:
            # Cedar skips a rule that fails, also one that forbids: here it decides
            told = " ".join(answer.diagnostics.errors)
            failed = tuple(key for key in rules if f"`{key}`" in told)
            return deny(
                *failed, reason="it could not be evaluated" if failed else "Cedar refuses the request"
            )
        decisive = set(answer.diagnostics.reasons)
        reasons = [key for key in rules if key in decisive]
        if answer.allowed:
            return permit(*reasons)
        return deny(*reasons, reason="" if reasons else "no rule permits it")

    def _context(self, request: PolicyRequest, tool: _Tool) -> dict[str, JsonValue]:
        context: dict[str, JsonValue] = {
            "arguments": tool.arguments.convert(request.arguments, ""),
            "user": request.user,
            "actors": request.actors,
            "depth": request.depth,
            "scopes": sorted(request.scopes),
            "now": _datetime(request.now),
            "address": {"__extn": {"fn": "ip", "arg": request.address}},
            "spent": {
                name: cedar_decimal(request.spent.get(name, Decimal(0)), name) for name in self._budgets
            },
        }
        if request.acr is not None:
            context["acr"] = request.acr
        if request.auth_time is not None:
            context["authTime"] = _datetime(request.auth_time)
        return context


def split_policies(text: str) -> Iterator[tuple[int, str]]:
    """Yield each policy of `text`, with its semicolon where it has one, and the line it begins in."""
    line, start, parts = 1, 0, list[str]()
    for token in _TOKEN.findall(text):
        if not start and not token.startswith("//") and token.strip():
            start = line + token[: len(token) - len(token.lstrip())].count("\n")
        line += token.count("\n")
        parts.append(" " if token.startswith("//") else token)
        if token == ";":
            yield start, "".join(parts).strip()
            start, parts = 0, []
    if start:
        yield start, "".join(parts).strip()


def _named(decision: Decision, rules: Mapping[str, _CedarRule]) -> Decision:
    return Decision(decision.effect, tuple(rules[each].name for each in decision.rules), decision.reason)


def _map_tools(tools: Mapping[str, JsonObject]) -> tuple[dict[str, CedarRecord], dict[str, str]]:
    records: dict[str, CedarRecord] = {}
    unmapped: dict[str, str] = {}
    for name, schema in tools.items():
        if name == TOOL_CALL:
            unmapped[name] = "its name is that of the group of all tools"
            continue
        try:
            records[name] = map_arguments(schema)
            unmapped |= {name + pointer: why for pointer, why in records[name].unmapped.items()}
        except Unmappable as error:
            records[name], unmapped[name] = _NOTHING, str(error)
    return records, unmapped


def _schema(records: Mapping[str, CedarRecord], budgets: Sequence[str]) -> JsonObject:
    """Return the Cedar schema in its JSON format."""
    texts: JsonObject = {"type": "Set", "element": {"type": "String"}}
    moment: JsonObject = {"type": "Extension", "name": "datetime"}
    spent = {name: {"type": "Extension", "name": "decimal"} for name in budgets}
    actions: dict[str, JsonValue] = {TOOL_CALL: {}}
    for name, record in records.items():
        context: dict[str, JsonValue] = {
            "arguments": record.schema(),
            "user": {"type": "String"},
            "acr": {"type": "String", "required": False},
            "authTime": {**moment, "required": False},
            "actors": texts,
            "depth": {"type": "Long"},
            "scopes": texts,
            "now": moment,
            "address": {"type": "Extension", "name": "ipaddr"},
            "spent": {"type": "Record", "attributes": spent},
        }
        actions[name] = {
            "memberOf": [{"id": TOOL_CALL}],
            "appliesTo": {
                "principalTypes": ["Agent"],
                "resourceTypes": ["Tool"],
                "context": {"type": "Record", "attributes": context},
            },
        }
    kinds: JsonObject = {"Agent": {}, "Server": {}, "Tool": {"memberOfTypes": ["Server"]}}
    return {"": {"entityTypes": kinds, "actions": actions}}


def _place(tools: Iterable[str], server: str, schema: cedarpy.Schema) -> cedarpy.Entities:
    """Return the tools in their server; from the schema comes the group that their actions are in."""
    placed: list[JsonValue] = [
        {"uid": {"type": "Tool", "id": name}, "attrs": {}, "parents": [{"type": "Server", "id": server}]}
        for name in tools
    ]
    return cedarpy.Entities.from_json_str(dumps(placed).decode(), schema)  # pyright: ignore[reportUnknownMemberType]


def _read(file: PolicyFile, faults: Faults) -> Iterator[_CedarRule]:
    for line, text in split_policies(file.text):
        position = Position(file.name, line=line)
        rules: list[pst.Template] = []
        try:
            rules += cedarpy.PolicySet.from_str(text).to_pst().static_policies.values()
            flaw = "" if rules else "templates with ?principal or ?resource are not used here"
        except ValueError as error:
            flaw = _POLICY_PREFIX.sub("", str(error))
        if flaw:
            reason = f"this is no Cedar policy: {flaw}"
            faults.found.append(ConfigurationError(position, reason, "correct the rule that begins here"))
            continue
        rule = rules[0]
        question = rule.annotations.get("ask")
        if question is not None and (rule.effect != "forbid" or not question):
            reason = "@ask asks the user to lift what a rule forbids, in words"
            fix = 'write @ask("<what the user is asked>") before a rule that begins with forbid'
            faults.found.append(ConfigurationError(position, reason, fix))
        yield _CedarRule(text, position, rule.annotations.get("id") or f"{file.name}:{line}", question, rule)


def _judge(
    rule: _CedarRule,
    schema: cedarpy.Schema,
    records: Mapping[str, CedarRecord],
    unmapped: Mapping[str, str],
) -> Iterator[ConfigurationError]:
    """Yield what is wrong with a rule that is well-formed."""
    covered = [name for name in records if _covers(rule.parsed.action, name)]
    unseen = [f"{place}: {why}" for place, why in unmapped.items() if place.partition("/")[0] in covered]
    fix = "look at names and types in the tool's input schema"
    fix += f"; policies do not see {', nor '.join(unseen)}" if unseen else ""
    found = cedarpy.validate_policies(rule.text, schema)  # pyright: ignore[reportUnknownMemberType]
    for error in found.errors:
        yield ConfigurationError(rule.position, _POLICY_PREFIX.sub("", error.error), fix)
    if found.validation_passed:
        # What follows a condition that the type checker knows to be false is not looked at.
        probe = rule.text.removesuffix(";") + " " + _ILL_TYPED
        probed = cedarpy.validate_policies(probe, schema)  # pyright: ignore[reportUnknownMemberType]
        if probed.validation_passed:
            reason = "this rule can never match: its conditions exclude each other"
            yield ConfigurationError(rule.position, reason, "correct or remove it")
    for path, text in _compared_texts(rule.parsed):
        kinds = [kind for name in covered if (kind := _type_at(records[name], path)) is not None]
        if kinds and all(
            isinstance(kind, CedarString) and kind.allowed is not None and text not in kind.allowed
            for kind in kinds
        ):
            reason = f"this can never be equal: {'.'.join(path)} is never {text!r}"
            yield ConfigurationError(rule.position, reason, "look at the enumeration in the input schema")


def _covers(constraint: pst.ActionConstraint, tool: str) -> bool:
    """Whether a rule with this scope may match a call of `tool`."""
    if isinstance(constraint, pst.ActionEq):
        return constraint.entity.id == tool
    if isinstance(constraint, pst.ActionIn):
        return any(each.id in {tool, TOOL_CALL} for each in constraint.entities)
    return True


def _compared_texts(rule: pst.Template) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each member of the arguments that the rule compares with a text, and that text."""
    for node in _walk(rule.clauses):
        if not isinstance(node, pst.BinaryOp) or node.op not in {"eq", "not_eq", "contains"}:
            continue
        sides = (node.left, node.right)
        paths = [path for side in sides if (path := _argument_path(side))]
        texts = [each.value for side in sides for each in _literals(side)]
        if len(paths) == 1:
            yield from ((paths[0], text) for text in texts)


def _literals(side: pst.Expr) -> Iterator[pst.StringLit]:
    members = side.elements if isinstance(side, pst.Set) else (side,)
    return (each for each in members if isinstance(each, pst.StringLit))


def _walk(node: object) -> Iterator[object]:
    if isinstance(node, tuple | list):
        for each in cast("Sequence[object]", node):
            yield from _walk(each)
    elif isinstance(node, Mapping):
        yield from _walk(list(cast("Mapping[str, object]", node).values()))
    elif is_dataclass(node):
        yield node
        for each in fields(node):
            yield from _walk(getattr(node, each.name))


def _argument_path(node: object) -> tuple[str, ...]:
    """Return the names below `context.arguments` that `node` reads; none where it reads something else."""
    names: list[str] = []
    while isinstance(node, pst.GetAttr):
        names.append(node.attr)
        node = node.base
    found = tuple(reversed(names))
    return found[1:] if node == pst.Var("context") and found[:1] == ("arguments",) else ()


def _type_at(record: CedarRecord, path: tuple[str, ...]) -> object:
    kind: object = record
    for name in path:
        member = kind.members.get(name) if isinstance(kind, CedarRecord) else None
        kind = member.type if isinstance(member, CedarMember) else None
    return kind


def _prepare(name: str, arguments: CedarRecord, rules: Sequence[_CedarRule]) -> _Tool:
    """Gather the rules that may match calls of the tool."""
    matching = {f"policy{at}": rule for at, rule in enumerate(rules) if _covers(rule.parsed.action, name)}
    binding = {key: rule for key, rule in matching.items() if rule.question is None}
    return _Tool(arguments, matching, _policies(matching), _policies(binding))


def _policies(rules: Mapping[str, _CedarRule]) -> cedarpy.PolicySet:
    """Return rules under their ids, without annotations: Cedar would hand them back with each decision."""
    nodes = {key: replace(rule.parsed, id=key, annotations=pst.FrozenMap()) for key, rule in rules.items()}
    return cedarpy.PolicySet.from_pst(pst.PolicySet(pst.FrozenMap(), pst.FrozenMap(nodes), ()))


def _datetime(seconds: float) -> JsonValue:
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Unmappable("a time is no date") from error
    return {
        "__extn": {"fn": "datetime", "arg": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"}
    }
