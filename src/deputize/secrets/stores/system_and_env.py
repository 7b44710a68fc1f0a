"""Secrets in environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deputize.secrets.secret import FormatError, Secret, SecretError, SecretFormat


@dataclass(frozen=True, slots=True)
class SystemAndEnvSecretStore:
    """Looks for `resource.secret.id` in `RESOURCE_SECRET_ID`.

    A process's environment never changes, so there is no lease.
    """

    environment: Mapping[str, str] = field(repr=False)
    format: SecretFormat
    formats: Mapping[str, SecretFormat]
    """Secret id to the format that goes before `format`."""

    def find(self, secret_id: str) -> Secret | None:
        """As `SecretStore.find`."""
        value = self.environment.get(_variable(secret_id))
        if value is None:
            return None
        try:
            return self.formats.get(secret_id, self.format).decode(value.encode("utf-8"))
        except (FormatError, UnicodeEncodeError) as error:
            reason = str(error) if isinstance(error, FormatError) else "is not UTF-8"
            raise SecretError(type(self).__name__, secret_id, self.place(secret_id), reason) from error

    def place(self, secret_id: str) -> str:
        """As `SecretStore.place`."""
        return f"environment variable {_variable(secret_id)}"


def _variable(secret_id: str) -> str:
    return secret_id.upper().replace(".", "_")
