"""The store's ports in memory, with the real semantics: conditional writes, grants, revocations.

`gate` is awaited before every call, so that a test decides in which order concurrent requests reach the
store.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

from deputize.oauth.records.store import (
    AuthorizationCode,
    Consent,
    Grant,
    RefreshToken,
    Session,
    TokenState,
    User,
)


async def _open() -> None:
    return None


class MemoryStore:
    """Codes, grants, tokens, revocations, sessions, users and consents of any number of environments."""

    def __init__(self, gate: Callable[[], Awaitable[None]] = _open) -> None:
        self.gate = gate
        self.users: dict[str, User] = {}
        self.sessions: dict[str, Session] = {}
        self.consents: dict[str, Consent] = {}
        """By id."""
        self.grants: dict[str, Grant] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.redeemed: set[str] = set()
        self.refresh_tokens: dict[str, RefreshToken] = {}
        """By grant id."""
        self.spent: dict[str, str] = {}
        self.revoked: set[str] = set()
        self.used: set[tuple[str, str, str]] = set()
        self.calls = 0

    async def _enter(self) -> None:
        self.calls += 1
        await self.gate()

    async def add_code(self, code: AuthorizationCode, grant: Grant) -> bool:
        await self._enter()
        if code.digest in self.codes:
            return False
        self.grants[grant.id] = grant
        self.codes[code.digest] = code
        return True

    async def add_grant(self, grant: Grant, session: Session) -> None:
        await self._enter()
        self.sessions[session.id] = session
        self.grants[grant.id] = grant

    async def consents_of(self, environment_id: str, user_id: str) -> tuple[Consent, ...]:
        await self._enter()
        return tuple(each for each in self.consents.values() if each.user_id == user_id)

    async def _users_where(self, is_wanted: Callable[[User], bool]) -> tuple[User, ...]:
        await self._enter()
        return tuple(each for each in self.users.values() if is_wanted(each))

    async def find_user(self, environment_id: str, username: str) -> User | None:
        return next(iter(await self._users_where(lambda user: user.username == username)), None)

    async def find_user_by_id(self, environment_id: str, user_id: str) -> User | None:
        return next(iter(await self._users_where(lambda user: user.id == user_id)), None)

    async def find_users_by_attribute(self, environment_id: str, name: str, value: str) -> tuple[User, ...]:
        return await self._users_where(lambda user: (user.attributes or {}).get(name) == value)

    async def find_code(self, digest: str) -> AuthorizationCode | None:
        await self._enter()
        return self.codes.get(digest)

    async def redeem_code(self, digest: str, now: float, refresh: RefreshToken | None) -> bool:
        await self._enter()
        if digest in self.redeemed:
            return False
        self.redeemed.add(digest)
        if refresh:
            self.refresh_tokens[refresh.grant_id] = refresh
        return True

    async def end_grant(self, grant_id: str, now: float) -> None:
        await self._enter()
        grant = self.grants[grant_id]
        if grant.ended_at is None:
            self.grants[grant_id] = replace(grant, ended_at=now)

    async def find_refresh_token(self, digest: str) -> RefreshToken | None:
        await self._enter()
        return next(
            (each for each in self.refresh_tokens.values() if digest in {each.digest, each.previous_digest}),
            None,
        )

    async def find_spent_grant(self, digest: str) -> str | None:
        await self._enter()
        return self.spent.get(digest)

    async def rotate_refresh_token(self, successor: RefreshToken) -> bool:
        await self._enter()
        current = self.refresh_tokens[successor.grant_id]
        if (
            self.grants[successor.grant_id].ended_at is not None
            or current.generation != successor.generation - 1
        ):
            return False
        if current.previous_digest:
            self.spent[current.previous_digest] = current.grant_id
        self.refresh_tokens[successor.grant_id] = successor
        return True

    async def revoke_token(self, jti: str, kept_until: float) -> None:
        await self._enter()
        self.revoked.add(jti)

    async def use(self, environment_id: str, purpose: str, id_digest: str, kept_until: float) -> bool:
        await self._enter()
        key = (environment_id, purpose, id_digest)
        if key in self.used:
            return False
        self.used.add(key)
        return True

    async def read_token_state(
        self, environment_id: str, grant_id: str | None, jtis: Collection[str]
    ) -> TokenState:
        await self._enter()
        revoked = frozenset(self.revoked.intersection(jtis))
        grant = self.grants.get(grant_id or "")
        if grant is None or grant.environment_id != environment_id:
            return TokenState(None, None, None, (), revoked)
        who = grant.authentication
        consents = [
            each
            for each in self.consents.values()
            if (each.user_id, each.client_id) == (who.user_id, grant.client_id)
        ]
        return TokenState(
            grant, self.users.get(who.user_id), self.sessions.get(who.session_id), tuple(consents), revoked
        )
