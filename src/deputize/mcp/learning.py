"""Propose rules for what a server lists, for an operator to review."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.operations import MAX_ENTRY, MAX_RULE_NAME, MAX_SCOPE

_NOT_IN_SCOPE: Final = re.compile(r"[^A-Za-z0-9_.:/-]+")
_TOKEN: Final = "&{"
"""What configuration files replace wherever it stands."""
_MOST_TOLD: Final = 160


class Proposal:
    """A `McpToolAuthorizationFilter` for a server, and the names that no rule can hold."""

    def __init__(self, prefix: str) -> None:
        """Scopes begin with `prefix` and a colon."""
        self._prefix = _NOT_IN_SCOPE.sub("_", prefix)[: MAX_SCOPE // 2] or "mcp"
        self._reading: dict[str, list[JsonValue]] = {}
        self._tools: list[JsonValue] = []
        self.left_out: list[str] = []
        """Names that a file would read as something else, or that are too long."""

    def add(self, kind: str, listed: Sequence[JsonValue], member: str) -> None:
        """Take what the server lists of one `kind`, named by `member` of each."""
        for each in listed:
            name = each.get(member) if isinstance(each, Mapping) else None
            if not isinstance(each, Mapping) or not isinstance(name, str):
                continue
            if not 0 < len(name) <= MAX_ENTRY or "*" in name or _TOKEN in name:
                self.left_out.append(name)
            elif kind != "tools" or _is_read_only(each):
                self._reading.setdefault(kind, []).append(name)
            else:
                scope = f"{self._prefix}:{_NOT_IN_SCOPE.sub('_', name)}"[:MAX_SCOPE]
                self._tools.append(
                    {
                        "name": name[:MAX_RULE_NAME],
                        "comment": _tell(each),
                        "tools": name,
                        "scopes": scope,
                        "onUse": True,
                    }
                )

    def configuration(self) -> JsonObject:
        """Return the object for a route file. What changes something has a rule and a scope of its own."""
        rules = list(self._tools)
        if self._reading:
            comment = "what the server says only reads: check it, for nobody but the server says so"
            scope = f"{self._prefix}:read"
            rules.append({"name": "reading", "comment": comment, **self._reading, "scopes": scope})
        return {"type": "McpToolAuthorizationFilter", "config": {"rules": rules}}


def _is_read_only(tool: JsonObject) -> bool:
    annotations = tool.get("annotations")
    return isinstance(annotations, Mapping) and annotations.get("readOnlyHint") is True


def _tell(tool: JsonObject) -> str:
    """Return the beginning of what the server says a tool does."""
    text = tool.get("description")
    words = (
        " ".join(text.replace(_TOKEN, "& {").split())
        if isinstance(text, str)
        else "the server does not say what it does"
    )
    return words if len(words) <= _MOST_TOLD else f"{words[:_MOST_TOLD]}…"
