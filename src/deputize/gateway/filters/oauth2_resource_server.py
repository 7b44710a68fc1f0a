"""`OAuth2ResourceServerFilter`: valid tokens with the required scopes pass (gateway-config reference 4.1)."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import structlog
from pydantic import Field

from deputize.expressions import ExpressionError
from deputize.gateway.config.settings import Duration, OneOrMore, Reference, Settings, TemplateText
from deputize.gateway.exchange.bindings import as_text, depends_on_head_alone
from deputize.gateway.exchange.contexts import BoundContext, OAuth2Context, RefusalContext
from deputize.gateway.exchange.event_streams import is_open_stream, watch
from deputize.gateway.exchange.mcp_sessions import PROCESS_SECRET, SESSION, SessionBinding
from deputize.gateway.exchange.refusals import refuse_unread
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.resolvers.cache import TokenCache, cache_limits, resolve_anew
from deputize.gateway.resolvers.resolution import AccessTokenResolver, RejectedToken, ResolutionError
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Headers, Response
from deputize.http.plans import Amend, Lease, Plan, Prepare
from deputize.http.sse import is_event_stream
from deputize.mcp.challenge import TOKEN68, Challenge, bearer
from deputize.mcp.context import McpContext
from deputize.mcp.errors import Rejection
from deputize.secrets.sealing import MIN_SECRET, TextSeal
from deputize.secrets.secret import SecretError, SecretStore, generic_secret

log = structlog.get_logger()
_BEARER: Final = re.compile(rf"(?i:bearer) +({TOKEN68}) *")
_MAX_TOKEN: Final = 16 * 1024
_SESSION_SECONDS: Final = 10.0
"""How long an opened session id is remembered."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal of an exchange: what the client sees, and what the operator reads."""

    status: int
    error: str
    reason: str
    challenge: Challenge | None = None
    cause: str | None = None
    """What else the log says; it may hold what clients have sent."""

    def response(self, exchange: Exchange) -> Response:
        """Return the answer, without a body; the cause goes to the log and, as a context, to the audit."""
        tell = log.error if self.status >= 500 else log.info
        tell(
            "a request is refused",
            status=self.status,
            error=self.error,
            reason=self.reason,
            transaction=exchange.transaction_id,
            **({} if self.cause is None else {"cause": self.cause}),
        )
        exchange.put(RefusalContext(self.error, self.reason))
        headers = Headers()
        if self.challenge is not None:
            headers.add("WWW-Authenticate", str(self.challenge))
        return Response(self.status, headers)


Policy = Callable[[Head, OAuth2Context], Refusal | None]
"""Whether exchanges with a head may go on with a token: `None`, or why not."""
Accept = Callable[[Head, OAuth2Context], Plan]
Refuse = Callable[[Head, Refusal], Plan]


class CacheSettings(Settings):
    """`cache` of the filter: the same as a `CacheAccessTokenResolver` in front of its resolver."""

    enabled: bool = True
    """Whether valid tokens are remembered."""
    default_timeout: Duration = 60.0
    """How long a token without an expiry time is remembered."""
    max_timeout: Duration = 60.0
    """How long any token is remembered at most, which is how long a revocation may go unnoticed."""
    max_size: int = Field(10_000, ge=1)
    """Tokens remembered at most."""


