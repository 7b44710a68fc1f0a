"""What a sign-on step is, what it decides by, and what comes of its form.

Each lives in a file of `steps`, or in a package that provides it through the entry-point group of
`steps.STEPS`, with two files beside it: the template of its page and the texts of that.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from deputize.authority.directory.objects import ADMINISTRATORS
from deputize.authority.services import Services
from deputize.authority.signon.disclosure import agent_title
from deputize.authority.signon.pages import Language, Problem
from deputize.oauth.authorization_request import AuthorizationRequest
from deputize.oauth.errors import InteractionRequired, OAuthError, ServerError
from deputize.oauth.records.directory import AgentOrigin, Environment, Policy, Step
from deputize.oauth.records.store import Consent, Covers, Factor, Session, User
from deputize.secrets.sealing import TextSeal

_NOTE = re.compile("[A-Za-z0-9_-]{0,128}")


@dataclass(frozen=True, slots=True)
class SignedOn:
    """A user and the live session of this browser."""

    user: User
    session: Session
    consents: tuple[Consent, ...]
    """The user's latest consent per agent and agreement."""

    def consents_for(self, client_id: str) -> tuple[Consent, ...]:
        """Return those given to one agent."""
        return tuple(consent for consent in self.consents if consent.client_id == client_id)


@dataclass(frozen=True, slots=True)
class Situation:
    """What the steps of a policy decide by: who is signed on, what is asked for, what was agreed to."""

    environment: Environment
    policy: Policy
    request: AuthorizationRequest | None
    """`None` when the user only wants their own pages."""
    session: Session | None
    """This browser's, unless it was ended; it may have lapsed."""
    signed_on: SignedOn | None
    """`None` while somebody has to sign on; steps after that read `somebody`."""
    is_recent: bool
    """Whether that session's sign-on counts for the request (`prompt`, `max_age`, `id_token_hint`)."""
    address: str | None
    """The client's, as `audit.Source.address`."""
    known_users: str
    """The cookie that says who signed on in this browser before; empty without one."""
    notes: frozenset[str]
    """What steps noted since the request began (`Done.note`), whoever was signed on."""
    reach: Covers
    """What the request reaches, directly and by exchange; empty while nobody is signed on."""
    languages: tuple[str, ...]
    """Language tags the agent and the browser ask for, the most wanted first."""
    now: float
    flow_id: str = ""
    """Of the flow that is under way."""
    factors: tuple[Factor, ...] = ()
    """What the user who is signed on has beside the password; empty where no step reads it."""
    challenge: str = ""
    """What a passkey is to sign on this flow's page; empty where no step reads factors."""
    app_seal: TextSeal | None = None
    """What secrets of authenticator apps are sealed with; `None` where no step reads factors."""

    def has_factor(self, *names: str) -> bool:
        """Whether who is signed on proved one of these (`oauth.factors`), recently enough for the request."""
        return (
            self.signed_on is not None
            and self.is_recent
            and not self.signed_on.session.factors.keys().isdisjoint(names)
        )

    @property
    def agent_name(self) -> str:
        """The name of the agent that sent the user here; empty for the user's own pages."""
        return agent_title(self.request.client, self.reader_languages) if self.request else ""

    @property
    def purpose(self) -> Literal["agent", "administration", "account"]:
        """What the user signs on for: the agent that sent them, the console, or their own pages."""
        if self.request:
            return "agent"
        return "administration" if self.environment.name == ADMINISTRATORS else "account"

    @property
    def redirect_uri(self) -> str:
        """Where the answer to that agent goes; empty for the user's own pages."""
        return self.request.redirect_uri if self.request else ""

    @property
    def stranger(self) -> AgentOrigin | None:
        """Where the agent comes from that introduced itself; `None` for an administrator's, or for none.

        `access.html` has what a page says of it.
        """
        return self.request.client.origin if self.request else None

    @property
    def somebody(self) -> SignedOn:
        """Return who is signed on; every step but `login` may expect it, for signing on comes first.

        Raises `ServerError` when nobody is.
        """
        if self.signed_on is None:
            raise ServerError(f"a step of the policy {self.policy.name!r} came before anybody signed on")
        return self.signed_on

    @property
    def reader_languages(self) -> tuple[str, ...]:
        """Language tags in which somebody here reads, the most wanted first."""
        preferred = (self.preferred_language,) if self.preferred_language else ()
        return (*preferred, *self.languages, self.environment.settings.default_language)

    @property
    def preferred_language(self) -> str | None:
        """What the user who is signed on prefers to read."""
        return self.signed_on.user.preferred_language if self.signed_on else None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that a sign-on just made or renewed."""

    id: str
    cookie: str
    """The browser's new session value."""
    known_users: str
    """The browser's new value for `Situation.known_users`."""


