"""The file with the tools that an operator approved, read again while the gateway serves."""

from pathlib import Path

import structlog

from deputize.kernel import strict_json
from deputize.kernel.values import JsonObject
from deputize.mcp.pins import ApprovedTools, read_tools

log = structlog.get_logger()


class PinnedTools:
    """What the file approves now. Where it cannot be read, what it approved before."""

    def __init__(self, path: Path, content: bytes) -> None:
        """Raises `PinError` and `JsonError`."""
        self._path = path
        self._content = content
        self._approved = _read(content)

    async def read_again(self) -> None:
        """Take over what the file says by now, if that is something else. Raises `OSError` and others."""
        content = self._path.read_bytes()
        if content != self._content:
            self._approved, self._content = _read(content), content
            log.info("approved tools have changed", file=str(self._path))

    def approves(self, name: str, tool: JsonObject) -> bool:
        """Whether the server lists the tool as it was approved."""
        known = self._approved.changed.get(name)
        if self._approved.approves(name, tool):
            return True
        found = self._approved.changed.get(name)
        if found != known:
            log.warning(
                "a tool is not what was approved",
                tool=name[:128],
                digest=found,
                file=str(self._path),
                fix="look at it: deputize gateway pins diff URL FILE",
            )
        return False

    def find_fault(self, name: str) -> str | None:
        """Return why the tool must not be called; `None` where it may."""
        return self._approved.find_fault(name)


def _read(content: bytes) -> ApprovedTools:
    return ApprovedTools(read_tools(strict_json.loads(content)))
