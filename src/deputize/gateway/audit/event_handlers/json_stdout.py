"""`JsonStdoutAuditEventHandler`: JSON lines on standard output."""

from typing import Final

from deputize.audit.publisher import AuditSink
from deputize.audit.sinks.stdout import StdoutSink
from deputize.gateway.audit.event_handlers.event_handler import EventHandlerSettings
from deputize.gateway.loading.context import BuildContext


class JsonStdoutAuditEventHandler:
    """Writes to standard output."""

    java_class: Final = "org.forgerock.audit.handlers.json.stdout.JsonStdoutAuditEventHandler"

    class Config(EventHandlerSettings):
        """The settings that every event handler has."""

    @classmethod
    def build(cls, config: Config, context: BuildContext, key: str, *, strict: bool) -> AuditSink:
        """Make the sink; it has no disk, so that `strict` makes no difference."""
        buffering = config.buffering.to_buffering()
        return StdoutSink(config.topics, buffering=buffering, trail=context.registry.trail)