class OAuth2ResourceServerFilter:
    """Accepts bearer tokens from the `Authorization` header only (RFC 6750 section 2.1)."""

    aliases: ClassVar[tuple[str, ...]] = ("OAuth2RSFilter",)
    contexts: ClassVar[tuple[type[BoundContext], ...]] = (OAuth2Context,)

    class Config(Settings):
        """`scopes` are expressions; the token needs all they yield.

        An event stream ends when its token is found inactive, lacking a scope or out of the filter's policy,
        so at the latest `streamRecheckInterval` after that and once the resolver has answered; when it cannot
        say, or gives up waiting (`soTimeout` of its `providerHandler`), twice in a row, after two intervals
        and both waits. A stream that the client opened by GET or `subscriptions/listen` also ends when its
        token expires; the answer to one call may finish.

        Legacy MCP sessions (`Mcp-Session-Id`) belong to the issuer, subject, client and actors of the token
        they were opened with: the client's id is the server's, sealed (AES-256-GCM); with another token it is
        answered 404. Without `sessionSecretId` sessions end with the process, and each process of several
        only knows its own. To rotate a secret, name the new one second at every process, then first, and
        remove the old one when no session of its time is left.
        """

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
        stream_recheck_interval: Duration = 60.0
        """How often the resolver, bypassing every cache, is asked about the token of an open event stream."""
        session_secret_id: OneOrMore[str] = ()
        """Ids of secrets of 32 bytes or more that session ids are sealed with.

        The first seals, the others still open.
        """
        secrets_provider: Reference | None = None
        """The store that has them."""

    def __init__(
        self, config: Config, resolver: AccessTokenResolver, sessions: SessionBinding, context: BuildContext
    ) -> None:
        """Scopes that are constant are evaluated once."""
        self._resolver = resolver
        self._cache = resolver if isinstance(resolver, TokenCache) else None
        self._scopes = config.scopes
        self._is_of_head = all(depends_on_head_alone(scope.reads) for scope in config.scopes)
        self._fixed = (
            _split_scopes([as_text(scope.evaluate({})) for scope in config.scopes])
            if all(scope.is_constant for scope in config.scopes)
            else None
        )
        self._require_https = config.require_https
        self._realm = config.realm
        self._recheck_interval = config.stream_recheck_interval
        self._sessions = sessions
        self._context = context

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Put the cache, if one is configured, in front of the resolver."""
        resolver = context.refer(config.access_token_resolver, AccessTokenResolver, "accessTokenResolver")
        cache = config.cache
        if cache is not None and cache.enabled:
            limits = cache_limits(cache.default_timeout, cache.max_timeout, cache.max_size)
            resolver = TokenCache(resolver, limits, context.instance.clock)
        if config.stream_recheck_interval is not None and config.stream_recheck_interval <= 0:
            raise context.error(
                "streamRecheckInterval",
                "no time lies between two questions",
                "write 'unlimited' to ask only once",
            )
        return cls(config, resolver, SessionBinding(TextSeal(_session_secrets(config, context))), context)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on with the `OAuth2Context` as a context, or refuse."""

        def accept(at: Head, token: OAuth2Context) -> Plan:
            refusal = self.authorize(at, token)
            return self.pass_on(at, token, next, self.authorize) if refusal is None else refuse(at, refusal)

        def refuse(at: Head, refusal: Refusal) -> Plan:
            return Plan.answering(at, refusal.response)

        return self.authenticate(head, accept, refuse)

    def authenticate(self, head: Head, accept: Accept, refuse: Refuse) -> Plan:
        """Find the valid token that requests present, whatever its scopes, and leave it as a context.

        One that is not remembered has to be asked about, for each call.
        """
        if head.exchange is None and not self._is_of_head:
            return Plan.anew(head, lambda at: self.authenticate(at, accept, refuse))
        token = self._read_token(head)
        if isinstance(token, Refusal):
            return refuse(head, token)
        known = self._cache.recall(token) if self._cache is not None else None
        if known is not None:
            return accept(head.with_context(known.token), known.token).while_(known.lease)
        if self._cache is not None:
            head.readings.of_call = True  # the next call may find it remembered

        async def resolve(at: Head) -> Plan:
            if at.exchange is None:
                raise RuntimeError("a token is resolved for a call")
            try:
                resolved = await self._resolver.resolve(token, at.exchange)
            except ResolutionError as error:
                return refuse(at, Refusal(error.status, "temporarily_unavailable", error.reason))
            if isinstance(resolved, RejectedToken):
                return refuse(at, self.invalid_token(resolved.reason))
            return accept(at.with_context(resolved), resolved)

        return Plan.anew(head, resolve)

    def pass_on(
        self, head: Head, token: OAuth2Context, following: Prepare, policy: Policy, resource: str = ""
    ) -> Plan:
        """Pass on what was accepted, within the session of its token; a stream ends when the token does.

        `policy` is asked again while a stream is open; sessions of one `resource` are unknown at others.
        """
        headers = head.headers.copy()
        opened = self._sessions.open(headers, token, resource)
        if isinstance(opened, Rejection):
            rejection = opened
            return Plan.answering(head, lambda exchange: _refuse_session(exchange, rejection))
        session = opened
        plan = following(head.with_headers(headers))
        if session is not None:
            # its secret may be taken out of use at any time
            plan = plan.while_(Lease(self._context.instance.clock.now() + _SESSION_SECONDS))

        ends, clock = token.expires_at, self._context.instance.clock
        found_at = head.for_all()  # or the exchange would lead to itself

        async def ask(exchange: Exchange) -> str | None:
            if ends is not None and ends <= clock.now():
                return None  # what an expired token may still do depends on how the stream was opened
            found = await resolve_anew(self._resolver, token.token, exchange)
            refusal = found if isinstance(found, RejectedToken) else policy(found_at.at(exchange), found)
            return None if refusal is None else refusal.reason

        def amend(exchange: Exchange, response: Response) -> Response:
            self._sessions.seal(headers, response.headers, token, resource, session)
            if is_open_stream(response):
                # a stream that the client opened ends with its token; the answer to one call may finish
                ends_with_token = _is_opened_by_client(found_at, exchange)
                lifetime = ends - clock.now() if ends is not None and ends_with_token else None
                watch(exchange, response, lifetime, self._recheck_interval, ask)
            return response

        def amend_for(response: Response) -> Amend | None:
            return amend if SESSION in response.headers or is_event_stream(response.headers) else None

        return plan.after(head, amend_for=amend_for)

    def authorize(self, head: Head, token: OAuth2Context) -> Refusal | None:
        """`None` when the token has every required scope."""
        cause: str | None = None
        try:
            required = self._compute_scopes(head)
        except ExpressionError as error:
            required, cause = None, error.reason
        if required is None:
            reason = "a required scope cannot be computed: its expression failed or yielded nothing"
            return Refusal(500, "server_error", reason, cause=cause)
        if token.scopes.issuperset(required):
            return None
        missing = [scope for scope in required if scope not in token.scopes]
        challenge = bearer(realm=self._realm, error="insufficient_scope", scope=" ".join(required))
        return Refusal(403, "insufficient_scope", f"the token lacks the scope {' '.join(missing)}", challenge)

    def required_scopes(self, head: Head) -> tuple[str, ...] | None:
        """What the token needs for this head; `None` when that cannot be computed."""
        try:
            return self._compute_scopes(head)
        except ExpressionError:
            return None

    def _compute_scopes(self, head: Head) -> tuple[str, ...] | None:
        if self._fixed is not None:
            return self._fixed
        bindings = self._context.bindings(head)
        return _split_scopes([as_text(scope.evaluate(bindings)) for scope in self._scopes])

    def invalid_token(self, reason: str) -> Refusal:
        """The one refusal of tokens that are not valid here, for whatever reason (RFC 6750 section 3.1)."""
        description = "The access token is missing, expired, revoked or not meant for this resource"
        challenge = bearer(realm=self._realm, error="invalid_token", error_description=description)
        return Refusal(401, "invalid_token", reason, challenge)

    def _read_token(self, head: Head) -> str | Refusal:
        if self._require_https and not head.peer.secure:
            reason = "the request did not come over TLS: use https, or set requireHttps to false"
            return Refusal(403, "insecure_transport", reason)
        credentials = head.headers.get_all("authorization")
        if not credentials or (len(credentials) == 1 and credentials[0][:6].lower() != "bearer"):
            reason = "the request carries no bearer token"
            return Refusal(401, "missing_token", reason, bearer(realm=self._realm))
        match = _BEARER.fullmatch(credentials[0]) if len(credentials[0]) <= _MAX_TOKEN else None
        if match is None or len(credentials) > 1:
            reason = "not exactly one well-formed Authorization header"
            challenge = bearer(realm=self._realm, error="invalid_request")
            return Refusal(400, "invalid_request", reason, challenge)
        return match[1]


