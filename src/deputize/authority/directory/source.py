"""Where requests find the snapshot."""

from typing import Protocol

from deputize.oauth.records.directory import Directory


class DirectorySource(Protocol):
    """Holds the snapshot that requests read."""

    @property
    def current(self) -> Directory:
        """The latest snapshot."""
        ...

    async def refresh(self) -> bool:
        """Replace the snapshot if the directory changed; whether it was replaced."""
        ...
