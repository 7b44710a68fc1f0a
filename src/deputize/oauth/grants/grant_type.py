"""The shape of a grant, and what all of them check and answer alike."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from deputize.kernel.uris import is_same_resource
from deputize.oauth.access_tokens import AccessToken
from deputize.oauth.errors import InvalidTarget
from deputize.oauth.parameters import values_of
from deputize.oauth.records.directory import Resource
from deputize.oauth.token_request import GrantPorts, TokenRequest, TokenResponse

Handle: TypeAlias = Callable[[TokenRequest, GrantPorts], Awaitable[TokenResponse]]


@dataclass(frozen=True, slots=True)
class GrantType:
    """A way to get tokens: the `grant_type` on the wire, and the function that answers.

    It raises `OAuthError`s.
    """

    grant_type: str
    handle: Handle


def expires_at(resource: Resource, now: float) -> int:
    """When a token for `resource` issued now expires, in seconds since the epoch."""
    return int(now) + resource.token_lifetime


def check_same_target(request: TokenRequest, resource: Resource) -> None:
    """A `resource` repeated at redemption must be the one that was authorized (RFC 8707 section 2.2)."""
    for name in ("resource", "audience"):
        if not all(
            is_same_resource(value, resource.audience) for value in values_of(request.parameters, name)
        ):
            raise InvalidTarget(f"{name} is not {resource.audience!r}, which was authorized")


def response_of(access: AccessToken, scope: str | None = None) -> TokenResponse:
    """The answer with just an access token.

    `scope` where more was granted than the token lists (OpenID scopes).
    """
    granted = scope if scope is not None else str(access.claims["scope"])
    return TokenResponse(access.token, access.lifetime, granted, access.claims, notes=access.notes)
