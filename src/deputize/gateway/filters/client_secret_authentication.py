"""The gateway as a client: `client_secret_basic` and `client_secret_post` (RFC 6749 section 2.3.1)."""

from typing import Final, Self

from deputize.gateway.authorities.client_credentials import ClientCredentials
from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Body, Response
from deputize.http.plans import Next, Plan, Prepare

MAX_FORM_SIZE: Final = 64 * 1024


class _ClientSecretFilter:
    """What both methods have in common: a client, and the secret that a store keeps for it."""

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
        secret_id, provider = config.client_secret_id, config.secrets_provider
        return cls(ClientCredentials.find(config.client_id, secret_id, provider, context, "clientSecretId"))


class ClientSecretBasicAuthenticationFilter(_ClientSecretFilter):
    """Sets a Basic credential of client id and secret, both form-encoded."""

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Authenticate each request anew, for the secret may be rotated; without it, raises `SecretError`."""

        def authenticate(at: Head) -> Plan:
            headers = at.headers.copy()
            headers.set("Authorization", self._credentials.encoded_basic())
            return next(at.with_headers(headers))

        return Plan.anew(head, authenticate)


class ClientSecretPostAuthenticationFilter(_ClientSecretFilter):
    """Appends client id and secret to the form in the request's body."""

    async def filter(self, exchange: Exchange, next: Next) -> Response:
        """Authenticate the request.

        Raises `SecretError` when the secret is gone, `BodyTooLarge` beyond 64 KiB of form.
        """
        request = exchange.request
        form = await request.body.read(MAX_FORM_SIZE)
        request.body = Body(form + b"&" * bool(form) + self._credentials.form())
        request.headers.set("Content-Type", "application/x-www-form-urlencoded")
        request.headers.set("Content-Length", str(request.body.length))
        return await next(exchange)
