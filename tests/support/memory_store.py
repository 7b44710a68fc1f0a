"""The store's ports in memory, with the real semantics: conditional writes, families, revocations.

`gate` is awaited before every call, so that a test decides in which order concurrent requests reach the store.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

from deputize.oauth.ports import IssuedToken
from deputize.oauth.records.store import AuthorizationCode, Consent, RefreshToken, Session, Standing, User


async def _open() -> None:
    return None


class MemoryStore:
    """Codes, refresh tokens, revocations, standings, sessions, users and consents of any number of environments."""

    def __init__(self, gate: Callable[[], Awaitable[None]] = _open) -> None:
        self.gate = gate
        self.users: dict[str, User] = {}
        self.sessions: dict[str, Session] = {}
        self.consents: dict[tuple[str, str], Consent] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.redeemed: set[str] = set()
        self.families: dict[str, RefreshToken] = {}
        self.spent: dict[str, str] = {}
        self.issued: dict[str, set[str]] = {}
        self.revoked: set[str] = set()
        self.calls = 0

    async def _enter(self) -> None:
        self.calls += 1
        await self.gate()

    async def add_code(self, code: AuthorizationCode) -> bool:
        await self._enter()
        return self.codes.setdefault(code.digest, code) is code

    async def find_code(self, digest: str) -> AuthorizationCode | None:
        await self._enter()
        return self.codes.get(digest)

    async def redeem_code(self, digest: str, now: float, issued: IssuedToken, refresh: RefreshToken | None) -> bool:
        await self._enter()
        if digest in self.redeemed:
            return False
        self.redeemed.add(digest)
        self._remember(self.codes[digest].family_id, issued)
        if refresh:
            self.families[refresh.family_id] = refresh
        return True

    async def find_refresh_token(self, digest: str) -> RefreshToken | None:
        await self._enter()
        return next((each for each in self.families.values() if digest in {each.digest, each.previous_digest}), None)

    async def find_replayed_family(self, digest: str) -> str | None:
        await self._enter()
        return self.spent.get(digest)

    async def rotate_refresh_token(self, successor: RefreshToken, issued: IssuedToken) -> bool:
        await self._enter()
        family = self.families.get(successor.family_id)
        if family is None or family.revoked_at is not None or family.generation != successor.generation - 1:
            return False
        if family.previous_digest:
            self.spent[family.previous_digest] = family.family_id
        self.families[successor.family_id] = successor
        self._remember(successor.family_id, issued)
        return True

    async def record_issued(self, family_id: str, issued: IssuedToken) -> bool:
        await self._enter()
        family = self.families.get(family_id)
        if family is None or family.revoked_at is not None:
            return False
        self._remember(family_id, issued)
        return True

    async def revoke_family(self, family_id: str, now: float) -> None:
        await self._enter()
        family = self.families.get(family_id)
        if family and family.revoked_at is None:
            self.families[family_id] = replace(family, revoked_at=now)
        self.revoked |= self.issued.get(family_id, set())

    async def revoke_token(self, issued: IssuedToken) -> None:
        await self._enter()
        self.revoked.add(issued.jti)

    async def standing(
        self, environment_id: str, user_id: str | None, session_id: str | None, agreements: Collection[str], jtis: Collection[str]
    ) -> Standing:
        await self._enter()
        user, session = self.users.get(user_id or ""), self.sessions.get(session_id or "")
        return Standing(
            user=user if user and user.environment_id == environment_id else None,
            session=session if session and session.environment_id == environment_id else None,
            consents=tuple(found for each in agreements if (found := self.consents.get((user_id or "", each)))),
            revoked=frozenset(self.revoked.intersection(jtis)),
        )

    def _remember(self, family_id: str, issued: IssuedToken) -> None:
        self.issued.setdefault(family_id, set()).add(issued.jti)
