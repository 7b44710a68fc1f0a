"""`Base64EncodedSecretStore`: secrets in the configuration itself, for tests and first steps only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from deputize.gateway.config.settings import Settings
from deputize.gateway.loading.context import BuildContext
from deputize.secrets.formats.base64 import Base64Format
from deputize.secrets.secret import FormatError, Secret, SecretError


@dataclass(frozen=True, slots=True)
class Base64EncodedSecretStore:
    """Secrets in the configuration itself."""

    class Config(Settings):
        """The secrets, by id, in Base64."""

        secrets: dict[str, str]
        """Secret id to the secret in Base64."""

    secrets: Mapping[str, str] = field(repr=False)
    """Secret id to Base64 text."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Read every secret once, so that a bad one is found now."""
        context.warn(
            "secrets", "these secrets are readable by everyone who reads this file", "use it for tests only"
        )
        store = cls(config.secrets)
        for secret_id in config.secrets:
            try:
                store.find(secret_id)
            except SecretError as error:
                raise context.error(f"secrets/{secret_id}", f"the value {error.reason}") from error
        return store

    def find(self, secret_id: str) -> Secret | None:
        """Decode the secret's text. Raises `SecretError`."""
        text = self.secrets.get(secret_id)
        if text is None:
            return None
        try:
            return Base64Format().decode(text.encode("utf-8"))
        except FormatError as error:
            raise SecretError(type(self).__name__, secret_id, self.place(secret_id), str(error)) from error

    def place(self, secret_id: str) -> str:
        """The key below `secrets`."""
        return f"'{secret_id}' in secrets"
