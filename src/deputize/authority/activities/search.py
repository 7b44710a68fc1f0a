"""Looks for what agents did: for the console's audit, the pages of agents and users, and the API."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from deputize.authority.activities.writer import ActivityWriter
from deputize.authority.storage.activities import (
    Activity,
    ActivityPage,
    ActivityQuery,
    ActivityTotal,
    CursorInvalid,
    SqlActivities,
)
from deputize.oauth.lineage import parse_jti

__all__ = ("Activity", "ActivityPage", "ActivityQuery", "ActivitySearch", "ActivityTotal", "CursorInvalid")
MAX_LIMIT: Final = 200
MCP_MESSAGE: Final = "mcp message"
"""The event of what gateways record; `method` and `tool` tell more."""
MCP_OUTCOME: Final = "mcp outcome"
"""The event of how a message ended, where a gateway records that by itself, under the same transaction."""


class ActivitySearch:
    """Searches the activities of an environment; what happened before a search began is found by it."""

    def __init__(self, activities: SqlActivities, writer: ActivityWriter) -> None:
        self._activities = activities
        self._writer = writer

    async def find(self, environment_id: str, query: ActivityQuery, *others: ActivityQuery) -> ActivityPage:
        """Find a page of what fulfils any of the queries, the newest first. Raises `CursorInvalid`.

        `query.limit` counts for what it is from 1 to `MAX_LIMIT`; the others have the same limit and cursor.
        """
        await self._writer.write_all()
        limit = min(max(query.limit, 1), MAX_LIMIT)
        settled: list[ActivityQuery] = []
        for each in (query, *others):
            lineage = parse_jti(each.jti)
            settled.append(replace(each, limit=limit, jti=lineage.id if lineage else each.jti))
        return await self._activities.find(environment_id, *settled)

    async def find_one(self, environment_id: str, activity_id: str) -> Activity | None:
        """Find the activity with this id."""
        return await self._activities.find_one(environment_id, activity_id)

    async def follow(self, environment_id: str, activity: Activity) -> tuple[Activity, ...]:
        """Find what belongs to the same transaction at authority and gateway, the oldest first.

        That is what either program logged under the same transaction, and what became of the token and of
        those it came from: sign-on, exchanges, calls with it.
        """
        await self._writer.write_all()
        lineage = parse_jti(activity.jti)
        jtis = {each for each in (activity.grant_id, activity.jti) if each}
        jtis |= set(lineage.ids) if lineage else set()
        transactions = {activity.transaction_id, activity.caller_transaction_id} - {None}
        return await self._activities.follow(
            environment_id, [each for each in transactions if each is not None], jtis
        )

    async def totals(self, environment_id: str, agent_ids: Collection[str]) -> tuple[ActivityTotal, ...]:
        """How often these agents (200 at most) did what, by resource and tool; the last use first."""
        await self._writer.write_all()
        return await self._activities.totals(environment_id, agent_ids)

    async def last_used(self, environment_id: str, agent_ids: Collection[str]) -> Mapping[str, float]:
        """When each of these agents (200 at most) did something last, in seconds since the epoch.

        What was refused is no use. Agents of which nothing is known are left out.
        """
        last: dict[str, float] = {}
        for total in await self.totals(environment_id, agent_ids):
            if total.permitted:
                last.setdefault(total.agent_id, total.last_at)
        return last

    async def totals_of_user(
        self, environment_id: str, user_id: str, since: float = 0.0
    ) -> tuple[ActivityTotal, ...]:
        """How often agents did what for this user since then; the last use first."""
        await self._writer.write_all()
        return await self._activities.totals_of_user(environment_id, user_id, since)

    async def last_delivery(self, environment_id: str, resource_id: str | None = None) -> float | None:
        """When the last call happened that a gateway has delivered, of this resource or of any.

        `None`: no gateway delivers, or nobody called.
        """
        query = ActivityQuery(event=MCP_MESSAGE, resource_id=resource_id, limit=1)
        page = await self._activities.find(environment_id, query)
        return page.items[0].happened_at if page.items else None
