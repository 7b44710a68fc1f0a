"""What every event handler is, and what it has in its configuration."""

from typing import Any, Protocol

from pydantic import Field

from deputize.audit.publisher import AuditSink
from deputize.audit.trail import Buffering
from deputize.gateway.config.settings import Duration, Settings
from deputize.gateway.loading.context import BuildContext


class BufferingSettings(Settings):
    """The buffer of records that cannot be written; no others are held back."""

    max_size: int = Field(100_000, ge=1)
    """Records that are kept at most while they cannot be written; more are dropped and counted."""
    write_interval: Duration = 0.1
    """How long after a failure writing is tried again."""

    def to_buffering(self) -> Buffering:
        """What the sinks take."""
        return Buffering(self.max_size, self.write_interval or 0)


class EventHandlerSettings(Settings):
    """The settings that every event handler has."""

    name: str
    """What the log calls this destination."""
    topics: tuple[str, ...] = Field(min_length=1)
    """What is recorded: `access` (every request), `mcp` (every MCP message)."""
    enabled: bool = True
    """`false` switches this destination off."""
    buffering: BufferingSettings = BufferingSettings.model_construct()
    """What happens to records that cannot be written."""


class EventHandlerType(Protocol):
    """A class that the `class` of an event handler in configuration can name."""

    __name__: str

    @property
    def java_class(self) -> str:
        """Its name in configuration: the Java class that PingGateway's files use."""
        ...

    @property
    def Config(self) -> type[EventHandlerSettings]:  # noqa: N802 - the nested class of every event handler
        """What its `config` holds."""
        ...

    def build(self, config: Any, context: BuildContext, key: str, *, strict: bool) -> AuditSink:  # noqa: ANN401 - each takes its own Config
        """Open the sink (a class method); `key` is where the event handler stands in the audit service.

        `strict`: a record has to be on the disk before the call goes up. Raises `ConfigurationError`.
        """
        ...
