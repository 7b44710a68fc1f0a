"""What the steps of a policy look at.

Who is signed on in this browser, what is asked for, what was agreed to.
"""

from dataclasses import dataclass

from deputize.oauth.authorization_request import AuthorizationRequest
from deputize.oauth.records.directory import Environment, Policy
from deputize.oauth.records.store import Consent, Covers, Session, User


@dataclass(frozen=True, slots=True)
class SignedOn:
    """A user and the live session of this browser."""

    user: User
    session: Session
    consents: tuple[Consent, ...]
    """The user's latest consent per agent and agreement."""

    def consents_for(self, client_id: str) -> tuple[Consent, ...]:
        """Those given to one agent."""
        return tuple(consent for consent in self.consents if consent.client_id == client_id)


@dataclass(frozen=True, slots=True)
class Situation:
    """A browser on its way through a policy."""

    environment: Environment
    policy: Policy
    request: AuthorizationRequest | None
    """`None` when the user only wants their account page."""
    session: Session | None
    """This browser's, unless it was ended; it may have lapsed."""
    signed_on: SignedOn | None
    is_recent: bool
    """Whether that session's sign-on counts for the request (`prompt=login`, `max_age`)."""
    network: str
    """Where the request comes from, as attempts are counted by."""
    known_browsers: str
    """The cookie by which `known_browsers` recognises this browser; empty without one."""
    accepted: frozenset[str]
    """Ids of the consents given since the request began, by whoever was signed on."""
    reach: Covers
    """What the request reaches, directly and by exchange; empty while nobody is signed on."""
    languages: tuple[str, ...]
    """Language tags the agent and the browser ask for, the most wanted first."""
    now: float

    @property
    def agent_name(self) -> str:
        """The name of the agent that sent the user here; empty for the account page."""
        return self.request.client.name if self.request else ""

    @property
    def preferred_language(self) -> str | None:
        """What the user who is signed on prefers to read."""
        return self.signed_on.user.preferred_language if self.signed_on else None
