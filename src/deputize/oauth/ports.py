"""What grants and endpoints need of the store, each as a narrow protocol; `authority.storage` implements them all.

Every method is one transaction. Conditional writes return whether this caller won; a lost race is not an error here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from deputize.oauth.records.store import AuthorizationCode, Consent, RefreshToken, Session, Standing, User


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token as far as it has to be revocable later: its `jti` and its expiry in seconds since the epoch."""

    jti: str
    expires_at: int


class Codes(Protocol):
    """Authorization codes."""

    async def add_code(self, code: AuthorizationCode) -> bool:
        """Remember a code; durable before this returns. False, and nothing changed, if there is one with its digest."""
        ...

    async def find_code(self, digest: str) -> AuthorizationCode | None:
        """The code with that digest, redeemed or not, expired or not."""
        ...

    async def redeem_code(self, digest: str, now: float, issued: IssuedToken, refresh: RefreshToken | None) -> bool:
        """Mark the code redeemed if nobody did, and keep what was issued for it. Durable before this returns."""
        ...


class RefreshTokens(Protocol):
    """Refresh token families."""

    async def find_refresh_token(self, digest: str) -> RefreshToken | None:
        """The family whose current or previous digest this is."""
        ...

    async def find_replayed_family(self, digest: str) -> str | None:
        """The id of the family in which that digest was current two or more generations ago."""
        ...

    async def rotate_refresh_token(self, successor: RefreshToken, issued: IssuedToken) -> bool:
        """Make `successor` current if its family still is at `successor.generation - 1` and not revoked. Durable."""
        ...

    async def record_issued(self, family_id: str, issued: IssuedToken) -> bool:
        """Remember one more access token of a family; false if the family was revoked meanwhile."""
        ...

    async def revoke_family(self, family_id: str, now: float) -> None:
        """End the family's refresh token and every access token remembered for it (also those of its code)."""
        ...


class Revocations(Protocol):
    """Single access tokens that were revoked before they expired."""

    async def revoke_token(self, issued: IssuedToken) -> None:
        """Refuse that token from now until it expires. Durable before this returns."""
        ...


class Standings(Protocol):
    """One read of everything a token rests on."""

    async def standing(
        self, environment_id: str, user_id: str | None, session_id: str | None, agreements: Collection[str], jtis: Collection[str]
    ) -> Standing:
        """User, session, consents and revocations in one go; absent ones are `None` or left out."""
        ...


class Sessions(Protocol):
    """Sign-on sessions."""

    async def add_session(self, session: Session) -> None:
        """Remember a session."""
        ...

    async def find_session(self, environment_id: str, cookie_digest: str) -> Session | None:
        """The session a browser's cookie stands for, ended or not."""
        ...

    async def renew_session(self, session: Session) -> bool:
        """Give the session of that id, unless it ended, the new cookie digest, sign-on time and expiry; false if it ended."""
        ...

    async def end_session(self, session_id: str, now: float) -> None:
        """End a session: every token and refresh token with that `sid` stops working. Durable before this returns."""
        ...


class Users(Protocol):
    """People."""

    async def find_user(self, environment_id: str, username: str) -> User | None:
        """The user with exactly that name."""
        ...

    async def find_user_by_id(self, environment_id: str, user_id: str) -> User | None:
        """The user with that id."""
        ...


class Consents(Protocol):
    """Recorded acceptances."""

    async def consents_of(self, environment_id: str, user_id: str) -> tuple[Consent, ...]:
        """The latest consent per agreement, withdrawn and expired ones included."""
        ...

    async def record_consent(self, consent: Consent) -> None:
        """Replace the user's consent to that agreement. Durable before this returns."""
        ...

    async def withdraw_consent(self, environment_id: str, user_id: str, agreement_id: str, now: float) -> bool:
        """Withdraw it; tokens that rest on it stop working. False if there was none alive."""
        ...


@dataclass(frozen=True, slots=True)
class Lockout:
    """How many wrong passwords in a row lock a username, and for how many seconds."""

    failures: int = 6
    seconds: float = 900.0


class SignOnFailures(Protocol):
    """Wrong passwords, counted by environment and by the name typed, whether or not a user has it."""

    async def record_failure(self, environment_id: str, username: str, now: float, lockout: Lockout) -> None:
        """Count one more. Failures older than `lockout.seconds` are forgotten; the last allowed one locks."""
        ...

    async def clear_failures(self, environment_id: str, username: str) -> None:
        """Forget them all, and unlock."""
        ...

    async def locked_until(self, environment_id: str, username: str, now: float) -> float | None:
        """When the name may try again, or `None` if it may now."""
        ...


class ServerKeys(Protocol):
    """Random keys that one environment's servers share: made when first asked for, the same ever after."""

    async def server_key(self, environment_id: str, purpose: str) -> bytes:
        """The 256-bit key for `purpose` (such as `refresh-token` or `cookie`), as URL-safe text in bytes."""
        ...
