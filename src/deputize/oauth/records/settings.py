"""Settings that the protocol's rules read as administrators write them.

Each model is extended in `authority.directory.objects` to the entry of an environment file, which is also the
stored document; records of the snapshot hold that object as their `settings`. So a new setting is one field,
here, or there where only the authority reads it, and the place that reads it.
"""

import re
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from deputize.jose import DEFAULT_ALGORITHM, ID_TOKEN_ALGORITHM, Algorithm, KeyInvalid, read_key_set
from deputize.jose.key_ring import MAX_TOKEN_LIFETIME
from deputize.kernel import durations

MAX_HOST: Final = 253
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
DEFAULT_POLICY: Final = "Single_Factor"
"""The policy that every environment begins with: a password."""
STORED: Final = {"stored": True}
"""The validation context of documents that were judged when they were stored.

Packages may have gone since: a grant that nobody provides any more breaks nothing but itself. And what has a
bound today may have been stored without one.
"""


def _duration(text: str, info: ValidationInfo) -> float | None:
    try:
        return durations.parse(text)
    except durations.DurationTooLong as error:
        if info.context is STORED:
            return durations.LONGEST
        raise ValueError(str(error)) from error
    except durations.DurationError as error:
        raise ValueError(str(error)) from error


def _seconds(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    seconds = _duration(value, info)
    if seconds is None:
        raise ValueError("needs an end, such as '1 hour'")
    return seconds


def _interval(value: object, info: ValidationInfo) -> float | None:
    if value is None or value == "never":
        return None
    seconds = _duration(value, info) if isinstance(value, str) else None
    if not seconds:
        raise ValueError("write an interval such as '180 days', or never")
    return seconds


def _key_set(jwks: dict[str, Any]) -> dict[str, Any]:
    try:
        keys = read_key_set(jwks)
    except KeyInvalid as error:
        raise ValueError(str(error)) from error
    if not keys:
        raise ValueError("has no public key that verifies signatures")
    return jwks


def _host_pattern(text: str) -> str:
    host, colon, port = text.removeprefix("*.").partition(":")
    labels = host.split(".")
    if (
        len(host) > MAX_HOST
        or not all(map(_LABEL.fullmatch, labels))
        or (host != text.partition(":")[0] and len(labels) == 1)
        or (colon and not (_PORT.fullmatch(port) and int(port) not in {0, 443} and int(port) < 65536))
    ):
        raise ValueError(
            "is no host in lower case such as app.example.com, app.example.com:8443 or *.example.com"
        )
    return text


Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")
]
ScopeName: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[!#-\[\]-~]+$")
]
Description: TypeAlias = Annotated[str, StringConstraints(max_length=2000)]
Locale: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$")]
Names: TypeAlias = Annotated[dict[Locale, Name], Field(max_length=32)]
"""A name by language tag."""
Descriptions: TypeAlias = Annotated[dict[Locale, Description], Field(max_length=32)]
"""A description by language tag."""
Seconds: TypeAlias = Annotated[
    int,
    BeforeValidator(_seconds),
    Field(le=durations.LONGEST),
    PlainSerializer(durations.write, return_type=str),
]
"""Seconds, written as a number or a duration; at most 100 years."""
Interval: TypeAlias = Annotated[
    float | None,
    BeforeValidator(_interval),
    PlainSerializer(durations.write, return_type=str, when_used="unless-none"),
]
"""Seconds, written as a duration of at most 100 years; `None`, written `never`, is without end."""


SigningAlgorithm: TypeAlias = Literal["ES256", "ES384", "PS256", "RS256", "EdDSA", "Ed25519"]
"""What others sign with that is verified here."""
SubjectAttribute: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=128)]
"""What of a user somebody else's `sub` is: `id`, `username`, or one of the custom attributes."""
IssuerName: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[!-~]+$")]
SubjectName: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+$")
]
HostPattern: TypeAlias = Annotated[str, AfterValidator(_host_pattern)]
"""A host in lower case, perhaps with a port, or `*.` before two labels or more."""


