"""Contexts: what filters and handlers leave at an exchange, for those after them, expressions and audit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol, TypeAlias, runtime_checkable

from deputize.audit.records import RouteIdentity, Subject
from deputize.kernel.uris import Origin, Target
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.delegation import actors_of

_UNNAMED: Final = "?"
"""Stands for an actor whose `sub` is missing."""
Shape: TypeAlias = Mapping[str, "Shape | None"]
"""The names that can be read below a name; `None` where any can."""


@runtime_checkable
class BoundContext(Protocol):
    """A context that expressions read as `contexts.<binding_name>`.

    The heap type that leaves it lists the class in its `contexts`; a class attribute `binding_shape` may say
    which members there are.
    """

    binding_name: ClassVar[str]

    def as_binding(self) -> Mapping[str, object]:
        """Members as JSON values or (lazy) mappings of them."""
        ...


@dataclass(slots=True)
class RouterContext:
    """Left by the router: the route that was chosen, and the URI as received, before any filter changed it.

    Not to be changed.
    """

    binding_name: ClassVar[str] = "router"
    binding_shape: ClassVar[Shape] = {"originalUri": None}
    route: RouteIdentity
    original_origin: Origin | None
    original_target: Target

    @property
    def original_uri(self) -> str:
        """The absolute URI as received; only the target when the request named no host."""
        return f"{self.original_origin or ''}{self.original_target}"

    def as_binding(self) -> Mapping[str, object]:
        """`originalUri`."""
        return {"originalUri": self.original_uri}


@dataclass(slots=True)
class AttributesContext:
    """A scratch map for one request, read by expressions as `attributes`."""

    binding_name: ClassVar[str] = "attributes"
    attributes: dict[str, object] = field(default_factory=dict[str, object])

    def as_binding(self) -> Mapping[str, object]:
        """The map itself."""
        return self.attributes


@dataclass(frozen=True, slots=True, eq=False)
class OAuth2Context:
    """An access token that was found valid, and what is known about it; `contexts.oauth2` in expressions."""

    binding_name: ClassVar[str] = "oauth2"
    binding_shape: ClassVar[Shape] = {
        "accessToken": {"token": None, "scopes": None, "expiresAt": None, "info": None}
    }
    token: str = field(repr=False)
    scopes: frozenset[str]
    expires_at: float | None
    """Seconds since the epoch; `None` when the token says nothing about it."""
    info: JsonObject
    """All claims, or all members of the introspection answer."""
    subject: Subject
    """Who it speaks for and through whom, for audit."""
    accepted_by: set[object] = field(default_factory=set[object], repr=False)
    """The filters that have found it fit for their resource.

    That depends on the token alone, so each looks once.
    """

    @property
    def actor(self) -> str | None:
        """The `act.sub` of the agent that acts for the user now; `None` where the token names none."""
        act = self.subject.act
        return act[0] if act and act[0] != _UNNAMED else None

    def as_binding(self) -> Mapping[str, object]:
        """`accessToken` with `token`, `scopes`, `expiresAt` and `info`."""
        return {
            "accessToken": {
                "token": self.token,
                "scopes": sorted(self.scopes),
                "expiresAt": self.expires_at,
                "info": self.info,
            }
        }


def read_claims(token: str, info: JsonObject, expires_at: float | None) -> OAuth2Context:
    """The context for a valid `token` with the claims `info`."""
    scopes = _scopes_of(info)
    subject = Subject(
        _text(info.get("sub")),
        tuple(_text(actor.get("sub")) or _UNNAMED for actor in actors_of(info.get("act"))),
        _text(info.get("client_id")) or _text(info.get("azp")),
        tuple(sorted(scopes)),
        _text(info.get("jti")),
    )
    return OAuth2Context(token, scopes, expires_at, info, subject)


def _scopes_of(info: JsonObject) -> frozenset[str]:
    """Return `scope` (RFC 9068 section 2.2.3), which some servers write as a list, and some as `scp`."""
    scope = info.get("scope", info.get("scp"))
    texts = scope if isinstance(scope, list | tuple) else [scope]
    return frozenset(part for text in texts if isinstance(text, str) for part in text.split(" ") if part)


@dataclass(frozen=True, slots=True)
class RefusalContext:
    """Left by a filter that answers instead of passing on; `contexts.oauth2Failure` in expressions."""

    binding_name: ClassVar[str] = "oauth2Failure"
    binding_shape: ClassVar[Shape] = {"error": None, "description": None}
    error: str
    """A short code such as `invalid_token`."""
    reason: str
    """For the operator: why exactly. Never holds a token or arguments."""

    def as_binding(self) -> Mapping[str, object]:
        """`error` and `description`."""
        return {"error": self.error, "description": self.reason}


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """What policies have decided about a call; `contexts.policy` in expressions, never for the client."""

    binding_name: ClassVar[str] = "policy"
    binding_shape: ClassVar[Shape] = {"effect": None, "rules": None, "dryRun": None}
    effect: str
    """`permit`, `deny` or `ask`."""
    rules: tuple[str, ...]
    """The names of the rules that decided."""
    is_dry_run: bool
    """Whether the call went on all the same."""

    def __str__(self) -> str:
        """What the record says."""
        names = ", ".join(self.rules) or "no rule"
        return f"dry run, would {self.effect}: {names}" if self.is_dry_run else f"{self.effect}: {names}"

    def as_binding(self) -> Mapping[str, object]:
        """`effect`, `rules` and `dryRun`."""
        return {"effect": self.effect, "rules": list(self.rules), "dryRun": self.is_dry_run}


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None
