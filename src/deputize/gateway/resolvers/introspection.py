"""`TokenIntrospectionAccessTokenResolver`: asks the authorization server (RFC 7662)."""

from collections.abc import Mapping
from typing import Final, Self

from deputize.gateway.authorities.endpoint import AuthorityAnswer, AuthorityEndpoint, AuthorityError
from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.exchange.contexts import OAuth2Context
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.resolvers.claims import judge_claims
from deputize.gateway.resolvers.resolution import RejectedToken
from deputize.http.exchange import Exchange
from deputize.kernel.clock import Clock
from deputize.kernel.values import JsonObject

_ACCESS_TOKEN_TYPES: Final = frozenset({"bearer", "dpop", "access_token"})
_NOT_INTROSPECTED: Final = "unsupported_token_type"
_REFUSALS: Final = frozenset({400, 401, 403})


class TokenIntrospectionAccessTokenResolver:
    """One POST a token; client authentication is done by filters in the `providerHandler`."""

    class Config(Settings):
        """A token is refused that expired, or whose `nbf` or `iat` is over 60 seconds ahead of the clock."""

        endpoint: str
        """URL of the introspection endpoint."""
        provider_handler: Reference = "ForgeRockClientHandler"
        """Sends the question; filters in front of it authenticate the gateway."""

    def __init__(self, endpoint: AuthorityEndpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Check the endpoint's URL."""
        handler = (config.provider_handler, "providerHandler")
        endpoint = AuthorityEndpoint.configured(config.endpoint, "endpoint", handler, context)
        return cls(endpoint, context.instance.clock)

    async def resolve(self, token: str, exchange: Exchange) -> OAuth2Context | RejectedToken:
        """Ask the authorization server about `token`. Raises `AuthorityError`."""
        form = [("token", token), ("token_type_hint", "access_token")]
        answer = await self._endpoint.post(form, exchange)
        if answer.status == 400 and answer.error == _NOT_INTROSPECTED:
            # some servers introspect no JWTs; clients must not be able to make that a failure of the gateway
            reason = f"{self._endpoint.place} does not introspect such tokens (400{answer.said})"
            return RejectedToken(f"{reason}: a StatelessAccessTokenResolver verifies JWTs")
        return read_introspection(token, self._read(answer), self._clock.now())

    def _read(self, answer: AuthorityAnswer) -> JsonObject:
        where = self._endpoint.place
        if answer.status in _REFUSALS:
            reason = (
                f"{where} refuses the gateway ({answer.status}{answer.said}): check the credentials of "
                f"the providerHandler"
            )
            raise AuthorityError(502, f"{reason}; {answer.hint}" if answer.hint else reason)
        if answer.status != 200:
            reason = f"{where} cannot be asked: answer {answer.status} instead of 200{answer.said}"
            raise AuthorityError(503, reason)
        if answer.fault:
            raise AuthorityError(502, f"{where} answered what is no introspection response: {answer.fault}")
        info = answer.value
        if not isinstance(info, dict) or not isinstance(info.get("active"), bool):
            raise AuthorityError(502, f"{where} answered without saying whether the token is active")
        return info


def read_introspection(token: str, info: JsonObject, now: float) -> OAuth2Context | RejectedToken:
    """Say what an introspection answer means at `now`, seconds since the epoch (RFC 7662 section 2.2)."""
    if info.get("active") is not True:
        return RejectedToken("the authorization server says that the token is not active")
    fault = _find_type_fault(info)
    return RejectedToken(fault) if fault else judge_claims(token, info, now)


def _find_type_fault(info: JsonObject) -> str | None:
    kind, confirmation = info.get("token_type"), info.get("cnf")
    if not isinstance(kind, str):
        return None
    if kind.lower() not in _ACCESS_TOKEN_TYPES:
        return "the token is not an access token: its token_type is neither Bearer nor DPoP"
    if kind.lower() == "dpop" and not (isinstance(confirmation, Mapping) and "jkt" in confirmation):
        return "token_type is DPoP, but no cnf.jkt says what key the token is bound to"
    return None
