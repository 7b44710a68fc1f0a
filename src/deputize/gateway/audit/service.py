"""`AuditService`: where the records of a route go (gateway-config reference, section 7)."""

from typing import Any, ClassVar

from pydantic import AliasChoices, Field

from deputize.audit.publisher import AuditPublisher, AuditSink
from deputize.audit.records import TOPICS
from deputize.gateway.audit.event_handlers import EVENT_HANDLERS
from deputize.gateway.audit.event_handlers.event_handler import EventHandlerSettings, EventHandlerType
from deputize.gateway.config.instance import load_bindings
from deputize.gateway.config.settings import Raw, Settings, validate, warnings_about
from deputize.gateway.loading.context import BuildContext
from deputize.kernel.suggestions import find_similar


class EventHandler(Settings):
    """One destination of records: its kind, by PingGateway's Java class, and its configuration."""

    java_class: str = Field(alias="class")
    """The kind of destination, by the Java class name that PingGateway's files use."""
    config: Raw[dict[str, Any]]
    """That destination's own configuration."""


class AuditService:
    """Where the records of a route go."""

    aliases: ClassVar[tuple[str, ...]] = ("NoOpAuditService",)

    class Config(Settings):
        """The destinations. Without event handlers nothing is recorded. `strict` extends PingGateway's
        format.
        """

        event_handlers: tuple[EventHandler, ...] = Field(
            (), validation_alias=AliasChoices("eventHandlers", "event-handlers")
        )
        """The destinations; each gets every record of its topics."""
        strict: bool = False
        """Whether nothing may happen unrecorded.

        A call goes up when the disk has the record of its decision, and is refused with 503 while the disk
        cannot have it. Every topic then needs a destination that writes files.
        """

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> AuditPublisher:
        """Open the sinks.

        They are closed, and what waits in them is written, when the last exchange has ended.
        """
        sinks: list[AuditSink] = []
        kinds = EVENT_HANDLERS.by_name
        for index, handler in enumerate(config.event_handlers):
            key = f"eventHandlers/{index}"
            kind = kinds.get(handler.java_class)
            if kind is None:
                near = find_similar(handler.java_class, kinds)
                fix = f"did you mean {near[0]}?" if near else f"use one of {', '.join(kinds)}"
                reason = f"{handler.java_class!r} is not an event handler this gateway has"
                raise context.error(f"{key}/class", reason, fix)
            settings = _validate(kind, handler.config, context, f"{key}/config")
            if settings.enabled:
                sinks.append(kind.build(settings, context, key, strict=config.strict))
                context.on_close(sinks[-1].close)
        publisher = AuditPublisher(tuple(sinks), config.strict)
        _check_strictness(publisher, context)
        services = context.registry.audit_services
        services.append(publisher)

        async def forget() -> None:
            services.remove(publisher)

        context.on_close(forget)
        return publisher


def _validate(
    kind: EventHandlerType, config: dict[str, Any], context: BuildContext, key: str
) -> EventHandlerSettings:
    position = context.position.below("config", *key.split("/"))
    names = load_bindings(context.instance, context.properties.visible)
    settings = validate(kind.Config, config, position, names)
    for warning in warnings_about(settings, position, kind.__name__):
        context.deployment.warnings.append(warning)
    for topic in sorted(set(settings.topics) - TOPICS):
        context.warn(
            f"{key}/topics",
            f"nothing is ever recorded on topic {topic!r}",
            f"the topics are {' and '.join(sorted(TOPICS))}",
        )
    return settings


def _check_strictness(publisher: AuditPublisher, context: BuildContext) -> None:
    """Refuse a strictness that nobody can keep: it is worse than none."""
    topics = {topic for sink in publisher.sinks for topic in sink.topics} & TOPICS
    if publisher.strict and not topics:
        raise context.error("strict", "nothing is recorded at all", "add an event handler that writes files")
    for topic in sorted(topics) if publisher.strict else ():
        if publisher.committer(topic) is None:
            reason = f"records of topic {topic!r} go to no disk, so that nobody can know whether they last"
            raise context.error(
                "strict", reason, "record the topic with a JsonAuditEventHandler as well, or leave strict out"
            )
