"""Says in words what administrators changed, from the records that the administration leaves of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from deputize.authority.console.call import ConsoleCall
from deputize.authority.environment_file.plan import changed_members
from deputize.kernel.values import JsonObject, JsonValue

CHANGED: Final = "environment changed"
"""The event whose records these are; see `administration.runner`."""
_MAX_SENTENCE: Final = 300
"""Characters of a line; the record itself has everything."""


class MemberChange(NamedTuple):
    """A member of an object, before and after; empty where it was not, or is no longer."""

    name: str
    before: str
    after: str


class ObjectChange(NamedTuple):
    """What became of one object."""

    subject: str
    """Its kind and name."""
    sentence: str
    members: Sequence[MemberChange]


def summarize_change(call: ConsoleCall, record: JsonObject) -> str:
    """Say in one line who did what to which object, or why that was refused."""
    operator, reason = record.get("operator"), record.get("reason")
    who = str(operator.get("name") or operator.get("kind")) if isinstance(operator, Mapping) else ""
    if isinstance(reason, str):
        line = call.t("audit.change_refused", who=who, reason=reason)
    else:
        told = [each.sentence for each in list_changes(call, record)]
        left_out = record.get("changesLeftOut")
        more = len(told) - 1 if told else left_out if isinstance(left_out, int) else 0
        line = f"{who} {told[0]}" if told else call.t("audit.changes_left_out", who=who)
        line += call.t("audit.changes_more", count=more) if more > 0 else ""
    return line if len(line) <= _MAX_SENTENCE else f"{line[:_MAX_SENTENCE]}…"


def list_changes(call: ConsoleCall, record: JsonObject) -> Sequence[ObjectChange]:
    """List the objects that a record is about, each with what it was and what it is."""
    changes = record.get("changes")
    entries: Sequence[JsonValue] = changes if isinstance(changes, list) else ()
    return [_read_change(call, each) for each in entries if isinstance(each, Mapping)]


def _read_change(call: ConsoleCall, change: JsonObject) -> ObjectChange:
    kind, before, after = str(change.get("kind")), change.get("before"), change.get("after")
    key = f"audit.kind_{kind}"
    named = call.t(key) if key in call.language.texts else kind
    words = {"kind": named, "name": str(change.get("name") or change.get("id") or "")}
    subject = "{kind} {name}".format(**words)
    if "secret" in change:
        return ObjectChange(subject, call.t("audit.changed_secret", **words), ())
    old: JsonObject = before if isinstance(before, Mapping) else {}
    new: JsonObject = after if isinstance(after, Mapping) else {}
    if kind == "consent" and "agreement" in old:
        names = {name: str(old.get(name)) for name in ("user", "agent", "agreement")}
        return ObjectChange(subject, call.t("audit.changed_withdrawn", **names), tuple(_members(old, {})))
    if change.get("removed") or not new:
        return ObjectChange(subject, call.t("audit.changed_removed", **words), tuple(_members(old, {})))
    if not old:
        return ObjectChange(subject, call.t("audit.changed_created", **words), tuple(_members({}, new)))
    what = ", ".join(each.replace(" -> ", " → ", 1) for each in changed_members(old, new))
    return ObjectChange(
        subject, call.t("audit.changed_members", **words, what=what), tuple(_members(old, new))
    )


def _members(before: JsonObject, after: JsonObject) -> Iterator[MemberChange]:
    """Yield the members that say something, the object's ids and name apart, which the sentence has.

    So are ids beside which there is the name.
    """
    for name in dict.fromkeys((*before, *after)):
        old, new = _written(before.get(name)), _written(after.get(name))
        is_named = name.endswith("_id") and name.removesuffix("_id") in {*before, *after}
        if name not in {"id", "environment_id", "name", "term"} and not is_named and old != new:
            yield MemberChange(name, old, new)


def _written(value: JsonValue) -> str:
    """Write a value as people read it; empty for what says nothing."""
    if value is None or value in ("", [], {}):
        return ""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
