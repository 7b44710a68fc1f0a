"""`StatelessAccessTokenResolver`: verifies JWTs itself (RFC 9068, RFC 8725; gateway-config reference 4.2)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.gateway.authorities.issuer import Issuer
from deputize.gateway.authorities.key_sources import KeySet, KeySource, StoredKeys, warn_about_clear_text
from deputize.gateway.config.settings import Duration, OneOrMore, Reference, Settings
from deputize.gateway.exchange.contexts import OAuth2Context
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.resolvers.cache import TokenCache, cache_limits
from deputize.gateway.resolvers.claims import audiences_of, judge_claims
from deputize.gateway.resolvers.resolution import AccessTokenResolver, RejectedToken
from deputize.http.exchange import Exchange
from deputize.jose import (
    VERIFIABLE_ALGORITHMS,
    ForeignToken,
    IssuerKey,
    KeyInvalid,
    TokenInvalid,
    choose_keys,
    parse_foreign_token,
    verify_with,
)
from deputize.kernel.clock import Clock
from deputize.kernel.values import JsonObject
from deputize.secrets.secret import SecretError, SecretStore

_REMEMBERED_SECONDS: Final = 60.0
"""After which a token is verified again: so long a key that was withdrawn may still count."""
_REMEMBERED: Final = 10_000
_ACCESS_TOKEN: Final = "at+jwt"
_TYPES: Final = frozenset({_ACCESS_TOKEN, "jwt", None})
_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "typ": frozenset({"bearer", "dpop", "jwt", _ACCESS_TOKEN}),
    "token_use": frozenset({"access"}),
    "tokenName": frozenset({"access_token"}),
}
"""Claims by which servers tell their kinds of tokens apart, in lower case: Keycloak, Cognito, PingAM."""
_NOT_IN_ACCESS_TOKENS: Final = ("at_hash", "c_hash", "events")
"""Of ID tokens (OpenID Connect Core section 2), of logout tokens and other events (RFC 8417)."""


class StatelessAccessTokenResolver:
    """Verifies JWTs of one issuer itself: signature, issuer, times, kind, and audience where it is named.

    With `issuer` alone it finds the keys by itself: in the issuer's metadata (RFC 8414 or OpenID Connect
    Discovery), whose `issuer` must be the same text. Verified tokens are remembered for 60 seconds, 10,000
    of them; a token that was revoked is believed until it expires, for nobody is asked.
    """

    class Config(Settings):
        """`algorithms`, `audience`, `requireAccessTokenType`, `providerHandler` are extensions of the format.

        Not supported: encrypted tokens, tokens with a symmetric signature (HS256 and the like), and tokens
        without a signature. Give `secretsProvider` and `verificationSecretId`, or neither.

        A token is refused without `exp`, when it has expired, when `nbf` or `iat` is over 60 seconds ahead of
        the clock (more with a larger `skewAllowance`), and when it says that it is no access token: by a
        header `typ` other than `at+jwt` or `JWT`, by `typ`, `token_use` or `tokenName` as Keycloak, Cognito
        and PingAM write them, by claims that only ID or logout tokens have.
        """

        issuer: str
        """The issuer, exactly as tokens have it in `iss`."""
        secrets_provider: Reference | None = None
        """Has the keys: a `JwkSetSecretStore`, or a store with a key or certificate in PEM.

        When absent the issuer's metadata says where they are.
        """
        verification_secret_id: str | None = None
        """The id of that key; for a `JwkSetSecretStore` any text, for the token names the key."""
        decryption_secret_id: str | None = None
        """Not supported."""
        skew_allowance: Duration = 0.0
        """How far the issuer's clock and this one may be apart."""
        algorithms: OneOrMore[str] = VERIFIABLE_ALGORITHMS
        """The algorithms that tokens may be signed with, of those that fit the key."""
        audience: OneOrMore[str] = ()
        """Audiences (`aud`) of which the token must have one. `McpProtectionFilter` checks its own."""
        require_access_token_type: bool = False
        """Whether the header must have `typ` `at+jwt` (RFC 9068), which many servers do not write."""
        provider_handler: Reference = "ForgeRockClientHandler"
        """Fetches metadata and keys where the issuer is all that is configured."""

    def __init__(self, config: Config, sources: Sequence[KeySource], clock: Clock) -> None:
        self._issuer = config.issuer
        self._algorithms = frozenset(config.algorithms)
        self._audience = frozenset(config.audience)
        self._types: Collection[str | None] = (_ACCESS_TOKEN,) if config.require_access_token_type else _TYPES
        self._skew = config.skew_allowance or 0.0
        self._sources = sources
        self._clock = clock

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> AccessTokenResolver:
        """Look for the keys, as far as that is possible now; put a memory in front."""
        unknown = [name for name in config.algorithms if name not in VERIFIABLE_ALGORITHMS]
        if unknown or not config.algorithms:
            raise context.error(
                "algorithms",
                f"{', '.join(map(repr, unknown)) or 'nothing'} is no algorithm that tokens are verified with",
                f"choose among {', '.join(VERIFIABLE_ALGORITHMS)}",
            )
        if config.skew_allowance is None:
            raise context.error(
                "skewAllowance", "without limit no token would ever expire", "name a duration"
            )
        limits = cache_limits(_REMEMBERED_SECONDS, _REMEMBERED_SECONDS, _REMEMBERED)
        clock = context.instance.clock
        return TokenCache(cls(config, cls._find_sources(config, context), clock), limits, clock)

    @classmethod
    def _find_sources(cls, config: Config, context: BuildContext) -> Sequence[KeySource]:
        if config.decryption_secret_id is not None:
            raise context.error(
                "decryptionSecretId",
                "encrypted tokens are not supported",
                "have the authorization server sign tokens, or use a TokenIntrospectionAccessTokenResolver",
            )
        secret_id, provider = config.verification_secret_id, config.secrets_provider
        if secret_id is None and provider is None:
            if not config.issuer.startswith(("https://", "http://")):
                raise context.error(
                    "issuer",
                    "the issuer is no URL, so its keys cannot be found",
                    "give secretsProvider and verificationSecretId as well",
                )
            handler = (config.provider_handler, "providerHandler")
            issuer = Issuer.configured(config.issuer, "issuer", handler, context)
            warn_about_clear_text(config.issuer, "issuer", context)
            keys = KeySet.discovered(issuer, context.instance.clock)
            context.on_close(keys.aclose)
            return (keys,)
        if not secret_id or provider is None:
            raise context.error(
                "verificationSecretId" if provider else "secretsProvider",
                "secretsProvider and verificationSecretId belong together: a signature is always verified",
                "give both, or neither to find the keys by the issuer's metadata",
            )
        store = context.refer(provider, SecretStore, "secretsProvider")
        sources = tuple(_sources_in(store, secret_id, context.instance.clock))
        if not sources:
            raise context.error(
                "verificationSecretId",
                f"no store has {secret_id!r}: looked at {store.place(secret_id)}",
                "put the key or certificate there, or use a JwkSetSecretStore",
            )
        for source in sources:
            if isinstance(source, StoredKeys):
                try:
                    source.read()
                except (SecretError, KeyInvalid) as error:
                    raise context.error("verificationSecretId", str(error)) from error
        return sources

    async def resolve(self, token: str, exchange: Exchange) -> OAuth2Context | RejectedToken:  # noqa: ARG002 - of the protocol
        """Verify `token`. Raises `AuthorityError` when the keys cannot be had."""
        try:
            parsed = parse_foreign_token(token)
            if _kind(parsed.typ) not in self._types:
                return RejectedToken(f"the token is no access token: its header has typ {parsed.typ!r:.64}")
            if parsed.algorithm not in self._algorithms:
                return RejectedToken(f"tokens signed by {parsed.algorithm!r:.64} are not accepted")
            claims = await self._verify(parsed)
        except TokenInvalid as error:
            return RejectedToken(error.reason)
        fault = self._find_fault(claims)
        return RejectedToken(fault) if fault else judge_claims(token, claims, self._clock.now(), self._skew)

    async def _verify(self, token: ForeignToken) -> JsonObject:
        """Return the claims. Raises `TokenInvalid`, and `AuthorityError`.

        Newer keys are asked for where no key has the token's id; where keys have no ids, one may have been
        replaced.
        """
        keys = await self._choose(token)
        if any(key.kid is not None for key in keys):
            return verify_with(token, keys)
        try:
            return verify_with(token, keys)
        except TokenInvalid:
            keys = await self._choose(token, newer=True)
        if not keys:
            named = "no kid" if token.kid is None else f"the kid {token.kid!r:.128}"
            raise TokenInvalid(f"the issuer has no key for {token.algorithm} and {named}")
        return verify_with(token, keys)

    async def _choose(self, token: ForeignToken, *, newer: bool = False) -> Sequence[IssuerKey]:
        known: list[IssuerKey] = []
        failure: AuthorityError | None = None
        for source in self._sources:
            try:
                known += await source.find_keys(newer=newer)
            except AuthorityError as error:
                failure = error
        chosen = choose_keys(token, known, self._algorithms)
        if failure is not None and not chosen:
            raise failure  # it may have had the key
        return chosen

    def _find_fault(self, claims: JsonObject) -> str | None:
        if claims.get("iss") != self._issuer:
            return f"the token is of another issuer: iss is not {self._issuer}"
        if claims.get("exp") is None:
            return "the token never expires: it has no exp"
        for name, kinds in _KINDS.items():
            said = claims.get(name)
            if said is not None and not (isinstance(said, str) and said.lower() in kinds):
                return f"the token is no access token: {name} is {str(said)[:64]!r}"
        foreign = [name for name in _NOT_IN_ACCESS_TOKENS if name in claims]
        if foreign:
            return f"the token is no access token: it has {foreign[0]}"
        if self._audience and self._audience.isdisjoint(audiences_of(claims)):
            return "the token is for another audience than those configured"
        return None


@runtime_checkable
class _SeveralStores(Protocol):
    """A `SecretsProvider`."""

    stores: Sequence[SecretStore]


def _sources_in(store: SecretStore, secret_id: str, clock: Clock) -> Iterator[KeySource]:
    """Yield what has keys: every JWK set, and the first other store that has the secret."""
    stores = store.stores if isinstance(store, _SeveralStores) else (store,)
    is_found = False
    for each in stores:
        if isinstance(each, KeySource):
            yield each
        elif not is_found and each.find(secret_id) is not None:
            is_found = True
            yield StoredKeys(each, secret_id, clock)


def _kind(typ: str | None) -> str | None:
    """Return a header's `typ` as it is compared (RFC 7515 section 4.1.9)."""
    return None if typ is None else typ.lower().removeprefix("application/")
