"""`OAuth2ResourceServerFilter`: valid tokens with the required scopes pass (gateway-config reference 4.1)."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar, Final, NamedTuple, Self

import structlog
from pydantic import Field

from deputize.expressions import ExpressionError
from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.gateway.config.settings import Duration, OneOrMore, Reference, Settings, TemplateText
from deputize.gateway.exchange.bindings import as_text, depends_on_head_alone
from deputize.gateway.exchange.contexts import BoundContext, OAuth2Context, RefusalContext
from deputize.gateway.exchange.event_streams import Alarms, is_open_stream, watch
from deputize.gateway.exchange.mcp_sessions import PROCESS_SECRET, SESSION, SessionBinding
from deputize.gateway.exchange.proofs import (
    MAX_LIFETIME,
    DPoPSettings,
    MemoryFull,
    ProofCheck,
    certificate_of,
    find_certificate_fault,
)
from deputize.gateway.exchange.refusals import DPOP_NONCE, Refusal, refuse_unread
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.resolvers.cache import TokenCache, cache_limits, resolve_anew
from deputize.gateway.resolvers.resolution import AccessTokenResolver, RejectedToken
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Amend, Lease, Plan, Prepare
from deputize.http.sse import is_event_stream
from deputize.jose import TokenInvalid
from deputize.kernel.uris import Origin, UriError, parse_origin
from deputize.mcp.challenge import TOKEN68, Challenge, bearer, dpop
from deputize.mcp.context import McpContext
from deputize.mcp.errors import Rejection
from deputize.oauth.dpop import PROOF_ALGORITHMS, bound_key
from deputize.oauth.errors import InvalidDPoPProof, UseDPoPNonce
from deputize.secrets.sealing import MIN_SECRET, TextSeal
from deputize.secrets.secret import SecretError, SecretStore, generic_secret

log = structlog.get_logger()
_PROOF: Final = "DPoP"
_CREDENTIALS: Final = re.compile(rf"(?i:(bearer|dpop)) +({TOKEN68}) *")
_SCHEMES: Final = ("bearer", "dpop")
_ALGORITHMS: Final = " ".join(PROOF_ALGORITHMS)
_MAX_TOKEN: Final = 16 * 1024
_SESSION_SECONDS: Final = 10.0
"""How long an opened session id is remembered."""


Policy = Callable[[Head, OAuth2Context], Refusal | None]
"""Whether exchanges with a head may go on with a token: `None`, or why not."""
Accept = Callable[[Head, OAuth2Context], Plan]
Refuse = Callable[[Head, Refusal], Callable[[Exchange], Response]]
"""How calls with a head are answered that are refused."""


class Presented(NamedTuple):
    """A token as it was presented."""

    scheme: str
    """`bearer` or `dpop`."""
    token: str


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
    """Accepts tokens from the `Authorization` header only: `Bearer` (RFC 6750 section 2.1), or `DPoP`.

    With a token that is bound to a key, the key is to be proven at each call (RFC 9449).
    """

    aliases: ClassVar[tuple[str, ...]] = ("OAuth2RSFilter",)
    contexts: ClassVar[tuple[type[BoundContext], ...]] = (OAuth2Context,)

    class Config(Settings):
        """`scopes` are expressions; the token needs all they yield.

        An event stream ends when its token is found inactive, lacking a scope or out of the filter's policy,
        so at the latest `streamRecheckInterval` after that and once the resolver has answered; when it cannot
        say, or gives up waiting (`soTimeout` of its `providerHandler`), twice in a row, after two intervals
        and both waits. A stream that the client opened by GET or `subscriptions/listen` also ends when its
        token expires; the answer to one call may finish. Many streams share a timer, so a question or an end
        may come half a second later; nothing is passed on between expiry and end.

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
        dpop: DPoPSettings = DPoPSettings.model_construct()
        """What proofs of possession have to be like."""

    def __init__(
        self,
        config: Config,
        resolver: AccessTokenResolver,
        secrets: Callable[[], Sequence[bytes]],
        context: BuildContext,
    ) -> None:
        """Scopes that are constant are evaluated once. `secrets` seal sessions, and make nonces."""
        self.dpop = config.dpop
        self._proofs = ProofCheck(config.dpop, secrets()[0], context.registry.seen_proofs)
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
        self._alarms = Alarms()
        self._recheck_interval = config.stream_recheck_interval
        self._sessions = SessionBinding(TextSeal(secrets))
        self._origin = _public_origin(config.dpop, context)
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
        return cls(config, resolver, _session_secrets(config, context), context)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on with the `OAuth2Context` as a context, or refuse."""

        def accept(at: Head, token: OAuth2Context) -> Plan:
            refusal = self.authorize(at, token)
            if refusal is not None:
                return Plan.answering(at, refusal.response)
            return self.pass_on(at, token, next, self.authorize)

        return self.authenticate(head, accept, lambda _, refusal: refusal.response, self._origin)

    def authenticate(self, head: Head, accept: Accept, refuse: Refuse, origin: Origin | None) -> Plan:
        """Find the valid token that requests present, whatever its scopes, and leave it as a context.

        One that is not remembered has to be asked about, for each call. The key that it is bound to is to be
        proven by each call, for a URI of `origin`, where clients reach the gateway.
        """
        if head.exchange is None and not self._is_of_head:
            return Plan.anew(head, lambda at: self.authenticate(at, accept, refuse, origin))
        presented = self._read_token(head, origin)
        if isinstance(presented, Refusal):
            return Plan.answering(head, refuse(head, presented))

        def go_on(at: Head, token: OAuth2Context) -> Plan:
            bound_to = self._judge_binding(at, presented, token, origin)
            if isinstance(bound_to, Refusal):
                return Plan.answering(at, refuse(at, bound_to))
            plan = accept(at.with_context(token), token)
            if bound_to is None or origin is None:
                return plan
            return self._prove_first(at, plan, token.token, bound_to, origin, refuse)

        known = self._cache.recall(presented.token) if self._cache is not None else None
        if known is not None:
            return go_on(head, known.found).while_(known.lease)
        if self._cache is not None:
            head.readings.of_call = True  # the next call may find it remembered

        async def resolve(at: Head) -> Plan:
            found = await self._resolve(at, presented, origin)
            return Plan.answering(at, refuse(at, found)) if isinstance(found, Refusal) else go_on(at, found)

        return Plan.anew(head, resolve)

    async def _resolve(
        self, head: Head, presented: Presented, origin: Origin | None
    ) -> OAuth2Context | Refusal:
        if head.exchange is None:
            raise RuntimeError("a token is resolved for a call")
        try:
            resolved = await self._resolver.resolve(presented.token, head.exchange)
        except AuthorityError as error:
            return Refusal(error.status, "temporarily_unavailable", error.reason)
        if isinstance(resolved, RejectedToken):
            return self.invalid_token(resolved.reason, presented.scheme, origin)
        return resolved

    def _judge_binding(
        self, head: Head, presented: Presented, token: OAuth2Context, origin: Origin | None
    ) -> str | Refusal | None:
        """The thumbprint of the key that each call has to prove; `None` for a token that is bound to none."""
        try:
            bound_to = bound_key(token.info)
        except TokenInvalid as error:
            return self.invalid_token(error.reason, presented.scheme, origin)
        fault = find_certificate_fault(token.info, certificate_of(head))
        if fault is not None:
            return self.invalid_token(fault, presented.scheme, origin)
        if bound_to is None and presented.scheme == "dpop":
            fault = "the token was presented as DPoP, but is bound to no key (it has no cnf.jkt)"
        elif bound_to is None and self.dpop.required:
            fault = "the token is bound to no key (it has no cnf.jkt), and dpop.required is set"
        elif bound_to is not None and presented.scheme == "bearer":
            fault = "the token is bound to a key (cnf.jkt), but was presented as Bearer, without a proof"
        else:
            return bound_to
        return self.invalid_token(fault, presented.scheme, origin)

    def _prove_first(
        self, head: Head, plan: Plan, token: str, thumbprint: str, origin: Origin, refuse: Refuse
    ) -> Plan:
        """Return `plan` behind the step that checks the proof of each call (RFC 9449 sections 7.1, 9)."""
        read_proofs, found_at = head.reader(_PROOF), head.for_all()
        clock = self._context.instance.clock

        def check(exchange: Exchange) -> Response | None:
            try:
                proofs = read_proofs(exchange)
                self._proofs.check(exchange, proofs, token, thumbprint, origin, clock.now())
            except (InvalidDPoPProof, UseDPoPNonce) as error:
                nonce = self._proofs.nonce(clock.now()) if self._proofs.requires_nonce else None
                challenge = dpop(realm=self._realm, error=error.code, algs=_ALGORITHMS)
                refusal = Refusal(401, error.code, error.detail, (challenge,), nonce=nonce)
            except MemoryFull:
                reason = "more proofs of possession than can be remembered came within their lifetime"
                refusal = Refusal(503, "temporarily_unavailable", reason)
            else:
                return None
            return refuse(found_at.at(exchange), refusal)(exchange)

        def tell_nonce(_: Exchange, response: Response) -> Response:
            response.headers.set(DPOP_NONCE, self._proofs.nonce(clock.now()))
            return response

        def amend_for(_: Response) -> Amend:
            return tell_nonce

        return plan.after(head, check=check, amend_for=amend_for if self._proofs.requires_nonce else None)

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
            now = self._context.instance.clock.now()
            plan = plan.while_(Lease(now + _SESSION_SECONDS, now))

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
                watch(exchange, response, lifetime, self._recheck_interval, ask, self._alarms)
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
        reason = f"the token lacks the scope {' '.join(missing)}"
        return Refusal(403, "insufficient_scope", reason, (challenge,))

    @property
    def fixed_scopes(self) -> tuple[str, ...]:
        """What the token needs for each head; empty where that depends on it."""
        return self._fixed or ()

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

    def invalid_token(self, reason: str, scheme: str = "bearer", origin: Origin | None = None) -> Refusal:
        """The one refusal of tokens that are not valid here, for whatever reason (RFC 6750 section 3.1).

        The error is told in the scheme that the token was presented by.
        """
        told = {
            "error": "invalid_token",
            "error_description": "The access token is missing, expired, revoked or not meant for this "
            "resource",
        }
        return Refusal(401, "invalid_token", reason, self._challenges(origin, {scheme: told}))

    def _challenges(
        self, origin: Origin | None, told: Mapping[str, Mapping[str, str]]
    ) -> tuple[Challenge, ...]:
        """The schemes that are accepted, each with what is `told` in it, `Bearer` first (section 7.1)."""
        usual = bearer(realm=self._realm, **told.get("bearer", {}))
        if origin is None:
            return (usual,)
        bound = dpop(realm=self._realm, **told.get("dpop", {}), algs=_ALGORITHMS)
        return (bound,) if self.dpop.required else (usual, bound)

    def _read_token(self, head: Head, origin: Origin | None) -> Presented | Refusal:
        if self._require_https and not head.peer.secure:
            reason = "the request did not come over TLS: use https, or set requireHttps to false"
            return Refusal(403, "insecure_transport", reason)
        credentials = head.headers.get_all("authorization")
        if not credentials or (len(credentials) == 1 and not credentials[0].lower().startswith(_SCHEMES)):
            reason = "the request carries no token"
            return Refusal(401, "missing_token", reason, self._challenges(origin, {}))
        match = _CREDENTIALS.fullmatch(credentials[0]) if len(credentials[0]) <= _MAX_TOKEN else None
        if match is None or len(credentials) > 1:
            reason = "not exactly one well-formed Authorization header"
            challenge = bearer(realm=self._realm, error="invalid_request")
            return Refusal(400, "invalid_request", reason, (challenge,))
        presented = Presented(match[1].lower(), match[2])
        if presented.scheme == "dpop" and origin is None:
            reason = (
                "a token was presented as DPoP, but nothing says by what origin clients reach the gateway: "
                "set publicOrigin of dpop"
            )
            return self.invalid_token(reason)
        return presented


def _public_origin(settings: DPoPSettings, context: BuildContext) -> Origin | None:
    """The origin that is set, if one is. Raises `ConfigurationError`, also for another wrong setting."""
    lifetime = settings.proof_lifetime
    if lifetime is None or not 0 < lifetime <= MAX_LIFETIME:
        reason = "a proof lives for more than 0 seconds, and 10 minutes at most"
        raise context.error("dpop/proofLifetime", reason, "write, for example, '2 minutes'")
    text = settings.public_origin
    if text is None:
        return None
    try:
        origin = parse_origin(text)
    except UriError as error:
        fix = "write scheme, host and port, such as 'https://api.example.com'"
        raise context.error("dpop/publicOrigin", str(error), fix) from error
    if str(origin) != text.rstrip("/").lower():
        raise context.error("dpop/publicOrigin", f"{text!r} is more than an origin", f"write {str(origin)!r}")
    return origin


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
