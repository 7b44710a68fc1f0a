"""Which operations of an MCP server a token permits: tools, prompts and resources, by rules over its scopes.

Decided by the name as the server reads it. A rule names operations exactly or by a pattern; the first rule
that fits decides, and what none fits is denied (decision 0031).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from deputize.expressions.patterns import Pattern, compile_linear
from deputize.kernel.bounded_memory import BoundedMemory
from deputize.kernel.values import JsonObject
from deputize.mcp.frames import PolicyKey
from deputize.mcp.spellings import fold_name, fold_uri

MAX_ENTRY: Final = 256
"""Characters of a name or pattern in a rule."""
MAX_RULE_NAME: Final = 64
"""Characters of what a rule is called."""
MAX_SCOPE: Final = 128
"""Characters of a scope."""
_LONGEST_NAME: Final = 4096
"""Characters of a name that patterns are tried on."""
_MOST_REMEMBERED: Final = 4096
_LONGEST_REMEMBERED: Final = 512
_MOST_PERMITTED: Final = 256
_LONGEST_PERMITTED: Final = 128
"""There may be many sets of scopes, and each remembers keys of its own, which clients choose."""
_COMPLETION: Final = "completion/complete"
"""The one method whose key does not tell what its names are."""
_WILDCARD: Final = re.compile(r"\*|\{([^{}]*)\}")
_VARIABLE: Final = re.compile(r"[A-Za-z0-9_.%]+")


OperationKind: TypeAlias = Literal["tools", "prompts", "resources", "methods"]
"""What can be permitted, by the member of a rule that lists it."""
KINDS: Final[tuple[OperationKind, ...]] = get_args(OperationKind)


class McpOperation(NamedTuple):
    """One thing that a message asks for: a tool, a prompt, a resource's URI, or a method."""

    kind: OperationKind
    name: str


OPEN_METHODS: Final = frozenset(
    {
        "initialize",
        "ping",
        "server/discover",
        "logging/setLevel",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    }
)
"""Requests that act on nothing, and are permitted without a rule."""
_KINDS: Final[Mapping[str, OperationKind]] = {
    "tools/call": "tools",
    "prompts/get": "prompts",
    "resources/read": "resources",
    "resources/subscribe": "resources",
    "resources/unsubscribe": "resources",
    "subscriptions/listen": "resources",
}


def operations_of(key: PolicyKey, params: JsonObject | None) -> Sequence[McpOperation]:
    """What a client's request or notification acts on: nothing, one operation, or several."""
    method = key.method
    kind = _KINDS.get(method)
    if kind is not None:
        return [McpOperation(kind, name) for name in key.names]
    if method in OPEN_METHODS or method.startswith("notifications/"):
        return ()
    if method == _COMPLETION:
        ref = (params or {}).get("ref")
        kind = "prompts" if isinstance(ref, Mapping) and ref.get("type") == "ref/prompt" else "resources"
        return [McpOperation(kind, name) for name in key.names]
    return (McpOperation("methods", method),)


@dataclass(frozen=True, slots=True)
class OperationRule:
    """Operations that need the same scopes."""

    name: str
    """How records and logs call it."""
    scopes: tuple[str, ...]
    """What a token needs, all of them; empty where any token will do."""
    entries: Mapping[OperationKind, tuple[str, ...]]
    """The operations: exact names, and patterns as `is_pattern` says."""
    on_use: bool = False
    """Whether operations are listed to tokens without the scopes: an agent asks for them when it calls."""
    actors: frozenset[str] = frozenset()
    """The agents that may use them; empty where any may, and a user without one."""


class _Fitting:
    """The entries of all rules for one kind of operation, to find the first rule that fits a name."""

    def __init__(self, kind: OperationKind, rules: Sequence[OperationRule]) -> None:
        """Compile the entries as they are, and once more as lax servers may read them."""
        self._kind: OperationKind = kind
        self._exact: dict[str, int] = {}
        self._patterns: list[tuple[int, Pattern]] = []
        self._folded: dict[str, int] = {}
        self._folded_patterns: list[tuple[int, Pattern]] = []
        for index, rule in enumerate(rules):
            for entry in rule.entries.get(kind, ()):
                if is_pattern(kind, entry):
                    self._patterns.append((index, _compile(kind, entry, folded=False)))
                    self._folded_patterns.append((index, _compile(kind, entry, folded=True)))
                else:
                    self._folded.setdefault(_fold(kind, entry) or entry, index)
                if not entry.count("*"):
                    self._exact.setdefault(entry, index)

    def find(self, name: str) -> int | None:
        """Return the place of the first rule that fits; `None` where none does, or another reading differs.

        What a pattern lets through must not be read by the server as what another rule is about: by one that
        ignores case, composes Unicode, decodes twice or normalises URIs. A name that is listed
        exactly is beyond doubt.
        """
        exact = self._exact.get(name)
        if len(name) > _LONGEST_NAME:
            return exact
        found = _first(self._patterns, name, exact)
        if found is None or found == exact:
            return found
        folded = _fold(self._kind, name)
        if folded is None:
            return None
        return found if _first(self._folded_patterns, folded, self._folded.get(folded)) == found else None


