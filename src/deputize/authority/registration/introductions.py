"""Keeps agents that introduce themselves: in the store, and at once in the snapshot."""

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from deputize.authority.directory.source import DirectorySource
from deputize.authority.registration.rates import OVERALL_ALLOWANCE, SOURCE_ALLOWANCE, Rates
from deputize.authority.storage import (
    DirectoryConflict,
    ObjectRow,
    Put,
    Remove,
    RowChange,
    SecretRow,
    StorageUnavailable,
    Store,
)
from deputize.kernel.digests import digest
from deputize.kernel.ids import new_id
from deputize.kernel.values import JsonObject
from deputize.oauth.document_urls import is_document_id
from deputize.oauth.errors import InvalidToken, TooManyRegistrations
from deputize.oauth.grants import client_credentials
from deputize.oauth.records.directory import Agent, Environment

ATTEMPTS: Final = 8
"""How often a change is made anew that other processes were faster with."""
ROOM_SECONDS: Final = 600.0
"""An agent that came so lately does not make room for another one that nobody has used yet either."""


class Introductions:
    """The agents that introduced themselves."""

    def __init__(self, directory: DirectorySource, store: Store) -> None:
        self._directory = directory
        self._store = store
        self._one_at_a_time = asyncio.Lock()
        self.by_source = Rates(SOURCE_ALLOWANCE)
        """How often one network may ask for anything."""
        self.overall = Rates(OVERALL_ALLOWANCE)
        """How often anything may be stored in one environment."""

    async def keep(
        self,
        environment_id: str,
        wanted: Agent,
        history: JsonObject,
        now: float,
        secret: str | None = None,
        *,
        replaces: ObjectRow | None = None,
        drops_secrets: bool = False,
    ) -> Agent:
        """Store the agent, new or changed, and return it as every request knows it from now on.

        `history` is that of its row. What an administrator says of it stays; how it authenticates is said in
        its document, so that what only its secret could use ends where it becomes public.
        `secret` is one that it authenticates with from now on; with it, or where `drops_secrets`, those
        before end. Where it `replaces` what somebody was allowed to change, nothing else may have happened to
        that: neither was it removed, nor changed with the same token. Raises `InvalidToken` if it was, and
        `TooManyRegistrations` when there is no room for a new one.
        """
        rows = self._store.directory_rows
        async with self._changing() as attempts:
            for _ in attempts:
                directory = self._directory.current
                environment = directory.environments[environment_id]
                before = await rows.find_object(environment_id, "agent", wanted.id)
                if replaces and (before is None or before.history != replaces.history):
                    raise InvalidToken("the registration was removed or replaced meanwhile")
                changes: list[RowChange] = [] if before else await self._make_room(environment, wanted, now)
                document: JsonObject = {
                    **(before.document if before else _new_document(environment)),
                    "client_auth": wanted.settings.client_auth,
                }
                row = ObjectRow(wanted.id, environment_id, "agent", wanted.id, document, history=history)
                row = replace(row, created_at=before.created_at if before else now, changed_at=now)
                changes.append(Put(row))
                if before and (secret or drops_secrets):
                    changes += [Remove(each) for each in await rows.secrets_of(environment_id, wanted.id)]
                if secret:
                    changes.append(Put(SecretRow(new_id(), environment_id, wanted.id, digest(secret), now)))
                if await self._change(changes, directory.version):
                    return self._directory.current.environments[environment_id].agents[wanted.id]
        raise StorageUnavailable("the directory changes faster than an agent can be added")

    async def remove(self, environment_id: str, agent_ids: Sequence[str]) -> None:
        """Remove agents that introduced themselves; everything issued to them has ended."""
        removals = [Remove(ObjectRow(each, environment_id, "agent", each, {})) for each in agent_ids]
        async with self._changing() as attempts:
            for _ in attempts:
                if await self._change(removals, self._directory.current.version):
                    return
        raise StorageUnavailable("the directory changes faster than an agent can be removed")

    async def forget_unused(self, environment: Environment, now: float) -> list[str]:
        """Remove the agents whose time is over, or that nobody uses; their ids.

        One by a document that an administrator disabled stays: it would come back enabled.
        """
        registration = environment.registration
        if registration is None:
            return []
        introduced = _introduced(environment)
        uses = await self._store.listings.last_uses(environment.id, [agent.id for agent in introduced])
        idle_since = now - registration.settings.idle_lifetime
        unused_since = now - registration.settings.unused_lifetime
        over = [
            agent.id
            for agent in introduced
            if (agent.origin and agent.origin.expires_at is not None and agent.origin.expires_at <= now)
            or _is_unused(agent, uses.get(agent.id), idle_since if agent.id in uses else unused_since)
        ]
        for agent_id in filter(is_document_id, tuple(over)):
            # That its time is over hides in the snapshot that an administrator disabled it.
            row = await self._store.directory_rows.find_object(environment.id, "agent", agent_id)
            if row and row.document.get("enabled") is not True:
                over.remove(agent_id)
        if over:
            await self.remove(environment.id, over)
        return over

    @asynccontextmanager
    async def _changing(self) -> AsyncGenerator[range]:
        """One change at a time, on the strength of what is stored now."""
        async with self._one_at_a_time:
            await self._directory.refresh()
            yield range(ATTEMPTS)

    async def _change(self, changes: Sequence[RowChange], version: int) -> bool:
        """Make the changes unless another process was faster; the snapshot is up to date either way."""
        try:
            await self._store.directory_rows.change(changes, version)
        except DirectoryConflict:
            await self._directory.refresh()
            return False
        await self._directory.refresh()
        return True

    async def _make_room(self, environment: Environment, wanted: Agent, now: float) -> list[RowChange]:
        """What has to go so that `wanted` may come.

        One by a document comes because a user signed on with it, unless it has to wait for approval: no crowd
        of others keeps it out. Raises `TooManyRegistrations`.
        """
        introduced = _introduced(environment)
        registration = environment.registration
        if registration is None or len(introduced) < registration.settings.max_agents:
            return []
        uses = await self._store.listings.last_uses(environment.id, [agent.id for agent in introduced])
        is_used = wanted.enabled and wanted.origin is not None and wanted.origin.means == "document"
        since = math.inf if is_used else now - ROOM_SECONDS
        unused = [each for each in introduced if each.id not in uses and _is_unused(each, None, since)]
        if not unused:
            raise TooManyRegistrations("there are max_agents agents that introduced themselves, all in use")
        oldest = min(unused, key=lambda each: each.origin.created_at if each.origin else 0.0)
        return [Remove(ObjectRow(oldest.id, environment.id, "agent", oldest.id, {}))]


def _new_document(environment: Environment) -> JsonObject:
    """What an administrator has said of an agent that just came: that it may act, or has to wait."""
    registration = environment.registration
    is_waiting = registration is not None and registration.settings.approval_required
    return {"enabled": False, "waiting": True} if is_waiting else {"enabled": True}


def _introduced(environment: Environment) -> list[Agent]:
    return [agent for agent in environment.agents.values() if agent.origin is not None]


def _is_unused(agent: Agent, last_used: float | None, since: float) -> bool:
    """Whether nobody used it since then.

    One that may get tokens of its own leaves no trace of it. One by a document that was disabled stays: it
    would come back enabled.
    """
    origin = agent.origin
    if origin is None or client_credentials.GRANT_TYPE in agent.grant_types:
        return False
    if not agent.enabled and origin.means == "document":
        return False
    return max(origin.created_at, last_used or 0.0) < since
