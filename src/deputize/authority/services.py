"""What endpoints and pages work with: the directory's snapshot, the store, clock, randomness and limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deputize.authority.activities.search import ActivitySearch
from deputize.authority.activities.writer import ActivityWriter
from deputize.authority.administration import Administration
from deputize.authority.audit import AuditFile, Event
from deputize.authority.breached_passwords import BreachedPasswords
from deputize.authority.client_documents import FetchedDocuments
from deputize.authority.directory.source import DirectorySource
from deputize.authority.fetching import Documents, Fetcher
from deputize.authority.passwords import Passwords
from deputize.authority.registration.introductions import Introductions
from deputize.authority.seals import Derive, PerEnvironment, SealLineage, lineage_seals, refresh_token_values
from deputize.authority.storage import Store
from deputize.jose import Verifier
from deputize.kernel.clock import Clock
from deputize.kernel.values import JsonValue
from deputize.oauth.client_auth.authentication import ClientAuthPorts
from deputize.oauth.dpop import ProofNonces, ProofVerifier
from deputize.oauth.records.store import Session
from deputize.oauth.relying_party import MAX_METADATA, ProviderMetadata, read_metadata


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long codes, sign-on flows and pushed requests last, in seconds."""

    code_lifetime: int = 60
    flow_lifetime: int = 1800
    request_uri_lifetime: int = 60
    """Until the browser comes with it; the flow that it begins then lasts as any other."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the authority, made once."""

    directory: DirectorySource
    store: Store
    clock: Clock
    passwords: Passwords
    new_id: Callable[[], str]
    new_token: Callable[[], str]
    base_url: str
    """Where users and agents reach the authority, without a trailing slash; never taken from a request."""
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    verifier: Verifier = field(default_factory=Verifier)
    audit_file: AuditFile | None = None
    """Gets every event; `None` leaves them to the log."""
    fetcher: Fetcher = field(default_factory=Fetcher)
    """Fetches what clients publish about themselves."""
    provider_secrets: Path | None = None
    """The folder with the client secrets that identity providers gave; `None` without one."""
    breached_passwords: BreachedPasswords | None = None
    """What nobody may choose as a password; `None` without such a list."""
    proof_verifier: ProofVerifier = field(default_factory=ProofVerifier)
    """Verifies proofs of possession."""
    refresh_token_values: PerEnvironment[Derive] = field(init=False)
    lineage_seals: PerEnvironment[SealLineage] = field(init=False)
    proof_nonces: PerEnvironment[ProofNonces] = field(init=False)
    client_documents: FetchedDocuments = field(init=False)
    provider_metadata: Documents[ProviderMetadata] = field(init=False)
    """What identity providers publish, by URL."""
    client_auth: ClientAuthPorts = field(init=False)
    """What proving who a client is may need beside the directory."""
    introductions: Introductions = field(init=False)
    """Keeps the agents that introduce themselves."""
    activity_writer: ActivityWriter = field(init=False)
    """Gets every event, too, for people to search."""
    activities: ActivitySearch = field(init=False)
    administration: Administration = field(init=False)
    """What administrators do to environments."""

    def __post_init__(self) -> None:
        """Make what rests on other parts."""
        documents = FetchedDocuments(self.fetcher, self.clock)
        keys = self.store.server_keys
        object.__setattr__(self, "refresh_token_values", refresh_token_values(keys))
        object.__setattr__(self, "lineage_seals", lineage_seals(keys))
        object.__setattr__(self, "proof_nonces", PerEnvironment(keys, "dpop-nonce", ProofNonces))
        object.__setattr__(self, "client_documents", documents)
        providers = Documents(self.fetcher, self.clock, read_metadata, max_bytes=MAX_METADATA)
        object.__setattr__(self, "provider_metadata", providers)
        object.__setattr__(self, "introductions", Introductions(self.directory, self.store))
        writer = ActivityWriter(self.store.activities, self.directory)
        object.__setattr__(self, "activity_writer", writer)
        object.__setattr__(self, "activities", ActivitySearch(self.store.activities, writer))
        administration = Administration(
            self.store, self.passwords, self.clock, self._record_administration, self.directory, self.base_url
        )
        object.__setattr__(self, "administration", administration)
        object.__setattr__(self, "client_auth", ClientAuthPorts(self.store.one_time_ids, documents))

    @property
    def secure(self) -> bool:
        """Whether users reach the authority over https."""
        return self.base_url.startswith("https:")

    async def sign_off(self, session: Session, now: float) -> None:
        """End the session, and what rests on it, and record that."""
        await self.store.sessions.end_session(session.id, now)
        self.record("signed off", session.environment_id, user_id=session.user_id, session_id=session.id)

    def record(
        self, name: str, environment: str | None, reason: str | None = None, **members: JsonValue
    ) -> None:
        """Record that `name` happened in the environment with this id, or was refused for a `reason`.

        `members` as in `audit.Event`. Never raises.
        """
        self.publish(name, environment, reason, members).log()

    def _record_administration(
        self, name: str, environment: str | None, reason: str | None, members: Mapping[str, JsonValue]
    ) -> None:
        self.publish(name, environment, reason, members).log()

    def publish(
        self, name: str, environment: str | None, reason: str | None, members: Mapping[str, JsonValue]
    ) -> Event:
        """Record as `record` does, but not in the log; the caller logs the event."""
        event = Event(name, self.clock.now(), environment, members, reason)
        if self.audit_file is not None:
            self.audit_file.publish(event)
        self.activity_writer.take(event)
        return event
