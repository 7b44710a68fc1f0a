"""The search in the frame: what there is in an environment under a name or an id, whatever its kind.

A correlation ID leads to its record.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from starlette.responses import Response

from deputize.authority.administration import ListQuery, ObjectKind, ObjectView
from deputize.authority.administration.administrators import ROLES
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.correlation_ids import find_record
from deputize.authority.console.pages.audit import describe
from deputize.authority.console.section import ConsolePage, ConsoleSection

KINDS: Final[Mapping[str, ObjectKind]] = {
    "agents": "agent",
    "users": "user",
    "resources": "resource",
    "agreements": "agreement",
    "policies": "policy",
}
"""What is searched, by the section that it is shown in."""
MAX_SHOWN: Final = 10
"""Of each kind; the section's own list has the others."""
MAX_WANTED: Final = 256
"""Characters that are searched for."""


class FoundGroup(NamedTuple):
    """What was found of one kind."""

    section: str
    items: tuple[ObjectView, ...]
    has_more: bool


async def show_results(call: ConsoleCall) -> Response:
    """Show what was found, by kind, of the kinds whose sections the operator sees."""
    wanted = call.query("search").strip()[:MAX_WANTED]
    seen = {each.name for _, inside in call.frame["menus"] for each in inside}
    sections = [each for each in KINDS if each in seen] if wanted else []
    found = [await find_group(call, section, wanted) for section in sections]
    record = await find_record(call, wanted) if "audit" in seen and wanted else None
    return call.show(
        "search.html",
        wanted=wanted,
        groups=[each for each in found if each.items],
        records=await describe(call, [record]) if record else (),
    )


async def find_group(call: ConsoleCall, section: str, wanted: str) -> FoundGroup:
    """Find the object of a kind that has this id, and those that have it in their names."""
    where = call.operator, call.environment.id, KINDS[section]
    page = await call.administration.list(*where, ListQuery(limit=MAX_SHOWN, search=wanted))
    by_id = await call.administration.find(*where, wanted)
    named = tuple(each for each in page.items if by_id is None or each.id != by_id.id)
    return FoundGroup(section, (by_id, *named) if by_id else named, page.next_cursor is not None)


SECTION = ConsoleSection(
    "search", "", (ConsolePage("search", show_results),), seen_by=frozenset(ROLES), changed_by=frozenset()
)
