"""What an environment file may say, in the product's vocabulary.

Members that refer to each other are checked in `references`.

An entry about an object that exists is partial: `stored` completes it with what stands in the database.
`model_fields_set` keeps telling which members the file names.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from deputize.jose.key_ring import MAX_TOKEN_LIFETIME
from deputize.kernel import durations

MIN_SECRET = 32
MIN_PASSWORD = 8
MAX_TEXT = 32_000
GRANT_TYPES = {
    "authorization_code": "authorization_code",
    "client_credentials": "client_credentials",
    "refresh_token": "refresh_token",
    "token_exchange": "urn:ietf:params:oauth:grant-type:token-exchange",
}
MAPPINGS = {
    "User ID": "user.id",
    "Username": "user.username",
    "Email Address": "user.email",
    "Given Name": "user.name.given",
    "Family Name": "user.name.family",
    "Formatted Name": "user.name.formatted",
    "Preferred Language": "user.preferredLanguage",
}
"""The pick list of user attributes, as the console shows it, and the expressions behind it."""
_DAY = 86400.0
_LOCALE = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    seconds = _duration(value)
    if seconds is None:
        raise ValueError("needs an end, such as '1 hour'")
    return seconds


def _days(value: object) -> float | None:
    if value is None or value == "never":
        return None
    seconds = _duration(value) if isinstance(value, str) else None
    if not seconds:
        raise ValueError("write an interval such as '180 days', or never")
    return seconds / _DAY


def _duration(text: str) -> float | None:
    try:
        return durations.parse(text)
    except durations.DurationError as error:
        raise ValueError(str(error)) from error


def _grant_type(value: object) -> object:
    wire = GRANT_TYPES.get(value.lower(), value) if isinstance(value, str) else value
    if wire not in GRANT_TYPES.values():
        raise ValueError(f"is not one of {', '.join(GRANT_TYPES)}")
    return wire


def _uuid(value: str) -> str:
    if not _UUID.fullmatch(value):
        raise ValueError("is not a UUID in lower case")
    return value


Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Scope: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[!#-\[\]-~]+$")]
Id: TypeAlias = Annotated[str, AfterValidator(_uuid)]
Seconds: TypeAlias = Annotated[int, BeforeValidator(_seconds)]
Secret: TypeAlias = Annotated[
    str, StringConstraints(min_length=MIN_SECRET, max_length=256, pattern=r"^[!-~]+$")
]
Description: TypeAlias = Annotated[str, StringConstraints(max_length=2000)]
Locale: TypeAlias = Annotated[str, StringConstraints(pattern=_LOCALE)]


class Entry(BaseModel):
    """A part of the file.

    Members it does not know are errors, and texts never silently become something else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_default(cls, data: object) -> object:
        """A member written as null is named, and has its default."""
        if not isinstance(data, Mapping):
            return data
        members = cast("Mapping[str, object]", data)
        cleared = [name for name, value in members.items() if value is None and name in cls.model_fields]
        optional = [name for name in cleared if not cls.model_fields[name].is_required()]
        return {
            **members,
            **{name: cls.model_fields[name].get_default(call_default_factory=True) for name in optional},
        }


class AttributeEntry(Entry):
    """A claim of a resource's tokens; exactly one of `expression`, `value` and `mapping` says what it is."""

    name: Name
    """The claim's name, such as `act`."""
    expression: str | None = None
    """The mapping expression that computes it."""
    value: str | None = None
    """A constant text."""
    mapping: str | None = None
    """One of `MAPPINGS`."""
    required: bool = False
    """Whether no token is issued when the value is missing."""

    @model_validator(mode="after")
    def _one_source(self) -> "AttributeEntry":
        if sum(each is not None for each in (self.expression, self.value, self.mapping)) != 1:
            raise ValueError("needs exactly one of expression, value and mapping")
        return self


class ScopeEntry(Entry):
    """A scope of a resource."""

    name: Scope
    """The scope as requests write it."""
    description: Description = ""
    """What it allows, in the words users read when they are asked for it.

    'Transfer money' rather than 'transfer'.
    """
    consent: Literal["first", "on_use"] = "first"
    """When users are asked.

    `first` at the first sign-on of an agent that may obtain it, `on_use` only when the agent asks for this
    scope by name, so that the first yes does not cover it.
    """


