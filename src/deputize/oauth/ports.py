"""What grants and endpoints need of the store, each a narrow protocol; `authority.storage` implements them.

Every method is one transaction. Conditional writes return whether this caller won; a lost race is not an
error here.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from deputize.jose import IssuerKey
from deputize.oauth.records.store import (
    AuthorizationCode,
    Consent,
    Factor,
    FactorKind,
    Grant,
    RefreshToken,
    Session,
    TokenState,
    User,
    Wording,
)

if TYPE_CHECKING:
    # A gateway, which takes proofs of possession, reads no directory.
    from deputize.oauth.records.directory import Environment


class Codes(Protocol):
    """Authorization codes."""

    async def add_code(self, code: AuthorizationCode, grant: Grant) -> bool:
        """Remember a code and the grant it stands for; durable before this returns.

        False, and nothing changed, if there is a code with its digest.
        """
        ...

    async def find_code(self, digest: str) -> AuthorizationCode | None:
        """The code with that digest, redeemed or not, expired or not."""
        ...

    async def redeem_code(self, digest: str, now: float, refresh: RefreshToken | None) -> bool:
        """Mark the code redeemed if nobody did and it is in time, and start its refresh token.

        Durable before this returns.
        """
        ...


class Grants(Protocol):
    """What users authorized agents to do."""

    async def add_grant(self, grant: Grant, session: Session) -> None:
        """Remember a grant that no code stands for, with the session that it is of.

        Durable before this returns.
        """
        ...

    async def end_grant(self, grant_id: str, now: float) -> None:
        """End a grant: code, refresh token and every token that came of it are dead for good.

        Durable before this returns.
        """
        ...


class RefreshTokens(Protocol):
    """The refresh tokens of grants."""

    async def find_refresh_token(self, digest: str) -> RefreshToken | None:
        """The refresh token whose current or previous digest this is."""
        ...

    async def find_spent_grant(self, digest: str) -> str | None:
        """The id of the grant in which that digest was current two or more generations ago."""
        ...

    async def rotate_refresh_token(self, successor: RefreshToken) -> bool:
        """Make `successor` current if its grant has not ended and is at `successor.generation - 1`.

        Durable before this returns.
        """
        ...


class Revocations(Protocol):
    """Single access tokens that were revoked before they expired."""

    async def revoke_token(self, jti: str, kept_until: float) -> None:
        """Refuse that token and what came of it, for as long as any of them might live.

        Durable before this returns.
        """
        ...


class TokenStates(Protocol):
    """The state of everything a token rests on, in one read."""

    async def read_token_state(
        self, environment_id: str, grant_id: str | None, jtis: Collection[str]
    ) -> TokenState:
        """The grant with its user, session and consents, and which of the tokens were revoked, in one go."""
        ...


class Sessions(Protocol):
    """Sign-on sessions."""

    async def add_session(self, session: Session) -> None:
        """Remember a session."""
        ...

    async def find_session(self, environment_id: str, cookie_digest: str) -> Session | None:
        """The session a browser's cookie stands for, ended or not."""
        ...

    async def renew_session(self, session: Session, former: str | None = None) -> bool:
        """Give the session of that id a new cookie digest, sign-on time, expiry and factors.

        False if it ended, is of an earlier term, or no longer has the `former` cookie digest.
        """
        ...

    async def touch_session(self, session_id: str, now: float) -> None:
        """Remember that it was used now."""
        ...

    async def end_session(self, session_id: str, now: float) -> None:
        """End a session: every token and refresh token with that `sid` stops working.

        Durable before this returns.
        """
        ...


class Users(Protocol):
    """People."""

    async def find_user(self, environment_id: str, username: str) -> User | None:
        """The user with exactly that name."""
        ...

    async def find_user_by_id(self, environment_id: str, user_id: str) -> User | None:
        """The user with that id."""
        ...

    async def find_users_by_attribute(self, environment_id: str, name: str, value: str) -> tuple[User, ...]:
        """The users whose custom attribute `name` is exactly the text `value`."""
        ...


class Factors(Protocol):
    """What users have beside their passwords."""

    async def factors_of(self, environment_id: str, user_id: str) -> tuple[Factor, ...]:
        """All of a user, the oldest first."""
        ...

    async def find_factor(self, environment_id: str, kind: FactorKind, key: str) -> Factor | None:
        """The one of that kind with that key."""
        ...

    async def add_factor(self, factor: Factor, most: int) -> bool:
        """Remember a factor of a user who has fewer than `most` of its kind.

        False if they have as many, or somebody has one with its kind and key. Durable before this returns.
        """
        ...

    async def use_factor(self, factor: Factor, counter: int, now: float) -> bool:
        """Remember that it was used now, and its new counter.

        False if it is gone or no longer has the counter of `factor`: so of two who use one code, one wins.
        Durable before this returns.
        """
        ...

    async def remove_factor(self, factor: Factor) -> bool:
        """Forget it; false if it was forgotten already: so a recovery code counts once.

        Durable before this returns.
        """
        ...

    async def replace_recovery_codes(self, user: User, codes: Collection[Factor]) -> None:
        """Put these recovery codes in the place of all that the user has. Durable before this returns."""
        ...

    async def reset_factors(self, environment_id: str, user_id: str) -> int:
        """Forget all that the user has, and end their sessions and what rests on them; how many there were.

        Durable before this returns.
        """
        ...


