"""`ClientSecretPostAuthenticationFilter`: the `client_secret_post` method (RFC 6749 section 2.3.1)."""

from typing import Self

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.filters.client_credentials import ClientCredentials
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Next
from deputize.http.messages import Body, Response

MAX_FORM_SIZE = 64 * 1024


class ClientSecretPostAuthenticationFilter:
    """Appends client id and secret to the form in the request's body."""

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

    async def filter(self, exchange: Exchange, next: Next) -> Response:  # noqa: A002 - the specification's word
        """Authenticate the request.

        Raises `SecretError` when the secret is gone, `BodyTooLarge` beyond 64 KiB of form.
        """
        request = exchange.request
        form = await request.body.read(MAX_FORM_SIZE)
        request.body = Body(form + b"&" * bool(form) + self._credentials.form())
        request.headers.set("Content-Type", "application/x-www-form-urlencoded")
        request.headers.set("Content-Length", str(request.body.length))
        return await next(exchange)
