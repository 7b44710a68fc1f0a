"""How a change is carried out: anew where others were faster, followed by the snapshot, recorded."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from deputize.authority.administration.operators import Operator
from deputize.authority.administration.views import Changed
from deputize.authority.storage import DirectoryConflict
from deputize.kernel.errors import DeputizeError
from deputize.kernel.values import JsonValue

ATTEMPTS: Final = 4
"""How often a change is made anew that others were faster with."""


class Recorder(Protocol):
    """Takes what is recorded of a change."""

    def __call__(
        self, name: str, environment: str | None, reason: str | None, members: Mapping[str, JsonValue]
    ) -> None:
        """Record that `name` happened, or was refused for a `reason`."""
        ...


class Refreshing(Protocol):
    """The part of `directory.service` that follows a change."""

    async def refresh(self) -> bool:
        """Replace the snapshot if the directory changed; whether it was replaced."""
        ...


class ChangeRunner:
    """Carries out changes."""

    def __init__(self, record: Recorder, directory: Refreshing | None) -> None:
        self._record = record
        self._directory = directory

    async def run(
        self,
        operator: Operator,
        environment_id: str | None,
        attempt: Callable[[], Awaitable[Changed]],
        *,
        dry_run: bool = False,
    ) -> Changed:
        """What `attempt` returns, once the snapshot of this process says the same and it is recorded.

        A dry run leaves no record, and neither does what changed nothing. Raises what `attempt` raises.
        """
        members: dict[str, JsonValue] = {"operator": operator.record()}
        try:
            changed = await _repeat(attempt)
        except DeputizeError as error:
            if not dry_run:
                reason = "; ".join(str(error).splitlines())
                self._record("environment changed", environment_id, reason, members)
            raise
        if not dry_run and changed.differences:
            if self._directory is not None:
                await self._directory.refresh()
            members["changes"] = [each.record() for each in changed.differences]
            if environment_id is None and changed.view is not None:
                environment_id = changed.view.id
            self._record("environment changed", environment_id, None, members)
        return changed


async def _repeat(attempt: Callable[[], Awaitable[Changed]]) -> Changed:
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(DirectoryConflict):
            return await attempt()
    return await attempt()
