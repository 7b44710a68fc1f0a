"""`ClientCredentialsOAuth2ClientFilter`: a token of the gateway's own (RFC 6749 section 4.4)."""

from typing import Self

from deputize.gateway.authorities.endpoint import AuthorityEndpoint, AuthorityError
from deputize.gateway.authorities.token_endpoint import TokenEndpoint
from deputize.gateway.config.settings import OneOrMore, Reference, Settings
from deputize.gateway.exchange.refusals import Refusal, fail
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Plan, Prepare


class ClientCredentialsOAuth2ClientFilter:
    """Sends requests on with an access token of the gateway's own, in place of any credentials they have.

    The token is used until shortly before it expires; when a server answers 401, the next call gets another
    one. Without a token the answer is 502 or 503.
    """

    class Config(Settings):
        """`resource` and `audience` are extensions of the format.

        Filters in the `endpointHandler` authenticate the gateway, for example a
        `ClientSecretBasicAuthenticationFilter`.
        """

        token_endpoint: str
        """The URL of the token endpoint."""
        endpoint_handler: Reference = "ForgeRockClientHandler"
        """Asks it; filters in front authenticate the gateway."""
        scopes: OneOrMore[str] = ()
        """The scopes to ask for."""
        resource: OneOrMore[str] = ()
        """The resources that the token is for (RFC 8707)."""
        audience: OneOrMore[str] = ()
        """The audiences that the token is for, where a server knows them by that name."""
        secrets_provider: Reference | None = None
        """Accepted, without effect: the filters in `endpointHandler` have one."""
        client_id: str | None = None
        """Not supported: `endpointHandler` authenticates."""

    def __init__(self, endpoint: TokenEndpoint, form: list[tuple[str, str]]) -> None:
        """`form` asks for the token."""
        self._endpoint = endpoint
        self._form = form

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Check the URL; nothing is asked yet."""
        if config.client_id is not None:
            raise context.error(
                "clientId",
                "the client is not authenticated here",
                "put a ClientSecretBasicAuthenticationFilter into a Chain, and that into endpointHandler",
            )
        endpoint = AuthorityEndpoint.configured(
            config.token_endpoint, "tokenEndpoint", (config.endpoint_handler, "endpointHandler"), context
        )
        form = [("grant_type", "client_credentials")]
        form += [("scope", " ".join(config.scopes))] if config.scopes else []
        form += [("resource", each) for each in config.resource]
        form += [("audience", each) for each in config.audience]
        return cls(TokenEndpoint(endpoint, context.instance.clock), form)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on with the token, which is asked for where there is none."""
        known = self._endpoint.recall(self._form)
        if known is not None:
            return self._endpoint.authorize(head, known, self._form, next)
        head.readings.of_call = True  # the next call may find it remembered

        async def obtain(at: Head) -> Plan:
            if at.exchange is None:
                raise RuntimeError("a token is obtained for a call")
            try:
                issued = await self._endpoint.obtain(self._form, at.exchange)
            except AuthorityError as error:
                return fail(at, Refusal(error.status, "temporarily_unavailable", error.reason))
            return self._endpoint.authorize(at, issued, self._form, next)

        return Plan.anew(head, obtain)
