"""What endpoints and pages work with.

The snapshot, the store, and everything that is a parameter elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from deputize.authority.audit import Event, Record, recorder
from deputize.authority.client_address import Network
from deputize.authority.passwords import Passwords
from deputize.authority.seals import RefreshTokenValues
from deputize.jose import Verifier
from deputize.kernel.clock import Clock
from deputize.kernel.values import JsonValue
from deputize.oauth.ports import (
    Codes,
    Consents,
    Grants,
    RefreshTokens,
    Revocations,
    ServerKeys,
    Sessions,
    SignOnFailures,
    TokenStates,
    Users,
)
from deputize.oauth.records.directory import Directory


class StorePorts(Protocol):
    """Everything the authority remembers, one object a port."""

    @property
    def codes(self) -> Codes:
        """Codes of `oauth.ports`."""
        ...

    @property
    def grants(self) -> Grants:
        """Grants of `oauth.ports`."""
        ...

    @property
    def refresh_tokens(self) -> RefreshTokens:
        """RefreshTokens of `oauth.ports`."""
        ...

    @property
    def revocations(self) -> Revocations:
        """Revocations of `oauth.ports`."""
        ...

    @property
    def token_states(self) -> TokenStates:
        """TokenStates of `oauth.ports`."""
        ...

    @property
    def sessions(self) -> Sessions:
        """Sessions of `oauth.ports`."""
        ...

    @property
    def users(self) -> Users:
        """Users of `oauth.ports`."""
        ...

    @property
    def consents(self) -> Consents:
        """Consents of `oauth.ports`."""
        ...

    @property
    def sign_on_failures(self) -> SignOnFailures:
        """SignOnFailures of `oauth.ports`."""
        ...

    @property
    def server_keys(self) -> ServerKeys:
        """ServerKeys of `oauth.ports`."""
        ...


class DirectorySource(Protocol):
    """Holds the snapshot that requests read."""

    @property
    def current(self) -> Directory:
        """The latest snapshot."""
        ...


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things last, in seconds."""

    code_lifetime: int = 60
    flow_lifetime: int = 1800


@dataclass(frozen=True, slots=True)
class Services:
    """The authority's parts, put together once."""

    directory: DirectorySource
    store: StorePorts
    clock: Clock
    passwords: Passwords
    new_id: Callable[[], str]
    new_token: Callable[[], str]
    base_url: str
    """Where users and agents reach the authority, without a trailing slash; never taken from a request."""
    refresh_token_values: RefreshTokenValues
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    verifier: Verifier = field(default_factory=Verifier)

    audit: Record = field(default=recorder(None))
    """Takes what is to be recorded."""
    trusted_proxies: tuple[Network, ...] = ()
    """Networks of the proxies whose word about a client's address is taken."""

    def record(self, name: str, environment: str, reason: str | None = None, **members: JsonValue) -> None:
        """Record that `name` happened in the environment with this id, or was refused for a `reason`.

        Members as in `audit.Event`.
        """
        self.audit(Event(name, self.clock.now(), environment, members, reason))

    @property
    def secure(self) -> bool:
        """Whether users reach the authority over https."""
        return self.base_url.startswith("https:")
