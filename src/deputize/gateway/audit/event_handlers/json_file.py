"""`JsonAuditEventHandler`: files of JSON lines."""

from pathlib import Path
from typing import Final

from pydantic import Field, field_validator

from deputize.audit.publisher import AuditSink
from deputize.audit.sinks.json_file import JsonFileSink, Rotation
from deputize.gateway.audit.event_handlers.event_handler import EventHandlerSettings
from deputize.gateway.config.settings import Settings
from deputize.gateway.loading.context import BuildContext


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


class JsonAuditEventHandler:
    """Writes a file `TOPIC.audit.json` for each topic."""

    java_class: Final = "org.forgerock.audit.handlers.json.JsonAuditEventHandler"

    class Config(EventHandlerSettings):
        """`filePermissions` are three octal digits."""

        log_directory: str
        """Folder of the files `TOPIC.audit.json`; a relative one is taken from the instance folder."""
        file_rotation: FileRotationSettings = FileRotationSettings.model_construct()
        """When a full file is set aside."""
        file_retention: FileRetentionSettings = FileRetentionSettings.model_construct()
        """How many of them stay."""
        file_permissions: str = Field("600", pattern="^[0-7]{3}$")
        """Unix permissions of the files, three octal digits. Whoever may read them may enter the folder,
        where the gateway makes it.
        """

        @field_validator("file_permissions", mode="before")
        @classmethod
        def _digits(cls, value: object) -> object:
            return str(value) if isinstance(value, int) else value

    @classmethod
    def build(cls, config: Config, context: BuildContext, key: str, *, strict: bool) -> AuditSink:
        """Open the files, durable ones where `strict` asks for it."""
        directory = context.instance.directory / Path(config.log_directory)
        limit = config.file_rotation.max_file_size
        kept = max(config.file_retention.max_number_of_history_files, 0)
        try:
            return JsonFileSink(
                directory,
                config.topics,
                int(config.file_permissions, 8),
                config.buffering.to_buffering(),
                Rotation(context.instance.clock, limit, kept)
                if config.file_rotation.rotation_enabled and limit
                else None,
                context.registry.trail,
                durable=strict,
            )
        except OSError as error:
            reason = f"audit files cannot be written in {directory}: {error.strerror}"
            raise context.error(
                f"{key}/config/logDirectory", reason, "name a directory that the gateway may write to"
            ) from error
