"""The gateway at a token endpoint: it asks for tokens for the servers behind it (RFC 6749, RFC 8693)."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

from deputize.gateway.authorities.endpoint import AuthorityAnswer, AuthorityEndpoint, AuthorityError
from deputize.gateway.authorities.leased import Leased, LeasedMemory
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Amend, Plan, Prepare
from deputize.kernel.clock import Clock
from deputize.kernel.values import JsonObject
from deputize.mcp.challenge import TOKEN68

Form = Sequence[tuple[str, str]]
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
_TOKEN: Final = re.compile(TOKEN68)
_MAX_TOKEN: Final = 16 * 1024
_REMEMBERED: Final = 10_000
_SECONDS: Final = 60.0
"""How long a token is used that does not say how long it lives."""
_EARLY_SECONDS: Final = 30.0
"""How long before its end a token is not used any more, or a tenth of its time if that is less."""
_DOUBT_SECONDS: Final = 10.0
"""A token that is younger is not given up because a server does not like it: another would not help."""
_ABOUT_THE_SUBJECT: Final = frozenset({"invalid_grant", "invalid_request", "invalid_scope", "access_denied"})
"""Errors by which an exchange is refused for this subject, not for the gateway (RFC 8693 section 2.2.2)."""


class SubjectRefused(AuthorityError):
    """The authorization server issues no token for this subject."""

    def __init__(self, error: str, reason: str) -> None:
        """`error` is the server's code."""
        self.error = error
        super().__init__(403, reason)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token that the gateway was issued."""

    token: str = field(repr=False)
    kind: str
    """A token type URN (RFC 8693 section 3)."""
    scopes: frozenset[str]
    issued_at: float
    """Seconds since the epoch."""
    lifetime: float
    """Seconds."""


class TokenEndpoint:
    """Asks for tokens, once at a time for the same; uses each until shortly before its end."""

    def __init__(self, endpoint: AuthorityEndpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._memory: LeasedMemory[IssuedToken] = LeasedMemory(clock, _REMEMBERED)

    def recall(self, form: Form) -> Leased[IssuedToken] | None:
        """Return the token that such a request was answered with, while it is good."""
        return self._memory.recall(_key(form))

    async def obtain(
        self, form: Form, exchange: Exchange, more: Callable[[], Awaitable[Form]] | None = None
    ) -> Leased[IssuedToken]:
        """Return a token for `form`, completed by what `more` returns. Raises `AuthorityError`."""
        key = _key(form)

        async def ask() -> Leased[IssuedToken]:
            whole = [*form, *(await more() if more is not None else ())]
            answer = await self._endpoint.post(whole, exchange)
            now = self._clock.now()
            issued = self._read(answer, whole, now)
            end = issued.lifetime - min(_EARLY_SECONDS, issued.lifetime / 10)
            return self._memory.remember(key, issued, now + end)

        return self.recall(form) or await self._memory.share(key, ask)

    def doubt(self, form: Form) -> None:
        """Forget the token for `form`, which somebody did not like, unless another would not help."""
        known = self.recall(form)
        if known is not None and self._clock.now() - known.found.issued_at >= _DOUBT_SECONDS:
            self._memory.forget(_key(form))

    def authorize(self, head: Head, leased: Leased[IssuedToken], form: Form, following: Prepare) -> Plan:
        """Return the plan of `following` with this token, in place of whatever credentials there were.

        When the server answers 401, the next call gets another token.
        """
        headers = head.headers.copy()
        headers.remove("Authorization", "DPoP")
        headers.set("Authorization", f"Bearer {leased.found.token}")

        def give_up(_: Exchange, response: Response) -> Response:
            self.doubt(form)
            return response

        def amend_for(response: Response) -> Amend | None:
            return give_up if response.status == 401 else None

        return following(head.with_headers(headers)).after(head, amend_for=amend_for).while_(leased.lease)

    def _read(self, answer: AuthorityAnswer, form: Form, now: float) -> IssuedToken:
        """Return the token of a response (RFC 6749 section 5). Raises `AuthorityError`."""
        where, asked = self._endpoint.place, dict(form)
        is_exchange = "subject_token" in asked
        if answer.status == 400 and is_exchange and answer.error in _ABOUT_THE_SUBJECT:
            raise SubjectRefused(answer.error, f"{where} refuses the exchange (400{answer.said})")
        if answer.status in {400, 401, 403}:
            reason = (
                f"{where} refuses the gateway ({answer.status}{answer.said}): check the credentials of the "
                f"endpointHandler, and what that client may ask for"
            )
            raise AuthorityError(502, f"{reason}; {answer.hint}" if answer.hint else reason)
        if answer.status != 200:
            reason = f"{where} cannot be asked: answer {answer.status} instead of 200{answer.said}"
            raise AuthorityError(503, reason)
        members: JsonObject = answer.value if isinstance(answer.value, Mapping) else {}
        token, kind, scope, lifetime = (
            members.get(name) for name in ("access_token", "token_type", "scope", "expires_in")
        )
        if not isinstance(token, str) or len(token) > _MAX_TOKEN or not _TOKEN.fullmatch(token):
            raise AuthorityError(502, f"{where} answered without an access token {answer.fault}".rstrip())
        if not isinstance(kind, str) or kind.lower() != "bearer":
            said = str(kind)[:64]
            raise AuthorityError(
                502, f"{where} issued a token that is no bearer token: token_type is {said!r}"
            )
        issued_kind = members.get("issued_token_type")
        scopes = scope if isinstance(scope, str) else asked.get("scope", "")
        return IssuedToken(
            token,
            issued_kind if isinstance(issued_kind, str) else ACCESS_TOKEN,
            frozenset(scopes.split()),
            now,
            float(lifetime) if isinstance(lifetime, int | float) else _SECONDS,
        )


def _key(form: Form) -> bytes:
    return sha256(urlencode(form).encode()).digest()
