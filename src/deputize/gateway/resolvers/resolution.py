"""What an access-token resolver answers: a valid token and its claims, or why the token is rejected.

That nobody can say is neither: it is raised as an `AuthorityError`.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from deputize.gateway.exchange.contexts import OAuth2Context
from deputize.http.exchange import Exchange


@dataclass(frozen=True, slots=True)
class RejectedToken:
    """The token is not valid."""

    reason: str
    """Why, for the log and the audit; never for the client."""


@runtime_checkable
class AccessTokenResolver(Protocol):
    """Finds out whether a token is valid and what it says."""

    def resolve(self, token: str, exchange: Exchange) -> Awaitable[OAuth2Context | RejectedToken]:
        """Find out what `token`, presented in `exchange`, is worth now. Raises `AuthorityError`."""
        ...