class Consents(Protocol):
    """Recorded acceptances."""

    async def consents_of(self, environment_id: str, user_id: str) -> tuple[Consent, ...]:
        """The latest consent per agent and agreement, withdrawn and expired ones included."""
        ...

    async def record_consent(
        self, consent: Consent, previous: Consent | None, wording: Wording | None = None
    ) -> bool:
        """Put `consent` in the place of `previous`, which was read before; durable before this returns.

        That it was given is kept as an `Acceptance`, with the words that the user said yes to.

        False, and nothing is written, if `previous` is no longer the user's latest for that agent and
        agreement: it was withdrawn, in whole or for one of its agents, or another page was faster. So nothing
        withdrawn comes back, and no coverage is lost.
        """
        ...

    async def withdraw_consents(
        self, environment_id: str, user_id: str, client_id: str, now: float, by: str | None = None
    ) -> None:
        """Withdraw what the user agreed to for that agent, and its part in what they agreed to for others.

        `by` is kept as `Consent.withdrawn_by`. Every token about the user in which it has a part stops
        working for good. Durable before this returns.
        """
        ...


@dataclass(frozen=True, slots=True)
class Throttle:
    """How often a password may be wrong, and how long the next attempt then waits; in seconds."""

    free: int
    """The failure with this number is the first after which one waits."""
    first_wait: float
    """Doubled with each further failure."""
    longest_wait: float
    memory: float
    """Failures are forgotten so long after the first of them, and not while one has to wait.

    A few now and then never add up.
    """

    def wait(self, failures: int) -> float:
        """How long to wait after so many failures."""
        return (
            0.0
            if failures < self.free
            else min(self.first_wait * 2.0 ** min(failures - self.free, 64), self.longest_wait)
        )


class SignOnFailures(Protocol):
    """Wrong passwords, counted by environment, name typed and source of the attempt.

    The name counts whether or not a user has it. A source is any text; each has a throttle of its own.
    """

    async def begin_attempt(
        self, environment_id: str, username: str, throttles: Mapping[str, Throttle], now: float
    ) -> float | None:
        """Count an attempt as a failure of each source, or say until when one of them has to wait.

        Where one has to wait, nothing is counted. Call this before the password is checked, so that parallel
        guesses gain nothing.
        """
        ...

    async def take_back_attempt(
        self, environment_id: str, username: str, throttles: Mapping[str, Throttle]
    ) -> None:
        """Uncount an attempt that was not made after all."""
        ...

    async def forget_attempts(self, environment_id: str, username: str, sources: Collection[str]) -> None:
        """Forget what those sources did wrong."""
        ...

    async def clear_failures(self, environment_id: str, username: str) -> None:
        """Forget what anybody did wrong with that name."""
        ...


class OneTimeIds(Protocol):
    """Ids that count once: of assertions and of proofs of possession."""

    async def use(self, environment_id: str, purpose: str, id_digest: str, kept_until: float) -> bool:
        """Use up an id: true for one caller, false for everybody after. Durable before this returns.

        `purpose` (such as `private_key_jwt`, 32 characters at most) tells apart what is numbered by
        different parties; `id_digest` is the hex SHA-256 of the id and of whatever else it is unique
        within, such as its issuer. It is remembered until `kept_until`, in seconds since the epoch: no sooner
        than nobody would take it any more, differences between clocks included.
        """
        ...


class ClientDocuments(Protocol):
    """What clients publish about themselves, fetched where they say."""

    async def introduced(self, environment: "Environment", client_id: str) -> "Environment":
        """The environment with the agent of the client ID metadata document at `client_id`, as it says now.

        The environment as it is where the id is no URL, or no documents are taken. Raises
        `InvalidClientDocument`, and `TemporarilyUnavailable` where the host does not answer.
        """
        ...

    async def keys_of(self, jwks_uri: str, *, newer: bool = False) -> tuple[IssuerKey, ...]:
        """The keys at `jwks_uri`; with `newer` fetched again unless they just were.

        That is for a signature by a key that they lack. Raises `InvalidClient`, and
        `TemporarilyUnavailable` where the host does not answer.
        """
        ...


class ServerKeys(Protocol):
    """Random keys that one environment's servers share: made when first asked for, never changed."""

    async def server_key(self, environment_id: str, purpose: str) -> bytes:
        """The 256-bit key for `purpose` (such as `refresh-token` or `cookie`), as URL-safe text in bytes."""
        ...