@dataclass(frozen=True, slots=True)
class Done:
    """The step is satisfied; go on."""

    session: NewSession | None = None
    """When the user signed on."""
    note: str = ""
    """What the flow remembers until it ends, for `Situation.notes`, such as the id of a consent.

    At most 128 letters, digits, "-" and "_".
    """

    def __post_init__(self) -> None:
        """Raise `ValueError` for a note that the flow's address cannot hold."""
        if not _NOTE.fullmatch(self.note):
            raise ValueError(f"the note {self.note!r} does not match {_NOTE.pattern}")


@dataclass(frozen=True, slots=True)
class Again:
    """Show the step's page again."""

    problems: Sequence[Problem] = ()
    typed: str = ""
    """What the user typed and need not type again."""
    status: int = 400
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    """What the page shows this once."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The user said no."""

    description: str = "The user declined"
    """What the agent is told."""


@dataclass(frozen=True, slots=True)
class SomebodyElse:
    """It is somebody else than who is signed on: sign off, and begin the request again."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The user signs on with an identity provider of the environment, and comes back to this page."""

    provider: str
    """Its name."""


Outcome = Done | Again | Declined | SomebodyElse | Elsewhere


class StepSettings(BaseModel):
    """The settings of a step in an environment file; most have none."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


SettingsModel: TypeAlias = type[StepSettings]


@dataclass(frozen=True, slots=True)
class SignOnStep:
    """A kind of step that policies are made of.

    Its page is the template `NAME.html`, its texts are `NAME.toml` with a table a language, of which `[en]`
    is needed: the template reads `t("NAME.title")` where the table has `title`. A template extends
    `layout.html`, and its form carries `csrf` and `step`. Every value it shows is escaped.
    """

    type: str
    """What stored policies call it, such as `LOGIN`."""
    name: str
    """What environment files call it, such as `login`; its files have this name too."""
    package: str
    """The name of the package that holds its files."""
    is_due: Callable[[Step, Situation], bool]
    """Whether its page has to be shown. Raises `OAuthError`."""
    page_values: Callable[[Step, Situation, Again], Mapping[str, object]]
    """The values that its template shows."""
    submit: Callable[[Step, Situation, Language, Mapping[str, str], Services], Awaitable[Outcome]]
    """Takes what the page's form sent; texts are said in the language."""
    settings: SettingsModel = StepSettings
    """What an environment file may say about it."""
    agreement_settings: tuple[str, ...] = ()
    """Those of the settings, each a text, that name an agreement: by name in environment files, by id where
    stored. `apply` refuses one that does not exist or is disabled, and the step can show its text. That makes
    the step no agreement prompt: what agents may do rests on consents, and only `agreement_prompt` asks for
    these.
    """
    signs_on: bool = False
    """Whether it signs somebody on where nobody is. A policy that begins with another step begins with a
    password all the same.
    """
    reads_factors: Callable[[Step], bool] = lambda _: False
    """Whether it reads `Situation.factors` and `Situation.challenge`, given its settings."""
    providers: Callable[[Step], Collection[str]] = lambda _: ()
    """The names of the identity providers whose word does for it, given its settings."""
    unprompted_error: Callable[[str], OAuthError] = InteractionRequired
    """Makes the error for `prompt=none` while the step is due (OpenID Connect Core section 3.1.2.6)."""