class OperationRules:
    """Rules in their order. Remembers what was decided about names."""

    def __init__(self, rules: Sequence[OperationRule]) -> None:
        """Raises `OperandError` for an entry that is too long for a pattern."""
        self._rules = tuple(rules)
        self._fitting = {kind: _Fitting(kind, rules) for kind in KINDS}
        self._found: BoundedMemory[McpOperation, int | None] = BoundedMemory(_MOST_REMEMBERED)

    def place_of(self, operation: McpOperation) -> int | None:
        """Return the place of the rule that decides, from 0; `None` where it is denied to everybody."""
        try:
            return self._found[operation]
        except KeyError:
            index = self._fitting[operation.kind].find(operation.name)
            if len(operation.name) > _LONGEST_REMEMBERED:
                return index
            return self._found.remember(operation, index)

    def permissions(self, scopes: Iterable[str], actor: str | None = None) -> "Permissions":
        """Return what a token with these scopes may do in the hands of `actor`; `None` where nobody acts."""
        return Permissions(self, self._rules, frozenset(scopes), actor)


class Denial(NamedTuple):
    """Why an operation is denied."""

    rule: OperationRule | None
    """`None` where no rule permits it to anybody."""
    missing: tuple[str, ...]
    """The scopes that the token lacks; empty where the rule is not for this actor."""


class Permissions:
    """What the rules permit to tokens with certain scopes, in the hands of one actor."""

    def __init__(
        self, rules: OperationRules, each: Sequence[OperationRule], scopes: frozenset[str], actor: str | None
    ) -> None:
        """Decide about each rule once."""
        self._place_of = rules.place_of
        self._rules = each
        self._scopes = scopes
        self._permitted: BoundedMemory[PolicyKey, bool] = BoundedMemory(_MOST_PERMITTED)
        self._is_for_actor = [not rule.actors or actor in rule.actors for rule in each]
        self._is_permitted = [
            is_for_actor and scopes.issuperset(rule.scopes)
            for rule, is_for_actor in zip(each, self._is_for_actor, strict=True)
        ]
        self._is_listed = [
            permitted or (rule.on_use and is_for_actor)
            for rule, permitted, is_for_actor in zip(
                each, self._is_permitted, self._is_for_actor, strict=True
            )
        ]

    def permits(self, key: PolicyKey, params: JsonObject | None) -> bool:
        """Whether a request or notification may act on all that it acts on. Most keys have come before."""
        known = self._permitted.get(key)
        if known is None:
            known = not self.judge(operations_of(key, params))
            if key.method != _COMPLETION and sum(map(len, key.names)) <= _LONGEST_PERMITTED:
                self._permitted.remember(key, known)
        return known

    def allows(self, operation: McpOperation) -> bool:
        """Whether a call passes."""
        index = self._place_of(operation)
        return index is not None and self._is_permitted[index]

    def lists(self, operation: McpOperation) -> bool:
        """Whether a list shows it: it may be called, or its scopes are asked for when it is."""
        index = self._place_of(operation)
        return index is not None and self._is_listed[index]

    def judge(self, operations: Sequence[McpOperation]) -> Sequence[Denial]:
        """Return why each of `operations` that is denied is; nothing where all of them are permitted."""
        return [self._deny(each) for each in operations if not self.allows(each)]

    def _deny(self, operation: McpOperation) -> Denial:
        index = self._place_of(operation)
        if index is None:
            return Denial(None, ())
        rule = self._rules[index]
        if not self._is_for_actor[index]:
            return Denial(rule, ())
        return Denial(rule, tuple(each for each in rule.scopes if each not in self._scopes))


def is_pattern(kind: OperationKind, entry: str) -> bool:
    """Whether `entry` of a rule is more than one name.

    `*` stands for any text. In the URI template of a resource, `{name}` stands for one segment that is not
    empty, and an expression with an operator, such as `{+path}`, for any text (RFC 6570).
    """
    return "*" in entry or (kind == "resources" and "{" in entry)


def _compile(kind: OperationKind, entry: str, *, folded: bool) -> Pattern:
    written: list[str] = []
    at = 0
    for wildcard in _WILDCARD.finditer(entry):
        expression = wildcard[1]
        if expression is not None and kind != "resources":
            continue
        written.append(_literal(kind, entry[at : wildcard.start()], folded=folded))
        is_segment = expression is not None and _VARIABLE.fullmatch(expression)
        written.append("[^/]+" if is_segment else ".*")
        at = wildcard.end()
    written.append(_literal(kind, entry[at:], folded=folded))
    return compile_linear("(?s)" + "".join(written))


def _literal(kind: OperationKind, text: str, *, folded: bool) -> str:
    """Return what matches the text between two wildcards."""
    if folded:
        text = (
            (fold_uri(text, is_whole=False) or text) if kind == "resources" else fold_name(f"|{text}|")[1:-1]
        )
    return re.escape(text)


def _first(patterns: Sequence[tuple[int, Pattern]], name: str, exact: int | None) -> int | None:
    """Return the place of the first rule with a pattern that `name` matches, or `exact` if that is sooner."""
    for index, pattern in patterns:
        if exact is not None and index >= exact:
            break
        if pattern.matches(name):
            return index
    return exact


def _fold(kind: OperationKind, name: str) -> str | None:
    return fold_uri(name) if kind == "resources" else fold_name(name)
