"""Monitoring → Audit: what agents, users and administrators did, at the authority and behind gateways."""

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from starlette.responses import Response

from deputize.audit.records import timestamp_text
from deputize.authority.activities.search import MAX_LIMIT
from deputize.authority.administration import NoSuchObject
from deputize.authority.console.audit_search import KINDS, OUTCOMES, SOURCES, event_words, read_search
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.change_words import CHANGED, list_changes, summarize_change
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.storage.activities import Activity, ActivityQuery
from deputize.oauth.records.directory import Agreement, Policy, Resource

MAX_EXPORTED: Final = 10_000
"""Records of one download, the newest; a narrower search has the older ones."""
_MAX_BYTES: Final = 16 * 1024 * 1024
_LOOKS: Final = 5
"""How often a search goes on by itself that looked at very much and found nothing yet."""
_MORE: Final = ("object", "tool", "source", "since", "before", "correlation_id")
"""The filters that are folded until one is used."""
_COLUMNS: Final = (
    "time", "source", "event", "outcome", "user", "user_id", "agents", "agent_ids", "resource", "method",
    "tool", "change", "reason", "transaction_id", "caller_transaction_id", "id",
)  # fmt: skip
_FORMULA: Final = re.compile("[\\s\"']*[=+@\uff1d\uff0b\uff0d\uff20-]|[\\t\\r\\n]")
"""What makes spreadsheet programs compute a cell."""


@dataclass(frozen=True, slots=True)
class Line:
    """A record as people read it: names instead of ids."""

    activity: Activity
    event: str
    user: str
    """The username; empty for none."""
    agents: Sequence[tuple[str, str]]
    """Id and name of each, the one that acted first."""
    resource: str
    method: str
    """The MCP method, or the last part of the grant type's name."""
    reason: str
    """Why it was refused, in the program's words."""
    told: str
    """Who changed what, where administrators did; empty for all else."""


async def show_audit(call: ConsoleCall) -> Response:
    """Show what a search finds, the newest first."""
    search = await read_search(call)
    lines, next_cursor = await find_lines(call, search.queries)
    environment = call.environment
    objects = [*environment.agreements.values(), *environment.policies.values()]
    return call.show(
        "audit.html",
        422 if search.problems else 200,
        lines=lines,
        next_cursor=next_cursor,
        problems=search.problems,
        resources=_choices(environment.resources.values(), call.query("resource")),
        objects=_choices(objects, call.query("object")),
        kinds=[(call.t(f"audit.records_{each}"), each) for each in KINDS],
        sources=[(call.t(f"audit.{each}"), each) for each in SOURCES],
        outcomes=[(call.t(f"audit.{each}"), each) for each in OUTCOMES],
        delivers=await call.services.activities.last_delivery(environment.id) is not None,
        most=MAX_EXPORTED,
        more=any(call.query(name) for name in _MORE),
    )


def _choices(objects: Iterable[Resource | Agreement | Policy], asked: str) -> Sequence[tuple[str, str]]:
    """Return names and ids to choose from; of what was removed the id stands for the name."""
    names = {each.id: each.name for each in objects}
    return sorted((name, id_) for id_, name in {asked: asked, **names}.items() if id_)


async def show_record(call: ConsoleCall) -> Response:
    """Show one record, and what belongs to the same transaction at authority and gateway."""
    search = call.services.activities
    found = await search.find_one(call.environment.id, call.id())
    if found is None:
        raise NoSuchObject("there is no such record, or it was forgotten")
    story = await describe(call, await search.follow(call.environment.id, found))
    [line] = await describe(call, [found])
    return call.show(
        "audit_record.html",
        title=line.event,
        crumbs=[(call.t("audit.title"), call.path("audit"))],
        line=line,
        story=story,
        changes=list_changes(call, found.read_record()),
        record=json.dumps(found.read_record(), indent=2, ensure_ascii=False),
    )


