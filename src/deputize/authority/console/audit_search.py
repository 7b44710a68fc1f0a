"""What the filters of Audit ask for: records are found by whom and what they name, and by what they show."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, TypeAlias

from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.change_words import CHANGED
from deputize.authority.console.correlation_ids import read_correlation_id
from deputize.authority.storage.activities import ActivityQuery
from deputize.kernel.ids import is_id

SOURCES: Final = ("authority", "gateway")
OUTCOMES: Final = ("permitted", "refused", "unknown")
KINDS: Final[Mapping[str, Sequence[str]]] = {
    "change": (CHANGED, "agent introduced", "agent changed", "agent removed", "agent forgotten"),
    "sign_on": (
        "signed on", "signed off", "sign-on refused", "authorization granted", "authorization refused",
        "agreement shown", "agreement accepted", "consent withdrawn", "passkey added", "passkey refused",
        "authenticator app added", "factor removed", "recovery codes drawn", "password changed",
        "password change refused", "account connected", "account not connected", "invitation taken",
    ),
    "token": ("token issued", "token refused", "token inactive", "token revoked"),
    "call": ("mcp message", "mcp outcome"),
    "other": (
        "request refused", "activities refused", "authorization request pushed", "logout notice delivered",
        "logout notice failed",
    ),
}  # fmt: skip
"""The events of each kind of record, of which one can be chosen."""
_EVENTS: Final = tuple(event for events in KINDS.values() for event in events)
_MAX_WORDS: Final = 8
"""Of what is searched for; those behind them do not matter."""
_WORD: Final = re.compile(r"\w[\w.@-]*")
_Filter: TypeAlias = Sequence[Mapping[str, Any]]
"""Members of a query; a record passes that fulfils those of any one."""


@dataclass(frozen=True, slots=True)
class Search:
    """What the address asks for."""

    queries: Sequence[ActivityQuery]
    """A record is found that fulfils any of them; none where there is a problem."""
    problems: Mapping[str, str]
    """By the name of a field."""


async def read_search(call: ConsoleCall) -> Search:
    """Read what is asked for: names or ids of who and what, and instants in the reader's zone."""
    common: dict[str, Any] = {"cursor": call.query("cursor") or None}
    problems: dict[str, str] = {}
    common["tool"] = call.query("tool").strip() or None
    common["transaction_id"] = read_correlation_id(call.query("correlation_id")) or None
    for name, allowed in (("source", SOURCES), ("outcome", OUTCOMES)):
        common[name] = call.query(name) if call.query(name) in allowed else None
    for name in ("since", "before"):
        if typed := call.query(name):
            try:
                common[name] = call.moments.seconds(typed)
            except (ValueError, OverflowError):
                problems[name] = call.t("console.unreadable")
    filters: list[_Filter] = [
        [{"event": event} for event in KINDS.get(call.query("kind"), ())],
        _about_resource(call.query("resource").strip()),
        _about_object(call),
        _with_words(call),
    ]
    for name, read in (("who", _by_whom), ("agent", _about_agent), ("user", _for_whom)):
        if typed := call.query(name).strip():
            filters.append(found := await read(call, typed))
            if not found:
                problems[name] = call.t(f"audit.no_{name}", name=typed)
    queries = [ActivityQuery(**common, **each) for each in _all_of(filters)]
    return Search((), problems) if problems else Search(queries, problems)


def _all_of(filters: Sequence[_Filter]) -> Iterator[Mapping[str, Any]]:
    """Yield the queries, in other words, of which one is fulfilled by what passes all filters."""
    for parts in product(*(each for each in filters if each)):
        merged: dict[str, Any] = {}
        for name, value in (member for part in parts for member in part.items()):
            if name == "record_says":
                merged[name] = (*merged.get(name, ()), *value)
            elif merged.setdefault(name, value) != value:
                break
        else:
            yield merged


def _changed(kind: str, id_: str) -> Mapping[str, Any]:
    """Members of a query for changes of an object; `environment_file.plan` has how they are recorded."""
    return {"event": CHANGED, "record_says": (f'"kind":"{kind}","id":{json.dumps(id_)}',)}


def _about_resource(id_: str) -> _Filter:
    return [{"resource_id": id_}, _changed("resource", id_)] if id_ else []


def _about_object(call: ConsoleCall) -> _Filter:
    id_ = call.query("object").strip()
    return [_changed(kind, id_) for kind in ("agreement", "policy")] if id_ else []


async def _about_agent(call: ConsoleCall, typed: str) -> _Filter:
    agents = call.environment.agents
    named = (each.id for each in agents.values() if typed in {each.name, each.title})
    id_ = typed if typed in agents else next(named, None)
    return [{"agent_id": id_}, _changed("agent", id_)] if id_ else []


async def _for_whom(call: ConsoleCall, typed: str) -> _Filter:
    id_ = await _find_user(call, call.environment.id, typed)
    return [{"user_id": id_}] if id_ else []


async def _by_whom(call: ConsoleCall, typed: str) -> _Filter:
    """What an administrator changed, and what a user did; `Operator.record` has how the former is recorded.

    Who is no administrator, such as a command or somebody who was removed, is found by name, before changes.
    """
    user = await _find_user(call, call.environment.id, typed)
    home = call.administrator.session.environment_id
    administrator = await _find_user(call, home, typed) or (typed if is_id(typed) else None)
    if administrator is None:
        operator = f'"name":{json.dumps(typed)}}},"changes":'
    else:
        operator = f'"operator":{{"kind":"user","id":{json.dumps(administrator)}'
    changes: Mapping[str, Any] = {"event": CHANGED, "record_says": (operator,)}
    return [changes, {"user_id": user}] if user else [changes]


async def _find_user(call: ConsoleCall, environment_id: str, typed: str) -> str | None:
    users = call.services.store.users
    found = await users.find_user_by_id(environment_id, typed)
    found = found or await users.find_user(environment_id, typed)
    return found.id if found else None


def _with_words(call: ConsoleCall) -> _Filter:
    """What begins as typed; events called so; and changes whose records have all the words.

    Of the words of a change those are left out that the page adds in the reader's language.
    """
    typed = read_correlation_id(call.query("search"))
    if not typed:
        return []
    recorded = typed.casefold().removeprefix("deputize-").replace("-", " ")
    events = [
        each
        for each in _EVENTS
        if typed.casefold() in event_words(call, each).casefold() or recorded in each.replace("-", " ")
    ]
    texts = call.language.texts
    added = {
        word
        for name, text in texts.items()
        if name.startswith(("audit.changed_", "audit.kind_"))
        for word in _WORD.findall(text.casefold())
    }
    words = [each for each in _WORD.findall(typed) if each.casefold() not in added]
    found: list[Mapping[str, Any]] = [{"text": typed}, *({"event": each} for each in events)]
    if words:
        pieces = tuple(json.dumps(each)[1:-1] for each in words[:_MAX_WORDS])
        found.append({"event": CHANGED, "record_says": pieces})
    return found


def event_words(call: ConsoleCall, event: str) -> str:
    """Return what an event is called in the reader's language, or else as it is recorded."""
    name = f"audit.event_{event.replace(' ', '_').replace('-', '_')}"
    return call.t(name) if name in call.language.texts else event
