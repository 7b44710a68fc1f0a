"""`OAuth2ResourceServerFilter`: lets through who presents a valid token with the required scopes (gateway-config reference 4.1)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import structlog
from pydantic import Field

from deputize.expressions import ExpressionError, Template
from deputize.gateway.bindings import as_text
from deputize.gateway.contexts import BoundContext
from deputize.gateway.oauth_contexts import AccessToken, RefusalContext
from deputize.gateway.resolvers.cache import cache_limits
from deputize.gateway.resolvers.resolution import AccessTokenResolver, InvalidToken, ResolutionError
from deputize.gateway.resolvers.token_cache import TokenCache
from deputize.gateway.settings import Duration, OneOrMore, Reference, Settings, TemplateText
from deputize.gateway.site import Site
from deputize.http.exchange import Exchange, Next
from deputize.http.messages import Headers, Response
from deputize.mcp.challenge import Challenge, bearer

log = structlog.get_logger()
_BEARER: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9\-._~+/]+=*) *")
_MAX_TOKEN: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an exchange is answered here: what the client sees, and what the operator reads."""

    status: int
    error: str
    reason: str
    challenge: Challenge | None = None

    def response(self, exchange: Exchange) -> Response:
        """The answer, without a body; the cause goes to the log and, as a context, to the audit."""
        tell = log.error if self.status >= 500 else log.info
        tell("a request is refused", status=self.status, error=self.error, reason=self.reason, transaction=exchange.transaction_id)
        exchange.put(RefusalContext(self.error, self.reason))
        headers = Headers()
        if self.challenge is not None:
            headers.add("WWW-Authenticate", str(self.challenge))
        return Response(self.status, headers)


class CacheSettings(Settings):
    """`cache` of the filter: the same as a `CacheAccessTokenResolver` in front of its resolver."""

    enabled: bool = True
    """Whether valid tokens are remembered."""
    default_timeout: Duration = 60.0
    """How long a token is remembered that does not say when it expires."""
    max_timeout: Duration = 60.0
    """How long any token is remembered at most, and so a revocation may go unnoticed."""
    max_size: int = Field(10_000, ge=1)
    """Tokens remembered at most."""


