"""What an access-token resolver answers: a valid token and its claims, or why the token is rejected.

That nobody can say is neither: it is raised.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from deputize.gateway.exchange.contexts import OAuth2Context
from deputize.http.exchange import Exchange
from deputize.kernel.errors import DeputizeError


@dataclass(frozen=True, slots=True)
class RejectedToken:
    """The token is not valid."""

    reason: str
    """Why, for the log and the audit; never for the client."""


class ResolutionError(DeputizeError):
    """Nobody knows whether the token is valid; says what the operator has to look at."""

    def __init__(self, status: int, reason: str) -> None:
        """`status` is what the client is answered.

        502 when the authorization server refuses us or answers nonsense, 503 when it cannot be asked.
        """
        self.status = status
        self.reason = reason
        super().__init__(reason)


@runtime_checkable
class AccessTokenResolver(Protocol):
    """Finds out whether a token is valid and what it says."""

    def resolve(self, token: str, exchange: Exchange) -> Awaitable[OAuth2Context | RejectedToken]:
        """Find out what `token`, presented in `exchange`, is worth now. Raises `ResolutionError`."""
        ...
