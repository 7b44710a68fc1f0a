"""`SystemAndEnvSecretStore`: secrets in environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from deputize.gateway.config.settings import Duration, Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.secrets.formats import FormatMapping, find_format, find_mapped_formats
from deputize.secrets.secret import FormatError, Secret, SecretError, SecretFormat


@dataclass(frozen=True, slots=True)
class SystemAndEnvSecretStore:
    """Secrets in environment variables."""

    class Config(Settings):
        """`leaseExpiry` has no effect: a process's environment does not change."""

        format: Reference = "BASE64"
        """How the values are written: `BASE64`, `PLAIN`, or a format object."""
        mappings: tuple[FormatMapping, ...] = ()
        """Secrets that are written in another format."""
        lease_expiry: Duration = 300.0
        """Accepted, without effect."""

    environment: Mapping[str, str] = field(repr=False)
    format: SecretFormat
    formats: Mapping[str, SecretFormat]
    """Secret id to the format that goes before `format`."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up the formats; the environment is the one the gateway was started with."""
        formats = find_mapped_formats(config.mappings, context)
        return cls(context.instance.environment, find_format(config.format, context, "format"), formats)

    def find(self, secret_id: str) -> Secret | None:
        """Read `resource.secret.id` from `RESOURCE_SECRET_ID`. Raises `SecretError`."""
        value = self.environment.get(_variable(secret_id))
        if value is None:
            return None
        try:
            return self.formats.get(secret_id, self.format).decode(value.encode("utf-8"))
        except (FormatError, UnicodeEncodeError) as error:
            reason = str(error) if isinstance(error, FormatError) else "is not UTF-8"
            raise SecretError(type(self).__name__, secret_id, self.place(secret_id), reason) from error

    def place(self, secret_id: str) -> str:
        """The environment variable's name."""
        return f"environment variable {_variable(secret_id)}"


def _variable(secret_id: str) -> str:
    return secret_id.upper().replace(".", "_")