class OAuth2ResourceServerFilter:
    """Bearer tokens from the `Authorization` header, and nowhere else (RFC 6750 section 2.1)."""

    aliases: ClassVar[tuple[str, ...]] = ("OAuth2RSFilter",)
    contexts: ClassVar[tuple[type[BoundContext], ...]] = (AccessToken,)

    class Config(Settings):
        """`scopes` are expressions; the token needs all they yield."""

        access_token_resolver: Reference
        """Finds out whether a token is valid and what it says."""
        scopes: OneOrMore[TemplateText]
        """The scopes a token must have, all of them; a lack is 403."""
        require_https: bool = True
        """Whether requests in clear text are refused with 403."""
        realm: str | None = None
        """The `realm` of the challenge."""
        cache: CacheSettings | None = None
        """Remembers valid tokens; without it the resolver is asked about each request."""

    def __init__(
        self, resolver: AccessTokenResolver, scopes: Sequence[Template], *, require_https: bool, realm: str | None, site: Site
    ) -> None:
        """`scopes` that are constant are evaluated once."""
        self._resolver = resolver
        self._recall: Callable[[str], AccessToken | None] = resolver.recall if isinstance(resolver, TokenCache) else _nothing
        self._scopes = scopes
        self._fixed = _fixed_scopes(scopes)
        self._require_https = require_https
        self._realm = realm
        self._site = site

    @classmethod
    def build(cls, config: Config, site: Site) -> Self:
        """Put the cache, if one is configured, in front of the resolver."""
        resolver = site.refer(config.access_token_resolver, AccessTokenResolver, "accessTokenResolver")
        cache = config.cache
        if cache is not None and cache.enabled:
            limits = cache_limits(cache.default_timeout, cache.max_timeout, cache.max_size)
            resolver = TokenCache(resolver, limits, site.instance.clock)
        return cls(resolver, config.scopes, require_https=config.require_https, realm=config.realm, site=site)

    async def filter(self, exchange: Exchange, next: Next) -> Response:  # noqa: A002 - the specification's word
        """Pass on with the `AccessToken` as a context, or refuse."""
        token = await self.authenticate(exchange)
        refusal = token if isinstance(token, Refusal) else self.authorize(exchange, token)
        return await next(exchange) if refusal is None else refusal.response(exchange)

    async def authenticate(self, exchange: Exchange) -> AccessToken | Refusal:
        """The valid token that the request presents; its scopes are not looked at yet. Leaves it as a context."""
        token = self._presented(exchange)
        if isinstance(token, Refusal):
            return token
        found = self._recall(token) or await self._resolve(token, exchange)
        if isinstance(found, Refusal):
            return found
        exchange.put(found)
        return found

    async def _resolve(self, token: str, exchange: Exchange) -> AccessToken | Refusal:
        try:
            found = await self._resolver.resolve(token, exchange)
        except ResolutionError as error:
            return Refusal(error.status, "temporarily_unavailable", error.reason)
        return self.invalid_token(found.reason) if isinstance(found, InvalidToken) else found

    def authorize(self, exchange: Exchange, token: AccessToken) -> Refusal | None:
        """`None` when the token has every required scope."""
        required = self.required_scopes(exchange)
        if required is None:
            return Refusal(500, "server_error", "a required scope cannot be computed: its expression failed or yielded nothing")
        if token.scopes.issuperset(required):
            return None
        missing = [scope for scope in required if scope not in token.scopes]
        challenge = bearer(realm=self._realm, error="insufficient_scope", scope=" ".join(required))
        return Refusal(403, "insufficient_scope", f"the token lacks the scope {' '.join(missing)}", challenge)

    def required_scopes(self, exchange: Exchange) -> tuple[str, ...] | None:
        """What the token needs for this exchange; `None` when that cannot be computed."""
        if self._fixed is not None:
            return self._fixed
        bindings = self._site.bindings(exchange)
        try:
            texts = [as_text(scope.evaluate(bindings)) for scope in self._scopes]
        except ExpressionError as error:
            log.warning("the expression of a required scope failed", reason=error.reason, transaction=exchange.transaction_id)
            return None
        return _split(texts)

    def invalid_token(self, reason: str) -> Refusal:
        """The one refusal of every token that is not valid here, whatever the reason (RFC 6750 section 3.1)."""
        description = "The access token is missing, expired, revoked or not meant for this resource"
        return Refusal(401, "invalid_token", reason, bearer(realm=self._realm, error="invalid_token", error_description=description))

    def _presented(self, exchange: Exchange) -> str | Refusal:
        if self._require_https and not exchange.peer.secure:
            return Refusal(403, "insecure_transport", "the request did not come over TLS: use https, or set requireHttps to false")
        credentials = exchange.request.headers.get_all("authorization")
        if not credentials or not credentials[0][:7].lower().startswith("bearer"):
            return self._no_token(len(credentials))
        match = _BEARER.fullmatch(credentials[0]) if len(credentials[0]) <= _MAX_TOKEN else None
        if match is None or len(credentials) > 1:
            return self._malformed()
        return match[1]

    def _no_token(self, count: int) -> Refusal:
        if count > 1:
            return self._malformed()
        return Refusal(401, "missing_token", "the request carries no bearer token", bearer(realm=self._realm))

    def _malformed(self) -> Refusal:
        return Refusal(
            400, "invalid_request", "not exactly one well-formed Authorization header", bearer(realm=self._realm, error="invalid_request")
        )


def _nothing(_: str) -> None:
    """What a resolver without memory recalls."""


def _fixed_scopes(scopes: Sequence[Template]) -> tuple[str, ...] | None:
    if not all(scope.is_constant for scope in scopes):
        return None
    return _split([as_text(scope.evaluate({})) for scope in scopes])


def _split(texts: Sequence[str | None]) -> tuple[str, ...] | None:
    """A text may hold several scopes; one that is null or empty fails closed."""
    if not all(texts):
        return None
    return tuple(dict.fromkeys(scope for text in texts if text for scope in text.split()))
