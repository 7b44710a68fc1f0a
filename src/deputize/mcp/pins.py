"""Tools as an operator approved them: a definition that has changed since is another tool (decision 0033)."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from deputize.kernel import pointers
from deputize.kernel.bounded_memory import BoundedMemory
from deputize.kernel.errors import DeputizeError
from deputize.kernel.pointers import ABSENT, Absent
from deputize.kernel.strict_json import dumps
from deputize.kernel.values import JsonObject, JsonValue

_META: Final = "_meta"
_MOST_REMEMBERED: Final = 4096


class PinError(DeputizeError):
    """What is to be a file of approved tools is none."""


def digest_of(tool: JsonObject) -> str:
    """Return the SHA-256 of a tool's definition, whatever the order of its members.

    All that a server says of it counts, but `_meta`, which is not for models and may differ in each list.
    """
    described = {name: value for name, value in tool.items() if name != _META}
    text = json.dumps(described, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def read_tools(document: JsonValue) -> Mapping[str, JsonObject]:
    """Return the tools of a file, or of a list, by name. Raises `PinError`."""
    tools = document.get("tools") if isinstance(document, Mapping) else None
    if not isinstance(tools, list):
        raise PinError('it is no object with a list of "tools"')
    found: dict[str, JsonObject] = {}
    for each in tools:
        name = each.get("name") if isinstance(each, Mapping) else None
        if not isinstance(each, Mapping) or not isinstance(name, str):
            raise PinError("a tool has no name")
        if name in found:
            raise PinError(f"the tool {name[:64]!r} stands there twice")
        found[name] = each
    return found


class ApprovedTools:
    """Compares what a server lists with what was approved, and remembers what it saw last."""

    def __init__(self, tools: Mapping[str, JsonObject]) -> None:
        """`tools` by name, as `read_tools` returns them."""
        self._digests = {name: digest_of(tool) for name, tool in tools.items()}
        self._same: BoundedMemory[str, bytes] = BoundedMemory(_MOST_REMEMBERED)
        """How an unchanged definition was written: most lists write it so again."""
        self.changed: dict[str, str] = {}
        """The digests of tools whose definition was another one when they were listed last."""

    def approves(self, name: str, tool: JsonObject) -> bool:
        """Whether a server lists the tool as it was approved. One that was never approved is not."""
        approved = self._digests.get(name)
        if approved is None:
            return False
        written = dumps(tool)
        if self._same.get(name) == written:
            self.changed.pop(name, None)
            return True
        found = digest_of(tool)
        if found != approved:
            self.changed[name] = found
            return False
        self._same.remember(name, written)
        self.changed.pop(name, None)
        return True

    def find_fault(self, name: str) -> str | None:
        """Return why the tool must not be called; `None` where it may."""
        if name not in self._digests:
            return "the tool was never approved"
        return "the tool has changed since it was approved" if name in self.changed else None


ChangeKind: TypeAlias = Literal["new", "changed", "gone"]


class MemberDifference(NamedTuple):
    """One member that is another than it was."""

    pointer: str
    approved: JsonValue | Absent
    now: JsonValue | Absent


class Change(NamedTuple):
    """How one tool differs from what was approved."""

    name: str
    kind: ChangeKind
    digest: str | None
    """Of the definition now; `None` for one that is gone."""
    differences: tuple[MemberDifference, ...]


def compare(approved: Mapping[str, JsonObject], now: Mapping[str, JsonObject]) -> Sequence[Change]:
    """Return what differs, by name."""
    found: list[Change] = []
    for name in sorted({*approved, *now}):
        before, after = approved.get(name), now.get(name)
        if after is None:
            found.append(Change(name, "gone", None, ()))
        elif before is None:
            found.append(Change(name, "new", digest_of(after), tuple(_differ("", ABSENT, after))))
        elif digest_of(before) != digest_of(after):
            found.append(Change(name, "changed", digest_of(after), tuple(_differ("", before, after))))
    return found


def _differ(
    pointer: str, before: JsonValue | Absent, after: JsonValue | Absent
) -> Iterator[MemberDifference]:
    if isinstance(after, Mapping) and (isinstance(before, Mapping) or not pointer):
        old: JsonObject = before if isinstance(before, Mapping) else {}
        for name in sorted({*old, *after}):
            if pointer or name != _META:
                yield from _differ(
                    pointers.join(pointer, name), old.get(name, ABSENT), after.get(name, ABSENT)
                )
    elif isinstance(before, Absent) or isinstance(after, Absent) or dumps(before) != dumps(after):
        yield MemberDifference(pointer, before, after)