async def export(call: ConsoleCall) -> Response:
    """Hand out what a search finds as a file: CSV, or JSON lines with the whole records."""
    search = await read_search(call)
    if search.problems:
        raise NoSuchObject("nothing can be found so")
    is_csv = call.query("format") == "csv"
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    if is_csv:
        writer.writerow(_COLUMNS)
    queries, left = [replace(each, limit=MAX_LIMIT) for each in search.queries], MAX_EXPORTED
    while queries and left > 0 and written.tell() < _MAX_BYTES:
        page = await call.services.activities.find(call.environment.id, *queries)
        for line in await describe(call, page.items[:left]):
            row = _row_of(line)
            if is_csv:
                writer.writerow([_cell(row[name]) for name in _COLUMNS])
            else:
                whole = {**row, "record": line.activity.read_record()}
                written.write(json.dumps(whole, ensure_ascii=False) + "\n")
        left -= len(page.items)
        if page.next_cursor is None:
            break
        queries = [replace(each, cursor=page.next_cursor) for each in queries]
        await asyncio.sleep(0)  # others have their turn: a page is some milliseconds of work
    kind, ending = ("text/csv; charset=utf-8", "csv") if is_csv else ("application/x-ndjson", "ndjson")
    headers = {"Content-Disposition": f'attachment; filename="audit.{ending}"', "Cache-Control": "no-store"}
    return Response(written.getvalue(), media_type=kind, headers=headers)


async def find_lines(
    call: ConsoleCall, queries: Sequence[ActivityQuery]
) -> tuple[Sequence[Line], str | None]:
    """Find a page, and where to go on; a page may be empty although there is more."""
    if not queries:
        return (), None
    page = await call.services.activities.find(call.environment.id, *queries)
    for _ in range(_LOOKS - 1):
        if page.items or page.next_cursor is None:
            break
        queries = [replace(each, cursor=page.next_cursor) for each in queries]
        page = await call.services.activities.find(call.environment.id, *queries)
    return await describe(call, page.items), page.next_cursor


async def describe(call: ConsoleCall, activities: Sequence[Activity]) -> Sequence[Line]:
    """Return the records with the names that people know."""
    user_ids = {each.user_id for each in activities if each.user_id is not None}
    usernames = await call.services.store.listings.usernames(user_ids)
    environment = call.environment
    lines: list[Line] = []
    for each in activities:
        resource = environment.resources.get(each.resource_id or "")
        record = each.read_record()
        reason = record.get("reason")
        named: list[tuple[str, str]] = []
        for agent_id in each.agent_ids:
            agent = environment.agents.get(agent_id)
            title = agent.title if agent else agent_id
            is_claimed = agent_id == record.get("claimedClientId")
            named.append((agent_id, call.t("audit.claimed", agent=title) if is_claimed else title))
        line = Line(
            activity=each,
            event=event_words(call, each.event),
            user=usernames.get(each.user_id or "", ""),
            agents=named,
            resource=resource.name if resource else "",
            method=(each.method or "").rpartition(":")[2],
            reason=reason if isinstance(reason, str) else "",
            told=summarize_change(call, record) if each.event == CHANGED else "",
        )
        lines.append(line)
    return lines


def _row_of(line: Line) -> dict[str, str | None]:
    activity = line.activity
    return {
        "time": timestamp_text(activity.happened_at),
        "source": activity.source,
        "event": activity.event,
        "outcome": activity.outcome,
        "user": line.user,
        "user_id": activity.user_id,
        "agents": " < ".join(name for _, name in line.agents),
        "agent_ids": " ".join(activity.agent_ids),
        "resource": line.resource,
        "method": activity.method,
        "tool": activity.tool,
        "change": line.told,
        "reason": line.reason,
        "transaction_id": activity.transaction_id,
        "caller_transaction_id": activity.caller_transaction_id,
        "id": activity.id,
    }


def _cell(value: str | None) -> str:
    """Return a value that spreadsheet programs show as it is."""
    return f"'{value}" if value and _FORMULA.match(value) else value or ""


SECTION = ConsoleSection(
    "audit",
    "monitoring",
    (
        ConsolePage("audit", show_audit),
        ConsolePage("audit/export", export),
        ConsolePage("audit/{id}", show_record),
    ),
)
