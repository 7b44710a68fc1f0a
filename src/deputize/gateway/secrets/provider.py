"""`SecretsProvider`: several stores, asked in order."""

from dataclasses import dataclass
from typing import Self

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.secrets.secret import Secret, SecretStore


@dataclass(frozen=True, slots=True)
class SecretsProvider:
    """Several stores, asked in order."""

    class Config(Settings):
        """The stores, at least one."""

        stores: tuple[Reference, ...]
        """The stores, in the order they are asked; the first that has the secret wins."""

    stores: tuple[SecretStore, ...]

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up the stores."""
        found = [
            context.refer(each, SecretStore, f"stores/{index}") for index, each in enumerate(config.stores)
        ]
        return cls(tuple(found))

    def find(self, secret_id: str) -> Secret | None:
        """The secret of the first store that has it. Raises `SecretError`."""
        for store in self.stores:
            secret = store.find(secret_id)
            if secret is not None:
                return secret
        return None

    def place(self, secret_id: str) -> str:
        """The places of all stores."""
        return ", ".join(store.place(secret_id) for store in self.stores)