def _is_opened_by_client(head: Head, exchange: Exchange) -> bool:
    """Whether the client asks for a stream, and not for the answer to one call."""
    mcp = exchange.find(McpContext)
    listens = mcp is not None and mcp.key is not None and mcp.key.method == "subscriptions/listen"
    return head.method == "GET" or listens


def _refuse_session(exchange: Exchange, rejection: Rejection) -> Response | Awaitable[Response]:
    log.info("a session is refused", reason=rejection.message, transaction=exchange.transaction_id)
    exchange.put(
        RefusalContext(
            "session_refused", f"{rejection.kind}: the session is unknown, another's, or not of this version"
        )
    )
    return refuse_unread(exchange, rejection)


def _session_secrets(
    config: OAuth2ResourceServerFilter.Config, context: BuildContext
) -> Callable[[], Sequence[bytes]]:
    """How to ask for the secrets at each use, so that they may be rotated; all have to be there now.

    Raises `ConfigurationError`.
    """
    if not config.session_secret_id:
        return lambda: (PROCESS_SECRET,)
    if config.secrets_provider is None:
        raise context.error(
            "secretsProvider", "sessionSecretId names secrets, but no store has them", "name the store"
        )
    store = context.refer(config.secrets_provider, SecretStore, "secretsProvider")

    def read() -> list[bytes]:
        found = [generic_secret(store, secret_id).value for secret_id in config.session_secret_id]
        if any(len(secret) < MIN_SECRET for secret in found):
            raise ValueError(f"a secret that session ids are sealed with has less than {MIN_SECRET} bytes")
        return found

    try:
        known = read()
    except (SecretError, ValueError) as error:
        raise context.error(
            "sessionSecretId", str(error), "draw one, for example by: openssl rand -base64 32"
        ) from error

    def secrets() -> list[bytes]:
        nonlocal known
        try:
            known = read()
        except (SecretError, ValueError) as error:
            log.warning(
                "the secrets of sessions cannot be read; those known before are used", reason=str(error)
            )
        return known

    return secrets


def _split_scopes(texts: Sequence[str | None]) -> tuple[str, ...] | None:
    """Every scope in `texts`, each of which may hold several; `None`, to fail closed, if one is empty."""
    if not all(texts):
        return None
    return tuple(dict.fromkeys(scope for text in texts if text for scope in text.split()))