class ResourceEntry(Entry):
    """A protected thing with an audience."""

    name: Name
    """What other entries call it."""
    id: Id | None = None
    """Its id, with which it authenticates at introspection; drawn when absent."""
    audience: Name | None = None
    """By default the name."""
    description: Description = ""
    """For the reader."""
    token_lifetime: Annotated[Seconds, Field(ge=60, le=int(MAX_TOKEN_LIFETIME))] = 3600
    """How long its access tokens live; a number is seconds."""
    attributes: tuple[AttributeEntry, ...] = ()
    """Claims of its tokens beyond the built-in ones."""
    scopes: tuple[ScopeEntry, ...] = ()
    """What agents can be granted on it."""
    delegation_required: bool | None = None
    """By default true exactly when `act` is mapped."""
    may_outlive_subject: bool = False
    """Whether an exchanged token may live longer than the subject token."""
    impersonation_allowed: bool = False
    """Whether an exchange may yield a token that speaks for a user and does not say who acts, also for a
    subject token that another client holds: what the original does, and never needed for delegation.
    Otherwise every exchange about a user yields `act`: as mapped, or naming the client that asks where none
    is mapped. `apply` warns.
    """
    secret: Secret | None = None
    """Drawn once when the file gives none."""


class AgentEntry(Entry):
    """Software acting for users."""

    name: Name
    """What users read on the consent page, and other entries call it."""
    id: Id | None = None
    """Its client id; drawn when absent."""
    description: Description = ""
    """For the reader."""
    enabled: bool = True
    """`false` ends its tokens at once."""
    grants: tuple[Annotated[str, BeforeValidator(_grant_type)], ...] = ()
    """The authorization code grant is on whenever there are redirect URIs."""
    redirect_uris: tuple[str, ...] = ()
    """Where users may be sent back to after sign-on; compared character by character."""
    post_logout_redirect_uris: tuple[str, ...] = ()
    """Where users may be sent after sign-off."""
    scopes: dict[str, tuple[Scope, ...]] = Field(default_factory=dict)
    """Resource name to the scopes of it that are granted."""
    policies: tuple[Name, ...] = ()
    """The authentication policies its users sign on by, the first being the default."""
    client_auth: Literal["client_secret_basic", "client_secret_post"] | None = None
    """How it has to send its secret to the authority; by default either way is taken."""
    refresh_token_lifetime: Annotated[Seconds, Field(ge=60)] = 30 * 86400
    """How long a refresh token lives unused; a number is seconds."""
    refresh_token_rolling_lifetime: Annotated[Seconds, Field(ge=60)] = 180 * 86400
    """How long it can be renewed, from sign-on; a number is seconds."""
    refresh_token_grace: Annotated[Seconds, Field(ge=0, le=86400)] = 30
    """How long a used refresh token is still answered, for answers lost on the way; a number is seconds."""
    secret: Secret | None = None
    """Drawn once when the file gives none."""


class LanguageEntry(Entry):
    """An agreement's wording in one language."""

    locale: Locale
    """The language, such as `en` or `de-CH`."""
    title: Name
    """The heading of the page."""
    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
    """What the user agrees to. A changed text is a new version, and asked for again."""
    content_type: Literal["text/plain", "text/html"] = "text/plain"
    """How the text is written."""
    enabled: bool = True
    """Whether it is offered."""


class AgreementEntry(Entry):
    """A text a user accepts before an agent may act for them."""

    name: Name
    """What steps call it."""
    id: Id | None = None
    """Its id; drawn when absent."""
    description: Description = ""
    """For the reader."""
    enabled: bool = True
    """Whether it can be asked for."""
    reconsent_every: Annotated[float | None, BeforeValidator(_days)] = None
    """In days; `None` (written `never`, the default) means that a consent does not expire."""
    languages: tuple[LanguageEntry, ...] = ()
    """Its wordings."""


class LoginEntry(Entry):
    """The login step has no settings."""


