"""`ClientSecretBasicAuthenticationFilter`: the `client_secret_basic` method (RFC 6749 section 2.3.1)."""

from collections.abc import Awaitable
from typing import Self

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.filters.client_credentials import ClientCredentials
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Next
from deputize.http.messages import Response


class ClientSecretBasicAuthenticationFilter:
    """Sets a Basic credential of client id and secret, both form-encoded."""

    class Config(Settings):
        """The client, and the id of its secret."""

        client_id: str
        """The client's id."""
        client_secret_id: str
        """Id of the secret that is the client's secret."""
        secrets_provider: Reference
        """The store that has it."""

    def __init__(self, credentials: ClientCredentials) -> None:
        self._credentials = credentials

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Find the secret."""
        return cls(
            ClientCredentials.found(
                config.client_id, config.client_secret_id, config.secrets_provider, context, "clientSecretId"
            )
        )

    def filter(self, exchange: Exchange, next: Next) -> Awaitable[Response]:  # noqa: A002 - the specification's word
        """Authenticate the request. Raises `SecretError` when the secret is gone."""
        exchange.request.headers.set("Authorization", self._credentials.encoded_basic())
        return next(exchange)
