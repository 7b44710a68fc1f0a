"""Who can own agents: whoever administers, by the username that an agent's `owner` is compared with."""

from collections.abc import Sequence
from dataclasses import replace

from deputize.authority.administration import ListQuery, ObjectView
from deputize.authority.administration.administrators import ROLES
from deputize.authority.administration.views import MAX_LIMIT
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.session import administrators


async def list_administrators(call: ConsoleCall) -> Sequence[ObjectView]:
    """List the users with a role, by name, whatever environment the page is about.

    Raises `NotPermitted` for whoever may not read everything.
    """
    home = administrators(call.services)
    found: dict[str, ObjectView] = {}
    for role in ROLES if home else ():
        query: ListQuery | None = ListQuery(limit=MAX_LIMIT, role=role)
        while home and query:
            page = await call.administration.list(call.operator, home.id, "user", query)
            found |= {user.id: user for user in page.items}
            query = replace(query, cursor=page.next_cursor) if page.next_cursor else None
    return sorted(found.values(), key=lambda user: user.name)


async def suggest_owners(call: ConsoleCall) -> list[tuple[str, str]]:
    """Suggest usernames for an agent's `owner`, each with its roles: those of agent owners first."""
    suggested: list[tuple[bool, str, str]] = []
    for user in await list_administrators(call):
        roles = user.entry.get("roles")
        names = [str(role) for role in roles] if isinstance(roles, Sequence) else []
        words = ", ".join(call.t(f"console.role_{name}") for name in names)
        suggested.append(("agent_owner" not in names, user.name, words))
    return [(name, words) for _, name, words in sorted(suggested)]


async def find_unknown_owner(call: ConsoleCall, agent: ObjectView) -> str:
    """Return the owner that the agent names where nobody who administers has that username; else nothing."""
    owner = str(agent.entry.get("owner") or "")
    if not owner or not call.operator.reads_all:
        return ""
    return "" if any(user.name == owner for user in await list_administrators(call)) else owner
