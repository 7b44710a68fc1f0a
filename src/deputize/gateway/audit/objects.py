"""The audit service as a heap object (gateway-config reference, section 7)."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pydantic import AliasChoices, Field, field_validator

from deputize.audit.publisher import AuditPublisher, AuditSink
from deputize.audit.records import TOPICS
from deputize.audit.sinks.json_file import JsonFileSink, Rotation
from deputize.audit.sinks.stdout import StdoutSink
from deputize.audit.trail import Buffering
from deputize.gateway.config.declarations import below, validated, warnings_about
from deputize.gateway.config.settings import Duration, Raw, Settings
from deputize.gateway.exchange.bindings import load_bindings
from deputize.gateway.loading.context import BuildContext, HeapType


class BufferingSettings(Settings):
    """What happens to records that cannot be written; others wait for nothing."""

    max_size: int = Field(100_000, ge=1)
    """Records that are kept at most while they cannot be written; more are dropped and counted."""
    write_interval: Duration = 0.1
    """How long after a failure writing is tried again."""


class HandlerConfig(Settings):
    """What every event handler has."""

    name: str
    """What the log calls this destination."""
    topics: tuple[str, ...] = Field(min_length=1)
    """What is recorded: `access` (every request), `mcp` (every MCP message)."""
    enabled: bool = True
    """`false` switches this destination off."""
    buffering: BufferingSettings = BufferingSettings.model_construct()
    """What happens to records that cannot be written."""


class FileRotationSettings(Settings):
    """`maxFileSize` in bytes; 0 is no limit."""

    rotation_enabled: bool = False
    """Whether a full file is set aside and a new one begun."""
    max_file_size: int = Field(0, ge=0)
    """Bytes at which a file is full; 0 is no limit."""


class FileRetentionSettings(Settings):
    """How many full files are kept; 0 keeps them all."""

    max_number_of_history_files: int = Field(0, ge=-1)
    """Full files that are kept; 0 or -1 keeps all."""


class JsonHandlerConfig(HandlerConfig):
    """`filePermissions` are three octal digits."""

    log_directory: str
    """Folder of the files `TOPIC.audit.json`; a relative one is taken from the instance folder."""
    file_rotation: FileRotationSettings = FileRotationSettings.model_construct()
    """When a full file is set aside."""
    file_retention: FileRetentionSettings = FileRetentionSettings.model_construct()
    """How many of them stay."""
    file_permissions: str = Field("644", pattern="^[0-7]{3}$")
    """Unix permissions of the files, three octal digits."""

    @field_validator("file_permissions", mode="before")
    @classmethod
    def _digits(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value


class EventHandler(Settings):
    """One destination: the Java class that writes in the original, and its configuration."""

    java_class: str = Field(alias="class")
    """The kind of destination, by the Java class name that PingGateway's files use."""
    config: Raw[dict[str, Any]]
    """That destination's own configuration."""


class _Place(NamedTuple):
    """Where an event handler stands, and what its service asks of it."""

    context: BuildContext
    key: str
    strict: bool


@dataclass(frozen=True, slots=True)
class _Kind:
    config: type[HandlerConfig]
    make: Callable[[Any, _Place], AuditSink]


class AuditService:
    """Where the records of a route go."""

    class Config(Settings):
        """Without event handlers nothing is recorded. `strict` is ours."""

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
        for index, handler in enumerate(config.event_handlers):
            key = f"eventHandlers/{index}"
            kind = _kind(handler, context, key)
            settings = _settings(kind, handler, context, key)
            if settings.enabled:
                sinks.append(kind.make(settings, _Place(context, key, config.strict)))
                context.on_close(sinks[-1].close)
        service = AuditPublisher(tuple(sinks), config.strict)
        _check_strictness(service, context)
        context.registry.audit_services.append(service)
        context.on_close(partial(_forget, context.registry.audit_services, service))
        return service


def _kind(handler: EventHandler, context: BuildContext, key: str) -> _Kind:
    kind = _KINDS.get(handler.java_class)
    if kind is None:
        near = difflib.get_close_matches(handler.java_class, _KINDS, n=1)
        fix = f"did you mean {near[0]}?" if near else f"use one of {', '.join(_KINDS)}"
        raise context.error(
            f"{key}/class", f"{handler.java_class!r} is not an event handler this gateway has", fix
        )
    return kind


def _settings(kind: _Kind, handler: EventHandler, context: BuildContext, key: str) -> HandlerConfig:
    position = below(context.position, "config", *key.split("/"), "config")
    settings = validated(
        kind.config, handler.config, position, load_bindings(context.instance, context.properties.visible)
    )
    for warning in warnings_about(settings, position, handler.java_class.rpartition(".")[2]):
        context.deployment.warnings.append(warning)
    for topic in sorted(set(settings.topics) - TOPICS):
        context.warn(
            f"{key}/config/topics",
            f"nothing is ever recorded on topic {topic!r}",
            f"the topics are {' and '.join(sorted(TOPICS))}",
        )
    return settings


async def _forget(services: list[AuditPublisher], service: AuditPublisher) -> None:
    services.remove(service)


def _check_strictness(service: AuditPublisher, context: BuildContext) -> None:
    """Strictness that nobody can keep is worse than none."""
    topics = {topic for sink in service.sinks for topic in sink.topics} & TOPICS
    if service.strict and not topics:
        raise context.error("strict", "nothing is recorded at all", "add an event handler that writes files")
    for topic in sorted(topics) if service.strict else ():
        if service.committer(topic) is None:
            reason = f"records of topic {topic!r} go to no disk, so that nobody can know whether they last"
            raise context.error(
                "strict", reason, "record the topic with a JsonAuditEventHandler as well, or leave strict out"
            )


def _json_file(config: JsonHandlerConfig, place: _Place) -> AuditSink:
    context = place.context
    directory = context.instance.directory / Path(config.log_directory)
    permissions, rotation = int(config.file_permissions, 8), _rotation(config, context)
    try:
        return JsonFileSink(
            directory,
            config.topics,
            permissions,
            _buffering(config),
            rotation,
            context.registry.trail,
            durable=place.strict,
        )
    except OSError as error:
        reason = f"audit files cannot be written in {directory}: {error.strerror}"
        raise context.error(
            f"{place.key}/config/logDirectory", reason, "name a directory that the gateway may write to"
        ) from error


def _rotation(config: JsonHandlerConfig, context: BuildContext) -> Rotation | None:
    limit = config.file_rotation.max_file_size
    if not config.file_rotation.rotation_enabled or limit == 0:
        return None
    return Rotation(context.instance.clock, limit, max(config.file_retention.max_number_of_history_files, 0))


def _stdout(config: HandlerConfig, place: _Place) -> AuditSink:
    return StdoutSink(config.topics, buffering=_buffering(config), trail=place.context.registry.trail)


def _buffering(config: HandlerConfig) -> Buffering:
    return Buffering(config.buffering.max_size, config.buffering.write_interval or 0)


_KINDS: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        "org.forgerock.audit.handlers.json.JsonAuditEventHandler": _Kind(JsonHandlerConfig, _json_file),
        "org.forgerock.audit.handlers.json.stdout.JsonStdoutAuditEventHandler": _Kind(HandlerConfig, _stdout),
    }
)
AUDIT_OBJECTS: tuple[HeapType, ...] = (AuditService,)