class ObjectSettings(BaseModel):
    """Settings of an object that an administrator sets up."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class ResourceSettings(ObjectSettings):
    """What can be set of a resource."""

    description: Description = ""
    """What users read beside its name."""
    descriptions: Descriptions = Field(default_factory=dict[str, str])
    """The same in other languages, such as `{ de: "Ihre Konten" }`: users read what is written in theirs, or
    else `description`.
    """
    token_lifetime: Annotated[Seconds, Field(ge=60, le=int(MAX_TOKEN_LIFETIME))] = 3600
    """How long its access tokens live; a number is seconds."""
    access_token_signed_response_alg: Algorithm = DEFAULT_ALGORITHM
    """What its access tokens are signed with: `ES256`, `RS256`, `EdDSA` (Ed25519), or `Ed25519`, which is
    EdDSA under its newer name.
    """
    may_outlive_subject: bool = False
    """Whether an exchanged token may live longer than the subject token, if that came of a sign-on directly
    and is the agent's own; along a chain lifetimes only shrink.
    """
    impersonation_allowed: bool = False
    """Whether an exchange may yield a token that speaks for a user and does not say who acts, also for a
    subject token that another client holds: what the original does, and never needed for delegation.
    Otherwise every exchange about a user yields `act`: as mapped, or naming the client that asks where none
    is mapped. `apply` warns.
    """


class Signer(ObjectSettings):
    """Somebody who signs, and by which keys that is verified."""

    jwks: dict[str, Any] | None = None
    """The public keys that verify what it signs, as a JWK set (RFC 7517); of an agent for `private_key_jwt`.
    """
    jwks_uri: str | None = None
    """Where it publishes them instead, at https; fetched when needed, at most twice a minute. An address
    within a network of yours has to be allowed by `--fetch-network`.
    """


class TemplateSettings(ObjectSettings):
    """What can be set of an agent, and of those that introduce themselves for all of them at once."""

    delegation_resource: str | None = None
    """The resource that its users sign on for where the authority makes the exchange itself: when it asks for
    a resource that requires delegation, at the authorization endpoint. By default the only one of its granted
    resources that maps `may_act` and does not require delegation.
    """
    refresh_token_lifetime: Annotated[Seconds, Field(ge=60)] = 30 * 86400
    """How long a refresh token lives unused; a number is seconds."""
    refresh_token_rolling_lifetime: Annotated[Seconds, Field(ge=60)] = 180 * 86400
    """How long it can be renewed, from sign-on; a number is seconds."""
    refresh_token_grace: Annotated[Seconds, Field(ge=0, le=86400)] = 30
    """How long a used refresh token is still answered, for answers lost on the way; a number is seconds. Of
    public clients 10 seconds at most.
    """


class Workload(ObjectSettings):
    """A program as its platform calls it."""

    model_config = ConfigDict(extra="forbid")

    issuer: IssuerName
    """The platform: one of the environment's `trusted_issuers`."""
    subject: SubjectName
    """The `sub` of its assertions, compared character by character: a SPIFFE id such as
    `spiffe://example.com/agents/mail`, `system:serviceaccount:NAMESPACE:NAME`, or `repo:OWNER/NAME:ref:REF`.
    """


class IdentityAssertion(ObjectSettings):
    """For which authorization server an agent gets identity assertions about its users, and what they say."""

    model_config = ConfigDict(extra="forbid")

    audience: IssuerName
    """The other authorization server's issuer."""
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=r"^[!-~]+$")]
    """The agent's `client_id` over there."""
    resources: Annotated[
        dict[IssuerName, Annotated[tuple[ScopeName, ...], Field(min_length=1)]], Field(min_length=1)
    ]
    """Identifiers of resources over there, and scopes of each that it may be given at most."""


class AgentSettings(TemplateSettings, Signer):
    """What can be set of an agent."""

    names: Names = Field(default_factory=dict[str, str])
    """What users read as its name in other languages, such as `{ de: "Postassistent" }`; or else `name`."""
    descriptions: Descriptions = Field(default_factory=dict[str, str])
    """What users read about it, by language; in the environment's default language where theirs is missing.
    """
    post_logout_redirect_uris: tuple[str, ...] = ()
    """Where users may be sent after sign-off; compared character by character."""
    backchannel_logout_uri: str | None = None
    """Where it is told, at https, that a session ended in which its users signed on: by signing off, by an
    administrator, or with the user (OpenID Connect Back-Channel Logout). An address within a network of
    yours has to be allowed by `--fetch-network`, as for everything that agents name.
    """
    permitted_actors: Annotated[tuple[Name, ...], Field(max_length=64)] = ()
    """Further agents that may exchange the access tokens that it holds about users, whomever `may_act` names,
    which is one party. They act as if it named them. Taking one out ends what it obtained that way.
    """
    loops_allowed: bool = False
    """Whether it may exchange a token that it had before another agent had it.

    Otherwise no agent comes back into a chain that it was in.
    """
    client_auth: str | None = None
    """How it has to authenticate (RFC 7591 calls it `token_endpoint_auth_method`): `client_secret_basic`,
    `client_secret_post`, `private_key_jwt`, `federated_jwt` for a program of which its platform says who it
    is, what packages add, or `none` for a public client, which cannot keep a secret. By default it has a
    secret, and may send it either way.
    """
    require_pushed_authorization_requests: bool = False
    """Whether its users are sent to sign on only with requests that it pushed before (RFC 9126)."""
    dpop_bound_access_tokens: bool = False
    """Whether it gets tokens only with a proof that it holds the key they are bound to (RFC 9449)."""
    workloads: Annotated[tuple[Workload, ...], Field(max_length=16)] = ()
    """As which programs of a platform it authenticates, without a secret; for `federated_jwt`."""
    identity_assertions: Annotated[tuple[IdentityAssertion, ...], Field(max_length=64)] = ()
    """At which other authorization servers it may say who its users are: by a token exchange it gets
    assertions that are for one of these alone.
    """
    id_token_signed_response_alg: Algorithm = ID_TOKEN_ALGORITHM
    """What the ID tokens for it are signed with: `RS256`, `ES256`, `EdDSA` (Ed25519), or `Ed25519`, which is
    EdDSA under its newer name. Signing by RS256 takes longer than by the others.
    """