class AgreementPromptEntry(Entry):
    """The agreement prompt's settings."""

    agreement: Name
    """Name of the agreement that is shown."""


class StepEntry(Entry):
    """A step of a policy: exactly one member, named like the step."""

    login: LoginEntry | None = None
    """Sign-on with user name and password; written `login: {}`."""
    agreement_prompt: AgreementPromptEntry | None = None
    """Consent to an agreement, unless it was given already."""

    @model_validator(mode="after")
    def _one_step(self) -> "StepEntry":
        if (self.login is None) == (self.agreement_prompt is None):
            raise ValueError("needs exactly one of login and agreement_prompt, such as login: {}")
        return self


class PolicyEntry(Entry):
    """An authentication policy."""

    name: Annotated[
        str,
        StringConstraints(
            min_length=1, max_length=256, pattern=r"^([a-zA-Z0-9_. -]+|[a-zA-Z][a-zA-Z0-9+.-]*:[!-~]+)$"
        ),
    ]
    """What agents call it, and the `acr` of tokens."""
    id: Id | None = None
    """Its id; drawn when absent."""
    steps: Annotated[tuple[StepEntry, ...], Field(min_length=1, max_length=20)] = ()
    """What the user goes through, in order; a new policy needs them."""


class UserEntry(Entry):
    """A user; without a password nobody signs on with one."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    """What the user signs on with, and what the mapping `Username` yields.

    1 to 128 characters in Unicode's form NFKC, none of them invisible. No two may differ in case only, and
    none may be an id.
    """
    id: Id | None = None
    """Their id; drawn when absent."""
    password: Annotated[str, StringConstraints(min_length=MIN_PASSWORD, max_length=1024)] | None = None
    """Stored as a digest. Better from outside: `&{NAME}`. `null` takes the password away."""
    password_hash: Annotated[str, StringConstraints(pattern=r"^\$argon2id\$[!-~]{1,240}$")] | None = None
    """An Argon2id digest, `$argon2id$…`, instead of the password."""
    enabled: bool = True
    """`false` ends the user's sessions and tokens at once."""
    email: Annotated[str, StringConstraints(max_length=320)] | None = None
    """For mappings."""
    given_name: Name | None = None
    """For mappings."""
    family_name: Name | None = None
    """For mappings."""
    preferred_language: Locale | None = None
    """The language agreements are shown in; else the browser's."""
    attributes: dict[str, Any] | None = None
    """More of the user for mappings, of any shape."""

    @model_validator(mode="after")
    def _one_password(self) -> "UserEntry":
        if self.password is not None and self.password_hash is not None:
            raise ValueError("has both password and password_hash; keep one")
        return self


class EnvironmentFile(Entry):
    """One environment.

    What the file leaves out stays as it is: whole kinds, and members of objects that exist.

    `null` gives a member its default. Ids and secrets stay in any case.
    """

    environment: Name
    """Its name; a file with the same name changes the same environment."""
    id: Id | None = None
    """Its id, part of the issuer's URL; drawn when absent."""
    organization_id: Id | None = None
    """The `org` of tokens; drawn when absent."""
    default_policy: Name | None = None
    """The policy of agents that name none."""
    default_language: Locale | None = None
    """The language of agreements where the user's is not there."""
    session_lifetime: Annotated[Seconds, Field(ge=60, le=30 * 86400)] | None = None
    """How long after signing on a user is signed on again without a page; by default 12 hours.

    A number is seconds. What agents got meanwhile lives on; signing off ends it.
    """
    session_idle_lifetime: Annotated[Seconds, Field(ge=60, le=30 * 86400)] | None = None
    """The same since the session was last used; by default 2 hours. A number is seconds."""
    resources: tuple[ResourceEntry, ...] | None = None
    """What tokens are issued for."""
    agreements: tuple[AgreementEntry, ...] | None = None
    """What users agree to."""
    policies: tuple[PolicyEntry, ...] | None = None
    """How users sign on."""
    agents: tuple[AgentEntry, ...] | None = None
    """Who acts for them."""
    users: tuple[UserEntry, ...] | None = None
    """Who signs on."""
    prune: bool = False
    """Whether objects of the kinds the file lists are removed when the file does not name them."""
