"""`TokenIntrospectionAccessTokenResolver`: asks the authorization server (RFC 7662)."""

from typing import Final, Self
from urllib.parse import urlencode, urlsplit

from deputize.gateway.oauth_contexts import AccessToken, access_token
from deputize.gateway.resolvers.resolution import InvalidToken, ResolutionError
from deputize.gateway.settings import Reference, Settings
from deputize.gateway.site import Site
from deputize.http.exchange import Exchange, Handler
from deputize.http.messages import Body, BodyBroken, BodyTooLarge, Headers, Request, Response
from deputize.http.upstream import UpstreamError
from deputize.kernel import strict_json
from deputize.kernel.clock import Clock
from deputize.kernel.uris import Origin, Target, UriError, parse_origin, parse_target
from deputize.kernel.values import JsonObject, JsonValue

_MAX_ANSWER: Final = 256 * 1024
_ACCESS_TOKEN_TYPES: Final = frozenset({"bearer", "access_token"})
_REFUSALS: Final = frozenset({400, 401, 403})


class TokenIntrospectionAccessTokenResolver:
    """One POST a token; client authentication is done by filters in the `providerHandler`."""

    class Config(Settings):
        """`endpoint` is the introspection endpoint's URL."""

        endpoint: str
        """URL of the introspection endpoint."""
        provider_handler: Reference = "ForgeRockClientHandler"
        """Sends the question; filters in front of it authenticate the gateway."""

    def __init__(self, origin: Origin, target: Target, handler: Handler, clock: Clock) -> None:
        """`handler` answers requests to `target` on `origin`."""
        self._origin = origin
        self._target = target
        self._place = f"{origin}{target.path}"
        self._handler = handler
        self._clock = clock

    @classmethod
    def build(cls, config: Config, site: Site) -> Self:
        """Check the endpoint's URL."""
        try:
            parts = urlsplit(config.endpoint)
            origin = parse_origin(config.endpoint)
            target = parse_target((parts.path or "/").encode() + (b"?" + parts.query.encode() if parts.query else b""))
        except UriError as error:
            raise site.error("endpoint", str(error), "give the introspection endpoint's absolute URL") from error
        return cls(origin, target, site.refer(config.provider_handler, Handler, "providerHandler"), site.instance.clock)

    async def resolve(self, token: str, exchange: Exchange) -> AccessToken | InvalidToken:
        """As `AccessTokenResolver.resolve`."""
        inquiry = Exchange(self._request(token), exchange.peer, exchange.transaction_id, exchange.started)
        try:
            response = await self._handler.handle(inquiry)
            try:
                info = await self._answer(response)
            finally:
                await response.body.aclose()
        except (UpstreamError, BodyBroken) as error:
            raise ResolutionError(503, f"{self._place} cannot be asked: {error}") from error
        return introspected(token, info, self._clock.now())

    def _request(self, token: str) -> Request:
        form = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        headers = Headers(
            [
                (b"Content-Type", b"application/x-www-form-urlencoded"),
                (b"Accept", b"application/json"),
                (b"Content-Length", str(len(form)).encode()),
            ]
        )
        return Request("POST", self._target, headers, Body(form), self._origin, repeatable=True)

    async def _answer(self, response: Response) -> JsonObject:
        where = self._place
        if response.status in _REFUSALS:
            reason = f"{where} refuses the gateway ({response.status}): check the credentials of the providerHandler"
            raise ResolutionError(502, reason)
        if response.status != 200:
            raise ResolutionError(503, f"{where} cannot be asked: answer {response.status} instead of 200")
        try:
            info = strict_json.loads(await response.body.read(_MAX_ANSWER), max_size=_MAX_ANSWER)
        except (strict_json.JsonError, BodyTooLarge) as error:
            raise ResolutionError(502, f"{where} answered what is no introspection response: {error}") from error
        if not isinstance(info, dict) or not isinstance(info.get("active"), bool):
            raise ResolutionError(502, f"{where} answered without saying whether the token is active")
        return info


def introspected(token: str, info: JsonObject, now: float) -> AccessToken | InvalidToken:
    """What an introspection answer means at `now`, seconds since the epoch (RFC 7662 section 2.2)."""
    if info.get("active") is not True:
        return InvalidToken("the authorization server says that the token is not active")
    kind = info.get("token_type")
    if isinstance(kind, str) and kind.lower() not in _ACCESS_TOKEN_TYPES:
        return InvalidToken("the token is not a bearer access token")
    expires_at, begins_at = info.get("exp"), info.get("nbf")
    if not _is_time(expires_at) or not _is_time(begins_at):
        return InvalidToken("exp or nbf is not a number")
    if isinstance(expires_at, int | float) and expires_at <= now:
        return InvalidToken("the token has expired")
    if isinstance(begins_at, int | float) and begins_at > now:
        return InvalidToken("the token is not valid yet")
    return access_token(token, info, expires_at if isinstance(expires_at, int | float) else None)


def _is_time(value: JsonValue) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