class AgreementSettings(ObjectSettings):
    """What can be set of an agreement."""

    reconsent_every: Interval = None
    """How long a consent lasts; `never`, the default, means that it does not expire.

    It can be 36500 days at most.
    """


class TrustedUsers(ObjectSettings):
    """How an issuer's identity assertions tell who a user is, and what else has to be true."""

    model_config = ConfigDict(extra="forbid")

    policy: Name
    """The authentication policy by which its users count as signed on; it becomes the tokens' `acr`. Where it
    has an `agreement_prompt`, users have to have agreed before, by signing on here.
    """
    subject: SubjectAttribute
    """What of a user the assertion's `sub` is: `id`, `username`, or one of the custom attributes. It has to
    be something that nobody else ever gets; an email address is not.
    """
    decides_for_users: bool = False
    """Whether the issuer's administrators decide in the users' place what agents may do for them. Then
    `policy` has no `agreement_prompt`; otherwise it needs one.
    """


class TrustedIssuer(Signer):
    """Somebody else whose signed word counts, for what names it and nothing else.

    As identity provider where it has `users`, as a platform for the agents whose `workloads` name it, and
    about software where `registration` names it in `software_statements`.
    """

    model_config = ConfigDict(extra="forbid")

    issuer: IssuerName
    """The `iss` of what it signs, compared character by character."""
    algorithms: Annotated[tuple[SigningAlgorithm, ...], Field(min_length=1)]
    """What it signs with; what is signed otherwise is refused."""
    users: TrustedUsers | None = None
    """Whether it may say who a user is, by identity assertions (ID-JAG), and how."""
    reusable: bool = False
    """Whether workloads may present one assertion again while it lives, as programs do whose platform renews
    it only from time to time. Identity assertions count once in any case.
    """

    @field_validator("jwks")
    @classmethod
    def _check_jwks(cls, jwks: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if jwks is None else _key_set(jwks)


class RegistrationSettings(ObjectSettings):
    """Who may introduce themselves as agents, and how many."""

    hosts: tuple[HostPattern, ...] = ()
    """Whose client ID metadata documents are taken: hosts such as `app.example.com`, with a port where it is
    not 443. `*.example.com` stands for every host below `example.com`, and not for that itself.
    """
    dynamic: bool = False
    """Whether programs may register themselves (RFC 7591): those that one of the next three names."""
    initial_access_tokens: bool = False
    """Whoever has an initial access token, which `deputize agents invite` draws."""
    software_statements: Annotated[tuple[IssuerName, ...], Field(max_length=16)] = ()
    """Whoever has a software statement of one of these issuers, which has to name the redirect URIs. They are
    among the environment's `trusted_issuers`.
    """
    open: bool = False
    """Anybody. Nothing that such a program says about itself was verified by anybody."""
    approval_required: bool = False
    """Whether an agent that introduces itself waits, disabled, until an administrator enables it. Those that
    are there already do not.
    """
    max_agents: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """How many agents there may be that introduced themselves. When there are so many, the oldest one that
    never signed anybody on makes room; one that came within the last ten minutes does so only for an agent by
    a metadata document, with which a user has signed on.
    """
    unused_lifetime: Annotated[Seconds, Field(ge=600)] = 86400
    """How long an agent is kept that never signed anybody on; a number is seconds."""
    idle_lifetime: Annotated[Seconds, Field(ge=3600)] = 90 * 86400
    """How long an agent is kept after a user last signed on or its refresh token was last used.

    A number is seconds.
    """


class IdentityProvider(ObjectSettings):
    """An OpenID provider with whom users may sign on, in steps of policies that name it.

    It is registered there with the redirect URI `ISSUER/callback/NAME` of the environment's own issuer, for
    the authorization code flow. The provider says who somebody is; which user that is, is decided here: by an
    account that the user connected on their own pages, or by `subject`; never by an email address.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    """What steps of policies call it."""
    title: Name
    """What users call it."""
    issuer: IssuerName
    """Its issuer at https, compared character by character. Its metadata and keys are fetched; an address
    within a network of yours has to be allowed by `--fetch-network`.
    """
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=r"^[!-~]+$")]
    """As whom the environment is registered there."""
    secret: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")] | None = None
    """The name of the file with the client's secret, in the server's folder `--provider-secrets`. Without
    one, the environment proves itself with its own keys (`private_key_jwt`): they are at `ISSUER/jwks`.
    """
    algorithms: Annotated[tuple[SigningAlgorithm, ...], Field(min_length=1)] = ("RS256",)
    """What its ID tokens are signed with; what is signed otherwise is refused."""
    subject: SubjectAttribute | None = None
    """What of a user its `sub` is: `id`, `username`, or one of the custom attributes, where administrators
    say whose account is whose. It has to be something that nobody else ever gets. Accounts that users
    connected count in any case.
    """


class PasswordPolicy(ObjectSettings):
    """What passwords have to be, whether users choose them or administrators give them."""

    model_config = ConfigDict(extra="forbid")

    min_length: Annotated[int, Field(ge=8, le=24)] = 8
    """Characters at least. NIST SP 800-63B asks for 15 where a password alone signs users on."""
    max_length: Annotated[int, Field(ge=64, le=1024)] = 1024
    """Characters at most."""


Colour: TypeAlias = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$", to_lower=True)]


class Branding(ObjectSettings):
    """How the pages look on which users sign on, agree, and see what is theirs."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    """What stands above them and in their titles, instead of the environment's name."""
    logo: (
        Annotated[
            str,
            StringConstraints(
                max_length=32_768,
                pattern=r"^data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]{4,}={0,2}$",
            ),
        ]
        | None
    ) = None
    """A picture of at most 24 KB in PNG, JPEG or WebP, as a `data:` URL; shown 28 pixels high."""
    colour: Colour | None = None
    """Of buttons and links, `#rrggbb`. Refused where its contrast to what it stands on is below 4.5:1."""
    dark_colour: Colour | None = None
    """The same on dark pages, for those who prefer them."""


class EnvironmentSettings(ObjectSettings):
    """What can be set of an environment."""

    default_policy: Name = DEFAULT_POLICY
    """The policy of agents that name none."""
    default_language: Locale = "en"
    """The language of agreements that have no text in the user's language."""
    session_lifetime: Annotated[Seconds, Field(ge=60, le=30 * 86400)] = 12 * 3600
    """How long after signing on a user is not asked to sign on again.

    A number is seconds. Tokens that agents got meanwhile do not end with it; signing off ends them.
    """
    require_dpop_nonce: bool = False
    """Whether proofs of possession have to hold a nonce that the authority gave within the last two to four
    minutes (RFC 9449 section 8): they were not made in advance then, and the clocks of agents do not count.
    It costs an agent's first request one more.
    """
    session_idle_lifetime: Annotated[Seconds, Field(ge=60, le=30 * 86400)] = 2 * 3600
    """The same, counted from the last use of the session. A number is seconds."""
    activity_retention: Annotated[Seconds, Field(ge=3600, le=3650 * 86400)] = 90 * 86400
    """How long it can be searched what agents and users did, here and at gateways that deliver their records.

    A number is seconds. Audit files, the record of proof, are kept for as long as you keep them.
    """
    password_policy: PasswordPolicy = Field(default_factory=PasswordPolicy)
    """What a password has to be to be taken; those that users have already stay good. Passwords that became
    known elsewhere are refused where the server has a list of them (`--breached-passwords`).
    """
    branding: Branding = Field(default_factory=Branding)
    """How its pages look."""
    identity_providers: Annotated[tuple[IdentityProvider, ...], Field(max_length=16)] = ()
    """With whom users may sign on instead of here; policies say when."""
    trusted_issuers: Annotated[tuple[TrustedIssuer, ...], Field(max_length=16)] = ()
    """Whose signed word counts here besides the authority's own."""
