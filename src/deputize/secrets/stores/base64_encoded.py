"""Secrets written into the configuration: for tests and first steps only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deputize.secrets.formats.base64 import Base64Format
from deputize.secrets.secret import FormatError, Secret, SecretError


@dataclass(frozen=True, slots=True)
class Base64EncodedSecretStore:
    """Secret id to Base64 text."""

    secrets: Mapping[str, str] = field(repr=False)

    def find(self, secret_id: str) -> Secret | None:
        """As `SecretStore.find`."""
        text = self.secrets.get(secret_id)
        if text is None:
            return None
        try:
            return Base64Format().decode(text.encode("utf-8"))
        except FormatError as error:
            raise SecretError(type(self).__name__, secret_id, self.place(secret_id), str(error)) from error

    def place(self, secret_id: str) -> str:
        """As `SecretStore.place`."""
        return f"'{secret_id}' in secrets"
