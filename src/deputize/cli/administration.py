"""What commands on the authority's data share: the store, readable errors, and a record of who did what."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

import click

from deputize.authority.administration import (
    Administration,
    ListPage,
    ListQuery,
    ObjectKind,
    ObjectView,
    Operator,
)
from deputize.authority.administration.views import MAX_LIMIT
from deputize.authority.audit import SOURCE, AuditUnusable, Event, Source, open_audit, operator
from deputize.authority.passwords import Passwords
from deputize.authority.storage import (
    DatabaseMissing,
    DirectoryRows,
    EnvironmentRow,
    Store,
    open_store,
    sqlite_url,
)
from deputize.cli.anywhere import AnyOperation, find_object
from deputize.cli.options import audit_directory, is_address
from deputize.kernel.clock import Clock, SystemClock
from deputize.kernel.errors import DeputizeError
from deputize.kernel.ids import new_id
from deputize.kernel.values import JsonValue

T = TypeVar("T")
COMMAND: Final = Operator("command", str(os.getuid()), "", frozenset({"administrator"}))
"""Whoever may run commands on the database may do everything; the record of a command says who it was."""


@dataclass(slots=True)
class Operation:
    """The work of one command on the authority's data, and what its audit record says about it."""

    store: Store
    clock: Clock = field(default_factory=SystemClock)
    environment_id: str | None = None
    """The id of its environment, for its record; set once it is known."""
    members: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """Members of its record beside who and where: what it was about, before and after. Never a secret."""

    passwords: Passwords = field(default_factory=Passwords)
    administration: Administration = field(init=False)
    """What it does goes through this, as `COMMAND`."""

    def __post_init__(self) -> None:
        """Make what rests on other parts."""
        self.administration = Administration(self.store, self.passwords, self.clock, self._record)

    def _record(
        self, name: str, environment: str | None, reason: str | None, members: Mapping[str, JsonValue]
    ) -> None:
        """Put what was changed into the command's own record, which says who called it."""
        del name, reason
        self.environment_id = environment or self.environment_id
        self.members.update({each: value for each, value in members.items() if each != "operator"})

    async def find_environment(self, name: str) -> str:
        """The id of the environment with this name or id.

        Raises `click.ClickException` when there is none.
        """
        _, found = await self.read(name)
        return found.id

    async def find(self, environment_id: str, kind: ObjectKind, name: str) -> ObjectView:
        """The object with this name or id, which goes into the record.

        Raises `click.ClickException` when there is none.
        """
        found = await find_object(self.administration, COMMAND, environment_id, kind, name)
        self.members.update({kind: found.id, "username" if kind == "user" else f"{kind}_name": found.name})
        return found

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
                operation.passwords.close()
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
                operation = Operation(store)
                try:
                    return await work(operation)
                finally:
                    operation.passwords.close()

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


def administer_at(
    place: str | None,
    database_url: str,
    work: Callable[[AnyOperation], Awaitable[T]],
    *,
    creates: bool = False,
    rehearses: bool = False,
) -> T:
    """Run `work` on the authority at the address `place`; where that is none, as `administer` does.

    Raises `click.ClickException` for every error of this product.
    """
    if place is None or not is_address(place):
        return administer(database_url, work, creates=creates, rehearses=rehearses)

    from deputize.cli.remote import RemoteAdministration, RemoteOperation, open_client  # noqa: PLC0415 - for who asks

    async def run() -> T:
        client, named = open_client(place)
        try:
            return await work(RemoteOperation(RemoteAdministration(client), named))
        finally:
            await client.aclose()

    try:
        return asyncio.run(run())
    except DeputizeError as error:
        raise click.ClickException(str(error)) from error


def set_enabled(kind: ObjectKind, named: str, environment: str, database_url: str, *, enabled: bool) -> None:
    """Disable or enable an agent or a user, and print whether that changed anything."""

    async def work(operation: AnyOperation) -> bool:
        environment_id = await operation.find_environment(environment)
        found = await operation.find(environment_id, kind, named)
        changed = await operation.administration.change(
            COMMAND, environment_id, kind, {"enabled": enabled}, object_id=found.id
        )
        return bool(changed.differences)

    changed = administer_at(environment, database_url, work)
    state = "enabled" if enabled else "disabled"
    click.echo(f"{named} is {state}" if changed else f"{named} was {state} already")


async def read_all(
    read: Callable[[ListQuery], Awaitable[ListPage[ObjectView]]], query: ListQuery
) -> list[ObjectView]:
    """Everything of a list, page by page."""
    views: list[ObjectView] = []
    cursor = None
    while True:
        page = await read(replace(query, limit=MAX_LIMIT, cursor=cursor))
        views += page.items
        cursor = page.next_cursor
        if cursor is None:
            return views


def shown_moment(text: JsonValue) -> str:
    """Return an instant of a view as people read it, to the minute."""
    return f"{str(text)[:16].replace('T', ' ')} UTC"
