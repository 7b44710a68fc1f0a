"""What a sign-on step is. Each lives in a file of `steps`, beside the template of its page."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from deputize.authority.services import Services
from deputize.authority.signon.languages import Language
from deputize.authority.signon.pages import Page, Problem
from deputize.authority.signon.situation import Situation
from deputize.oauth.records.directory import Step


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that a sign-on just made or renewed."""

    id: str
    cookie: str
    """The browser's new session value."""
    known_browsers: str
    """The browser's new value for `known_browsers`."""


@dataclass(frozen=True, slots=True)
class Done:
    """The step is satisfied; go on."""

    session: NewSession | None = None
    """When the user signed on."""
    consent_id: str | None = None
    """When the user accepted an agreement."""


@dataclass(frozen=True, slots=True)
class Again:
    """Show the step's page again."""

    problems: Sequence[Problem] = ()
    typed: str = ""
    """What the user typed and need not type again."""
    status: int = 400


@dataclass(frozen=True, slots=True)
class Declined:
    """The user said no."""


@dataclass(frozen=True, slots=True)
class SomebodyElse:
    """It is somebody else than who is signed on: sign off, and begin the request again."""


Outcome = Done | Again | Declined | SomebodyElse


@dataclass(frozen=True, slots=True)
class SignOnStep:
    """A kind of step that policies are made of."""

    type: str
    """As policies name it."""
    is_due: Callable[[Step, Situation], bool]
    page: Callable[[Step, Situation, Language, Again], Page]
    """The page that asks for what is missing."""
    submit: Callable[[Step, Situation, Language, Mapping[str, str], Services], Awaitable[Outcome]]
    """Takes what the page's form sent."""
