"""Where keys come from that tokens are verified with: JWK sets on the network, and secret stores."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, runtime_checkable

from deputize.gateway.authorities.endpoint import AuthorityEndpoint, AuthorityError
from deputize.gateway.authorities.issuer import Issuer
from deputize.gateway.authorities.kept import Kept
from deputize.gateway.loading.context import BuildContext
from deputize.jose import IssuerKey, KeyInvalid, key_of_certificate, read_key_set
from deputize.kernel.clock import Clock
from deputize.kernel.uris import is_loopback_host, parse_origin
from deputize.secrets.secret import SecretError, SecretStore, crypto_key

LEAST_MISS_TIME: Final = 30.0
"""Seconds: clients could otherwise have a server asked again and again, with made-up key ids."""
_DISCOVERED_LIFETIME: Final = 300.0
_READ_SECONDS: Final = 5.0
"""How long a store's key is used before it is read again: that takes up to 60 ms, and made-up tokens ask."""


@runtime_checkable
class KeySource(Protocol):
    """Knows keys."""

    async def find_keys(self, *, newer: bool = False) -> Sequence[IssuerKey]:
        """Return the keys; with `newer`, because none of those known fits. Raises `AuthorityError`."""
        ...


class KeySet:
    """A JWK set that an authorization server publishes (RFC 7517 section 5)."""

    def __init__(
        self,
        locate: Callable[[], Awaitable[AuthorityEndpoint]],
        clock: Clock,
        *,
        lifetime: float,
        miss_time: float,
    ) -> None:
        """`locate` says where it is."""

        async def fetch() -> Sequence[IssuerKey]:
            endpoint = await locate()
            answer = await endpoint.get(clock.now())
            if answer.status != 200:
                reason = (
                    f"{endpoint.place} cannot be asked: answer {answer.status} instead of 200{answer.said}"
                )
                raise AuthorityError(503, reason)
            try:
                return read_key_set(answer.value)
            except KeyInvalid as error:
                reason = f"{endpoint.place} is no JWK set: {answer.fault or error}"
                raise AuthorityError(502, reason) from error

        self._kept: Kept[Sequence[IssuerKey]] = Kept(fetch, clock, lifetime=lifetime, miss_time=miss_time)
        self.aclose = self._kept.aclose

    @classmethod
    def discovered(cls, issuer: Issuer, clock: Clock) -> "KeySet":
        """Return the set that the issuer's metadata points at."""
        return cls(
            lambda: issuer.endpoint("jwks_uri"),
            clock,
            lifetime=_DISCOVERED_LIFETIME,
            miss_time=LEAST_MISS_TIME,
        )

    async def find_keys(self, *, newer: bool = False) -> Sequence[IssuerKey]:
        """Return the keys; with `newer`, because none of those known fits. Raises `AuthorityError`."""
        return await (self._kept.get_newer() if newer else self._kept.get())


def warn_about_clear_text(url: str, key: str, context: BuildContext) -> None:
    """Warn when keys travel so that others can replace them: whoever does may sign tokens for anybody."""
    origin = parse_origin(url)
    if origin.scheme == "http" and not is_loopback_host(origin.host):
        context.warn(key, "keys that come over clear text can be replaced on their way", "use https")


class StoredKeys:
    """The key or certificate that a store of secrets has under one id, and that tokens need not name."""

    def __init__(self, store: SecretStore, secret_id: str, clock: Clock) -> None:
        self._store = store
        self._secret_id = secret_id
        self._clock = clock
        self._known: IssuerKey | None = None
        self._read_at = float("-inf")

    async def find_keys(self, *, newer: bool = False) -> Sequence[IssuerKey]:  # noqa: ARG002 - it is new enough
        """Return the key as the store has it, or had it a few seconds ago. Raises `AuthorityError`."""
        now = self._clock.now()
        if self._known is None or abs(now - self._read_at) >= _READ_SECONDS:
            self._known = None
            try:
                self._known, self._read_at = self.read(), now
            except (SecretError, KeyInvalid) as error:
                raise AuthorityError(502, str(error)) from error
        return (self._known,)

    def read(self) -> IssuerKey:
        """Return the key. Raises `SecretError` or `KeyInvalid`."""
        found = crypto_key(self._store, self._secret_id)
        if found.certificates:
            return key_of_certificate(found.certificates[0].public_key())
        if found.private_key is None:
            raise KeyInvalid("a store has neither a key nor a certificate")
        return key_of_certificate(found.private_key.public_key())
