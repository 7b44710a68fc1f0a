"""How the gateway authenticates itself as a client (gateway-config reference 4.3)."""

import base64
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote_plus

from deputize.gateway.config.settings import Reference
from deputize.gateway.loading.context import BuildContext
from deputize.secrets.secret import SecretError, SecretStore, generic_secret


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """A name and the secret a store keeps for it, asked for at each use so that it may be rotated."""

    name: str
    store: SecretStore
    secret_id: str

    @classmethod
    def find(cls, name: str, secret_id: str, provider: Reference, context: BuildContext, key: str) -> Self:
        """Look for the secret configured at `key`, which must exist now. Raises `ConfigurationError`."""
        credentials = cls(name, context.refer(provider, SecretStore, "secretsProvider"), secret_id)
        try:
            credentials.secret()
        except SecretError as error:
            raise context.error(key, str(error)) from error
        return credentials

    def secret(self) -> bytes:
        """The secret. Raises `SecretError`."""
        return generic_secret(self.store, self.secret_id).value

    def basic(self) -> str:
        """A Basic credential of name and secret as they are (RFC 7617)."""
        return _basic(self.name.encode() + b":" + self.secret())

    def encoded_basic(self) -> str:
        """A Basic credential of name and secret in form encoding (RFC 6749 section 2.3.1)."""
        return _basic(f"{quote_plus(self.name)}:{quote_plus(self.secret())}".encode())

    def form(self) -> bytes:
        """The parameters `client_id` and `client_secret` of a form body (RFC 6749 section 2.3.1)."""
        return f"client_id={quote_plus(self.name)}&client_secret={quote_plus(self.secret())}".encode()


def _basic(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode("ascii")
