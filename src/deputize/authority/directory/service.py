"""Holds the current snapshot, and replaces it when the directory was changed or a secret expired."""

import asyncio
from typing import Protocol

import structlog

from deputize.authority.directory.assemble import AssembledDirectory, assemble
from deputize.authority.storage import DirectoryRows
from deputize.kernel.clock import Clock
from deputize.oauth.records.directory import Directory

POLL_SECONDS = 1.0
_log = structlog.get_logger("deputize.authority")


class Rows(Protocol):
    """The part of `storage.SqlDirectoryRows` that reads."""

    async def version(self) -> int:
        """A number that every change of the directory raises."""
        ...

    async def load(self) -> DirectoryRows:
        """All rows, as one version of the directory had them."""
        ...


class DirectoryService:
    """The snapshot that requests read; `open_directory` makes one.

    Changes by any process show within `POLL_SECONDS`; whoever changes the directory in this process calls
    `refresh`.
    """

    def __init__(self, rows: Rows, base_url: str, clock: Clock, assembled: AssembledDirectory) -> None:
        self._rows = rows
        self._base_url = base_url
        self._clock = clock
        self._assembled = assembled

    @property
    def current(self) -> Directory:
        """The latest snapshot; hold on to it for one request, and not longer."""
        return self._assembled.directory

    @property
    def problems(self) -> tuple[str, ...]:
        """What the latest snapshot had to leave out, and why."""
        return self._assembled.problems

    async def refresh(self) -> bool:
        """Replace the snapshot if the directory changed or a secret expired; whether it was replaced."""
        valid_until = self._assembled.valid_until
        expired = valid_until is not None and self._clock.now() >= valid_until
        if await self._rows.version() == self.current.version and not expired:
            return False
        assembled = await _assemble(self._rows, self._base_url, self._clock, self._assembled)
        # Where reading waits, somebody who began later may have read a later one, and rely on it.
        if assembled.directory.version >= self.current.version:
            self._assembled = assembled
        return True

    async def watch(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Refresh for ever; while the store does not answer, the last snapshot serves.

        Ends by cancellation.
        """
        while True:
            await asyncio.sleep(poll_seconds)
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - whatever the store raises, it may be back in a second
                _log.error(
                    "the directory cannot be read; the last one read serves on", error=type(error).__name__
                )


async def open_directory(rows: Rows, base_url: str, clock: Clock) -> DirectoryService:
    """The directory in `rows`, served under `base_url` (without a trailing slash)."""
    return DirectoryService(rows, base_url, clock, await _assemble(rows, base_url, clock, None))


async def _assemble(
    rows: Rows, base_url: str, clock: Clock, before: AssembledDirectory | None
) -> AssembledDirectory:
    loaded = await rows.load()
    assembled = assemble(loaded, base_url, clock.now(), before)
    for row in loaded.environments:
        if (told := row.base_url) and told != base_url:
            fix = f"serve with --base-url {told}, or apply with --base-url {base_url}"
            _log.warning(
                "what was written out names another base URL",
                environment=row.name,
                applied=told,
                served=base_url,
                fix=fix,
            )
    for problem in assembled.problems:
        _log.error("directory object disabled", problem=problem)
    for missing in assembled.missing:
        _log.error("a package is missing", problem=missing)
    return assembled
