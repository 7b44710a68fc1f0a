"""`HttpBasicAuthenticationClientFilter`: Basic credentials for the gateway's own requests (RFC 7617)."""

from typing import Self

from deputize.gateway.authorities.client_credentials import ClientCredentials
from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Plan, Prepare


class HttpBasicAuthenticationClientFilter:
    """Sets `Authorization: Basic …` on every request, replacing what was there."""

    class Config(Settings):
        """`urlEncodeCredentials`: form-encode name and password first, as some token endpoints ask."""

        username: str
        """The user name sent."""
        password_secret_id: str
        """Id of the secret that is the password."""
        secrets_provider: Reference
        """The store that has it."""
        url_encode_credentials: bool = False
        """Whether name and password are form-encoded first, as RFC 6749 asks."""

    def __init__(self, credentials: ClientCredentials, *, encoded: bool) -> None:
        self._credential = credentials.encoded_basic if encoded else credentials.basic

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Find the password.

        A name with a colon cannot be told from the password, so it is refused (RFC 7617 section 2).
        """
        if ":" in config.username and not config.url_encode_credentials:
            raise context.error(
                "username", "the user name contains a colon", "set urlEncodeCredentials, or use another name"
            )
        found = ClientCredentials.find(
            config.username, config.password_secret_id, config.secrets_provider, context, "passwordSecretId"
        )
        return cls(found, encoded=config.url_encode_credentials)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Authenticate each request anew, for the secret may be rotated; without it, raises `SecretError`."""

        def authenticate(at: Head) -> Plan:
            headers = at.headers.copy()
            headers.set("Authorization", self._credential())
            return next(at.with_headers(headers))

        return Plan.anew(head, authenticate)
