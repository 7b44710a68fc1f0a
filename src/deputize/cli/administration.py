"""What commands that work on the authority's data have in common.

The store, errors in words, and a record of who did what.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import click

from deputize.audit.publisher import Publish
from deputize.authority.audit import SOURCE, AuditUnusable, Event, Source, open_audit, operator
from deputize.authority.storage import DirectoryRows, EnvironmentRow, Store, open_store
from deputize.cli.database import audit_directory
from deputize.kernel.clock import Clock, SystemClock
from deputize.kernel.errors import DeputizeError
from deputize.kernel.ids import new_id
from deputize.kernel.values import JsonValue

T = TypeVar("T")


@dataclass(slots=True)
class Administration:
    """One command at work."""

    store: Store
    clock: Clock = field(default_factory=SystemClock)
    environment_id: str | None = None
    """Of the environment it is about, for its record; set once it is known."""
    members: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """What its record says beside who and where: what it was about, before and after. Never a secret."""

    async def read(self, environment: str) -> tuple[DirectoryRows, EnvironmentRow]:
        """Everything configured, and the environment with this name or id.

        Raises `click.ClickException` when there is none.
        """
        rows = await self.store.directory_rows.load()
        found = next((row for row in rows.environments if environment in {row.name, row.id}), None)
        if found is None:
            known = ", ".join(row.name for row in rows.environments) or "none"
            raise click.ClickException(f"there is no environment {environment!r}; there is {known}")
        self.environment_id = found.id
        return rows, found


def administer(database_url: str, work: Callable[[Administration], Awaitable[T]]) -> T:
    """What `work` returns.

    Whether it succeeds or not, the audit says which command it was, who called it, and what it told.

    Raises `click.ClickException` for every error of this product.
    """
    try:
        return asyncio.run(_administer(database_url, work))
    except DeputizeError as error:
        raise click.ClickException(str(error)) from error


async def _administer(database_url: str, work: Callable[[Administration], Awaitable[T]]) -> T:
    SOURCE.set(Source(correlation_id=new_id()))
    try:
        async with open_store(database_url) as store, open_audit(audit_directory(database_url)) as publish:
            return await _recorded(publish, Administration(store), work)
    except AuditUnusable as error:
        raise click.ClickException(f"{error}; nothing was done, as nobody could tell afterwards") from error


async def _recorded(
    publish: Publish, administration: Administration, work: Callable[[Administration], Awaitable[T]]
) -> T:
    reason: str | None = "it broke off"
    try:
        result = await work(administration)
    except (DeputizeError, click.ClickException) as error:
        reason = str(error)
        raise
    else:
        reason = None
        return result
    finally:
        now, members = (
            administration.clock.now(),
            {"command": click.get_current_context().command_path, **operator(), **administration.members},
        )
        publish(Event("command", now, administration.environment_id, members, reason))
