"""A case: what the doctor was told, what checks have learned so far, and what has to be given back."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import quote_plus

from deputize.diagnosis import causes
from deputize.diagnosis.browser import Browser
from deputize.diagnosis.findings import Found, NotTried
from deputize.diagnosis.web import ReadAnswer, Web, keeps_secrets, place_of
from deputize.http.messages import Field
from deputize.jose import IssuerKey, TokenInvalid, parse_compact
from deputize.kernel.clock import Clock
from deputize.kernel.uris import Origin, UriError, parse_origin
from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.challenge import Challenge

MAX_TOKEN: Final = 64 * 1024
"""Characters of a token, and of its header."""


REDIRECT_URI: Final = "http://localhost:3000/callback"
AGENT_SCOPE: Final = "agent"
AGENT_AUDIENCE: Final = "agent"
"""What the use case calls them."""


class KnownSecret(NamedTuple):
    """An id and a secret of a client or a resource."""

    id: str
    secret: str

    def __repr__(self) -> str:
        """Write it without the secret, as errors may show it."""
        return f"KnownSecret({self.id!r})"

    def basic(self, *, encoded: bool = True) -> Field:
        """Return the Basic header; `encoded` as RFC 6749 section 2.3.1 wants it, else as RFC 7617 does."""
        pair = [quote_plus(each) if encoded else each for each in self]
        return (b"Authorization", b"Basic " + b64encode(":".join(pair).encode()))

    @property
    def depends_on_encoding(self) -> bool:
        """Whether the two ways to write a Basic header differ."""
        return self.basic() != self.basic(encoded=False)


@dataclass(frozen=True, slots=True)
class Options:
    """What the doctor was told."""

    issuer: str
    """The authority's."""
    gateway_url: str
    """The MCP server's address, as clients are given it."""
    client: KnownSecret | None = None
    """The agent's."""
    user: KnownSecret | None = None
    """Name and password of a user who signs on without a browser."""
    resource: KnownSecret | None = None
    """With which the gateway introspects."""
    redirect_uri: str = REDIRECT_URI
    agent_scope: str = AGENT_SCOPE
    """Scope of subject and actor token."""
    agent_audience: str = AGENT_AUDIENCE
    """Audience of subject and actor token."""
    scopes: tuple[str, ...] = ()
    """Of the token for the MCP server; empty: those that the gateway asks for."""
    admin_url: str | None = None
    """The gateway's administration endpoint."""
    accepts: bool = False
    """Whether the doctor agrees for the user where the agreement is due."""
    browser: bool = False
    """Whether a person signs on in a browser."""
    patience: float = 5.0
    """Seconds within which an event stream has to begin."""
    tolerance: float = 30.0
    """Seconds by which clocks may differ."""


class ObtainedToken(NamedTuple):
    """A token that the doctor got, and what it says."""

    value: str
    claims: JsonObject

    def __repr__(self) -> str:
        """Write it without the token."""
        return "ObtainedToken()"

    def tell(self, *names: str) -> tuple[str, ...]:
        """Show claims: never the token."""
        return tuple(f"{name} = {self.claims.get(name)!r}" for name in names)


@dataclass(slots=True)
class Case:
    """What is known so far."""

    options: Options
    web: Web
    clock: Clock
    say: Callable[[str], None]
    """Tells the person at the terminal what to do."""
    browser: Browser
    challenge: Challenge | None = None
    resource: str = ""
    """The gateway's resource, as its metadata says."""
    scopes: tuple[str, ...] = ()
    """Of the MCP token."""
    endpoints: JsonObject = field(default_factory=dict[str, JsonValue])
    """The authority's metadata."""
    keys: tuple[IssuerKey, ...] = ()
    """That verify the authority's tokens."""
    unasked: ReadAnswer | None = None
    """What the gateway answers to a call without a token."""
    dates: dict[str, float] = field(default_factory=dict[str, float])
    """What time each program said it was."""
    actor: ObtainedToken | None = None
    subject: ObtainedToken | None = None
    exchanged: ObtainedToken | None = None
    consented: bool = False
    """Whether the user was shown the agreement and accepted it now."""
    strips_authorization: bool = False
    """Whether a proxy in front of the authority does."""
    secret_works: bool = False
    """Whether the resource's credentials are right, form-encoded."""
    plain_secret_works: bool = False
    """And written as they are."""
    signed_on_at: float = 0.0
    """When the user signed on, in seconds since the epoch."""
    session: str = ""
    """Of the MCP server."""
    protocol: str = ""
    """The version of MCP that it chose."""
    obtained: list[str] = field(default_factory=list[str])
    """Tokens to revoke in the end."""

    @property
    def agent(self) -> KnownSecret:
        """The agent's credentials. Raises `NotTried`."""
        if self.options.client is None:
            raise NotTried("give --client-id and --client-secret-file")
        return self.options.client

    @property
    def wanted_scope(self) -> str:
        """The scope of the MCP token."""
        return " ".join(self.options.scopes or self.scopes)

    def endpoint(self, name: str) -> str:
        """Return an endpoint of the authority's metadata.

        Raises `Found` where it is missing, elsewhere than the issuer, or nothing secret may be sent there.
        """
        url = self.endpoints.get(name)
        if not isinstance(url, str):
            reason = f"its metadata has no {name}"
            raise Found(causes.REQUEST_REFUSED, answer=reason)
        expected, origin = parse_origin(self.options.issuer), origin_of(url)
        if origin != expected:
            raise Found(
                causes.AUTHORITY_BASE_URL,
                (f"{name} = {place_of(url)}",),
                origin=str(expected),
                named=place_of(url),
            )
        if not keeps_secrets(expected):
            raise Found(causes.CLEAR_TEXT, url=place_of(url))
        return url

    async def ask_token(self, parameters: Mapping[str, str]) -> ReadAnswer:
        """Send a token request of the agent."""
        return await self.web.post(self.endpoint("token_endpoint"), parameters, (self.agent.basic(), _JSON))

    def take(self, answer: ReadAnswer) -> ObtainedToken:
        """Read the token in a successful answer, and remember to revoke it.

        Raises `Found` where it is none that can be read.
        """
        members = answer.members
        value, refresh = members.get("access_token"), members.get("refresh_token")
        if not isinstance(value, str):
            raise Found(causes.REQUEST_REFUSED, answer=f"{answer.status} without an access_token")
        self.obtained += [each for each in (refresh, value) if isinstance(each, str)]
        try:
            claims = parse_compact(value, MAX_TOKEN, MAX_TOKEN).claims()
        except TokenInvalid as error:
            raise Found(causes.TOKEN_NOT_VERIFIED, reason=f"it is no JWT: {error.reason}") from error
        return ObtainedToken(value, claims)


_JSON: Final[Field] = (b"Accept", b"application/json")


def origin_of(url: str) -> Origin | None:
    """Return the origin of a URL; `None` where it has none."""
    try:
        return parse_origin(url)
    except UriError:
        return None


def words(value: JsonValue) -> tuple[str, ...]:
    """Return the texts in a list of JSON; a text alone stands for a list of one."""
    listed = value if isinstance(value, list) else [value]
    return tuple(each for each in listed if isinstance(each, str))
