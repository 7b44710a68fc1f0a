"""What commands on the authority's data share: the store, readable errors, and a record of who did what."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from deputize.authority.audit import SOURCE, AuditUnusable, Event, Source, open_audit, operator
from deputize.authority.storage import (
    DatabaseMissing,
    DirectoryRows,
    EnvironmentRow,
    Put,
    Store,
    open_store,
    sqlite_url,
)
from deputize.cli.options import audit_directory
from deputize.kernel.clock import Clock, SystemClock
from deputize.kernel.errors import DeputizeError
from deputize.kernel.ids import new_id
from deputize.kernel.values import JsonValue

T = TypeVar("T")


@dataclass(slots=True)
class Operation:
    """The work of one command on the authority's data, and what its audit record says about it."""

    store: Store
    clock: Clock = field(default_factory=SystemClock)
    environment_id: str | None = None
    """The id of its environment, for its record; set once it is known."""
    members: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """Members of its record beside who and where: what it was about, before and after. Never a secret."""

    async def read(self, environment: str) -> tuple[DirectoryRows, EnvironmentRow]:
        """Return everything configured, and the environment with this name or id.

        Raises `click.ClickException` when there is none.
        """
        rows = await self.store.directory_rows.load()
        found = next((row for row in rows.environments if environment in {row.name, row.id}), None)
        if found is None:
            known = ", ".join(row.name for row in rows.environments) or "none"
            raise click.ClickException(f"there is no environment {environment!r}; there is {known}")
        self.environment_id = found.id
        return rows, found


def administer(
    database_url: str,
    work: Callable[[Operation], Awaitable[T]],
    *,
    creates: bool = False,
    rehearses: bool = False,
) -> T:
    """Run `work` and return what it returns.

    `creates` makes the database where there is none; otherwise a folder that is mistyped stays absent.
    Whether it succeeds or not, an audit record says which command it was, who called it, and its `members`.
    `rehearses` takes an empty database that is gone afterwards where there is none, and leaves no record.

    Raises `click.ClickException` for every error of this product.
    """

    async def run() -> T:
        SOURCE.set(Source(correlation_id=new_id()))
        async with (
            open_store(database_url, creates=creates) as store,
            open_audit(audit_directory(database_url)) as audit,
        ):
            operation = Operation(store)
            reason: str | None = "it broke off"
            try:
                result = await work(operation)
            except (DeputizeError, click.ClickException) as error:
                reason = "; ".join(str(error).splitlines())
                raise
            else:
                reason = None
                return result
            finally:
                members: dict[str, JsonValue] = {
                    "command": click.get_current_context().command_path,
                    **operator(),
                    **operation.members,
                }
                audit.publish(
                    Event("command", operation.clock.now(), operation.environment_id, members, reason)
                )

    async def rehearse() -> T:
        with tempfile.TemporaryDirectory() as folder:
            async with open_store(sqlite_url(Path(folder))) as store:
                return await work(Operation(store))

    try:
        try:
            return asyncio.run(run())
        except DatabaseMissing:
            if not rehearses:
                raise
        return asyncio.run(rehearse())
    except AuditUnusable as error:
        raise click.ClickException(f"{error}; nothing was done, as nobody could tell afterwards") from error
    except DeputizeError as error:
        raise click.ClickException(str(error)) from error


def set_enabled(
    named: str,
    database_url: str,
    read: Callable[[Operation], Awaitable[tuple[bool, Put]]],
    *,
    enabled: bool,
) -> None:
    """Disable or enable an agent or a user, and print whether that changed anything.

    `read` returns whether it is enabled, and the row that says `enabled`.
    """

    async def work(operation: Operation) -> bool:
        rows = operation.store.directory_rows
        version = await rows.version()
        before, change = await read(operation)
        operation.members.update(before={"enabled": before}, after={"enabled": enabled})
        if before != enabled:
            await rows.change([change], version)
        return before != enabled

    changed = administer(database_url, work)
    state = "enabled" if enabled else "disabled"
    click.echo(f"{named} is {state}" if changed else f"{named} was {state} already")


def moment_text(seconds: float) -> str:
    """Return a time, in seconds since 1970, as people read it, to the minute."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
