"""`JwkSetSecretStore`: the keys that an authorization server publishes (RFC 7517)."""

from collections.abc import Sequence
from typing import Final, Self

from deputize.gateway.authorities.endpoint import AuthorityEndpoint
from deputize.gateway.authorities.key_sources import LEAST_MISS_TIME, KeySet, warn_about_clear_text
from deputize.gateway.config.settings import Duration, Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.jose import IssuerKey
from deputize.secrets.secret import Secret

_LEAST_TIMEOUT: Final = 10.0
_TIMEOUT: Final = 120.0


class JwkSetSecretStore:
    """The keys that an authorization server publishes, to verify its tokens with.

    They are fetched when the first token is there, and kept: tokens are verified with the keys that are known
    while newer ones are fetched, and for up to an hour while they cannot be fetched. A token that names an
    unknown key has them fetched at once, but that happens once in `cacheMissCacheTime` at most, whatever
    clients make up. Symmetric and private keys, keys for encryption, RSA keys under 2048 bits and curves
    other than P-256, P-384, P-521 and Ed25519 are left out.
    """

    class Config(Settings):
        """`leaseExpiry` has no effect: `cacheTimeout` says how long keys are believed."""

        jwk_url: str | None = None
        """The URL of the JWK set, `jwks_uri` in the authorization server's metadata. Needed."""
        jwk_set_uri: str | None = None
        """Read where `jwkUrl` is absent, for some files have it; warned about."""
        handler: Reference = "ClientHandler"
        """Fetches the keys."""
        cache_timeout: Duration = _TIMEOUT
        """How long the keys are kept before they are fetched again; 10 seconds at least."""
        cache_miss_cache_time: Duration = _TIMEOUT
        """How long after keys were fetched for an unknown key id they are not fetched for another one.

        30 seconds at least.
        """
        lease_expiry: Duration = 300.0
        """Accepted, without effect."""

    def __init__(self, endpoint: AuthorityEndpoint, keys: KeySet) -> None:
        self._place = endpoint.place
        self._keys = keys

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Check the URL; nothing is fetched yet."""
        url, key = config.jwk_url, "jwkUrl"
        if url is None:
            url, key = config.jwk_set_uri, "jwkSetUri"
            if url is None:
                raise context.error("jwkUrl", "'jwkUrl' is required", "add 'jwkUrl'")
            context.warn(key, "the key is called 'jwkUrl'", "write 'jwkUrl'")
        endpoint = AuthorityEndpoint.configured(url, key, (config.handler, "handler"), context)
        warn_about_clear_text(url, key, context)
        lifetime, miss_time = config.cache_timeout, config.cache_miss_cache_time
        if lifetime is None or lifetime < _LEAST_TIMEOUT:
            reason = "keys are kept for 10 seconds at least, and not for ever"
            context.warn("cacheTimeout", f"{reason}: 2 minutes are used", "write '10 seconds' or more")
            lifetime = _TIMEOUT
        if miss_time is None or miss_time < LEAST_MISS_TIME:
            reason = "unknown key ids have keys fetched once in 30 seconds at most"
            context.warn("cacheMissCacheTime", f"{reason}: that is used", "write '30 seconds' or more")
            miss_time = LEAST_MISS_TIME

        async def locate() -> AuthorityEndpoint:
            return endpoint

        keys = KeySet(locate, context.instance.clock, lifetime=lifetime, miss_time=miss_time)
        context.on_close(keys.aclose)
        return cls(endpoint, keys)

    async def find_keys(self, *, newer: bool = False) -> Sequence[IssuerKey]:
        """Return the keys; with `newer`, because none of those known fits. Raises `AuthorityError`."""
        return await self._keys.find_keys(newer=newer)

    def find(self, secret_id: str) -> Secret | None:  # noqa: ARG002 - it has none under any id
        """None: these are keys that others sign with, and no secrets."""
        return None

    def place(self, secret_id: str) -> str:  # noqa: ARG002 - as above
        """The URL."""
        return f"{self._place}, which has keys to verify tokens with and no secrets,"
