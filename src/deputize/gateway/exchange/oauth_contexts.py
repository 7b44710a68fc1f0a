"""What the OAuth filters learn about an exchange, for filters, expressions and audit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from deputize.audit.records import Subject
from deputize.gateway.exchange.contexts import Shape
from deputize.kernel.values import JsonObject, JsonValue

_MAX_ACTORS: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class AccessToken:
    """A token that was found valid, and what is known about it.

    As a context, expressions read it as `contexts.oauth2`.
    """

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

    That depends on the token alone, so they look once.
    """

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


@dataclass(frozen=True, slots=True)
class RefusalContext:
    """Left by a filter that answers instead of passing on, read by expressions as
    `contexts.oauth2Failure`.
    """

    binding_name: ClassVar[str] = "oauth2Failure"
    binding_shape: ClassVar[Shape] = {"error": None, "description": None}
    error: str
    """A short code such as `invalid_token`."""
    reason: str
    """For the operator: why exactly. Never holds a token or arguments."""

    def as_binding(self) -> Mapping[str, object]:
        """`error` and `description`."""
        return {"error": self.error, "description": self.reason}


def access_token(token: str, info: JsonObject, expires_at: float | None) -> AccessToken:
    """What a valid token with these claims means."""
    scope = info.get("scope")
    scopes = frozenset(filter(None, scope.split(" "))) if isinstance(scope, str) else frozenset[str]()
    return AccessToken(token, scopes, expires_at, info, _subject(info, scopes))


def _subject(info: JsonObject, scopes: frozenset[str]) -> Subject:
    return Subject(
        _text(info.get("sub")),
        _actors(info.get("act")),
        _text(info.get("client_id")),
        tuple(sorted(scopes)),
        _text(info.get("jti")),
    )


def _actors(act: JsonValue) -> tuple[str, ...]:
    """The chain of actors, the one acting now first (RFC 8693 section 4.1)."""
    actors: list[str] = []
    while isinstance(act, Mapping) and len(actors) < _MAX_ACTORS:
        actors.append(_text(act.get("sub")) or "?")
        act = act.get("act")
    return tuple(actors)


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None
