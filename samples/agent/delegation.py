"""The agent's three tokens, kept in memory and renewed, and the authentication of its MCP requests."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

import httpx2

from agent.discovery import Challenge, parse_challenge
from agent.errors import AgentError, TokenRefused
from agent.oauth import Token, TokenEndpoint

MARGIN_SECONDS = 30.0
ENDED = frozenset({"invalid_grant", "invalid_request"})
"""The errors with which an exchange refuses a token that is no longer good.

RFC 8693 section 2.2.2 wants the second, servers in use say the first.
"""


SignsOn = Callable[[tuple[str, ...]], Awaitable[Token]]
"""Has a user sign on and agree, also to these further scopes."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The audiences for which the agent asks tokens."""

    resource: str
    """The MCP server's canonical URI."""
    scopes: tuple[str, ...]
    agent_audience: str
    """The audience of subject and actor token."""
    agent_scope: str


class Delegation:
    """Holds the user's token, the agent's own, and the one that both are exchanged for.

    A token is renewed shortly before it ends: the user's by its refresh token, and by signing on again only
    when there is no other way.
    """

    def __init__(
        self,
        endpoint: TokenEndpoint,
        reach: Reach,
        sign_on: SignsOn,
        notify: Callable[[str], None],
        monotonic: Callable[[], float],
    ) -> None:
        """Call `sign_on` with further scopes, if any, to which the user has to agree at the authorization
        server.

        `notify` tells the person at the terminal.
        """
        self._endpoint = endpoint
        self._reach = reach
        self._sign_on = sign_on
        self._notify = notify
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._scopes = reach.scopes
        self._subject: Token | None = None
        self._actor: Token | None = None
        self._mcp: Token | None = None

    @property
    def issuer(self) -> str:
        """The authorization server whose tokens these are."""
        return self._endpoint.issuer

    async def token(self) -> Token:
        """Return the MCP token. Raises `AgentError` when there is no way to get one."""
        async with self._lock:
            if self._mcp is None or not self._is_fresh(self._mcp):
                self._mcp = await self._exchange()
            return self._mcp

    async def replacement(self, refused: Token) -> Token:
        """Return another MCP token than the refused one; requests refused together share one exchange."""
        async with self._lock:
            if self._mcp is None or self._mcp.value == refused.value:
                self._mcp = await self._exchange()
            return self._mcp

    async def step_up(self, held: Token, needed: tuple[str, ...]) -> Token | None:
        """Return a token with the needed scopes beside those held.

        None when they were asked for before, because asking again helps nobody. Where the exchange is
        refused, the user has not agreed to them yet, and is asked to.
        """
        async with self._lock:
            union = tuple(dict.fromkeys([*self._scopes, *needed]))
            if union == self._scopes:
                return None if self._mcp is None or self._mcp.value == held.value else self._mcp
            before, self._scopes = self._scopes, union
            try:
                self._mcp = await self._exchange()
            except TokenRefused:
                self._notify(f"Asking you to agree to {' '.join(needed)!r} besides")
                self._subject = await self._sign_on(tuple(scope for scope in union if scope not in before))
                self._mcp = await self._exchange()
            return self._mcp

    def claims(self) -> dict[str, dict[str, object]]:
        """Return the claims of each token, without signatures: for showing."""
        tokens = {"actor": self._actor, "subject": self._subject, "mcp": self._mcp}
        return {name: token.claims() for name, token in tokens.items() if token}

    async def _exchange(self) -> Token:
        signed_on_before = self._subject is not None
        try:
            token = await self._exchange_once()
        except TokenRefused as refusal:
            if refusal.error not in ENDED or not signed_on_before:
                raise
            # What the user's token rested on has ended: the session, the consent, or the token itself.
            self._subject = None
            token = await self._exchange_once()
        scopes = " ".join(token.scopes)
        self._notify(
            f"Exchanged the user's token and the agent's own for one to {self._reach.resource} with scope "
            f"{scopes!r}"
        )
        return token

    async def _exchange_once(self) -> Token:
        """Exchange the tokens held, renewing first those about to end."""
        subject, audience = self._subject, self._reach.agent_audience
        if subject is not None and not self._is_fresh(subject):
            try:
                subject = await self._endpoint.refresh(subject, audience) if subject.refresh_token else None
            except TokenRefused:
                subject = None
        self._subject = subject or await self._sign_on(())
        if self._actor is None or not self._is_fresh(self._actor):
            self._actor = await self._endpoint.own(self._reach.agent_scope, audience)
        return await self._endpoint.exchange(self._subject, self._actor, self._scopes, self._reach.resource)

    def _is_fresh(self, token: Token) -> bool:
        return self._monotonic() < token.expires_at - MARGIN_SECONDS


class OneStep:
    """Holds the token that signing on for the MCP server gives: the authorization server makes the exchange.

    For an agent without credentials for an exchange, such as one that introduced itself.
    """

    def __init__(
        self,
        issuer: str,
        enter: Callable[[], Awaitable[tuple[TokenEndpoint, SignsOn]]],
        reach: Reach,
        monotonic: Callable[[], float],
    ) -> None:
        """Call `enter` once, when a token is needed: it makes the agent known to the authorization server."""
        self.issuer = issuer
        self._enter = enter
        self._reach = reach
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._entered: tuple[TokenEndpoint, SignsOn] | None = None
        self._scopes = reach.scopes
        self._mcp: Token | None = None

    async def token(self) -> Token:
        """Return the MCP token. Raises `AgentError` when there is no way to get one."""
        async with self._lock:
            if self._mcp is None or self._monotonic() >= self._mcp.expires_at - MARGIN_SECONDS:
                self._mcp = await self._renew()
            return self._mcp

    async def replacement(self, refused: Token) -> Token:
        """Return another MCP token than the refused one."""
        async with self._lock:
            if self._mcp is None or self._mcp.value == refused.value:
                self._mcp = await self._renew()
            return self._mcp

    async def step_up(self, held: Token, needed: tuple[str, ...]) -> Token | None:
        """Return a token with the needed scopes beside those held; None when they were asked for before."""
        async with self._lock:
            union = tuple(dict.fromkeys([*self._scopes, *needed]))
            if union == self._scopes:
                return None if self._mcp is None or self._mcp.value == held.value else self._mcp
            self._scopes, self._mcp = union, None
            self._mcp = await self._renew()
            return self._mcp

    def claims(self) -> dict[str, dict[str, object]]:
        """Return the token's claims, without signature: for showing."""
        return {"mcp": self._mcp.claims()} if self._mcp else {}

    async def _renew(self) -> Token:
        self._entered = self._entered or await self._enter()
        endpoint, sign_on = self._entered
        if self._mcp and self._mcp.refresh_token:
            with contextlib.suppress(TokenRefused):
                return await endpoint.refresh(self._mcp, self._reach.resource)
        return await sign_on(self._scopes)


class DelegatedAuth(httpx2.Auth):
    """Sends the MCP token to the MCP server and to nobody else.

    A 401 to any request is answered with a token: the first one, or another one, once. A 403 for lack of
    scope is answered with one of more scope, once.
    """

    def __init__(
        self, server_url: str, establish: Callable[[Challenge], Awaitable[Delegation | OneStep]]
    ) -> None:
        """Call `establish` to find the way to tokens from the server's challenge."""
        self._origin = _origin(httpx2.URL(server_url))
        self._establish = establish
        self._lock = asyncio.Lock()
        self.delegation: Delegation | OneStep | None = None
        """None until the MCP server asks for a token."""

    async def begin(self, challenge: Challenge) -> Token:
        """Return the first token, or the one that is held by now. Raises `AgentError`."""
        async with self._lock:
            if self.delegation is None:
                self.delegation = await self._establish(challenge)
        return await self.delegation.token()

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Send with the token, and a second time if another token can change the answer.

        Raises `AgentError`.
        """
        if _origin(request.url) != self._origin:
            yield request
            return
        token = await self.delegation.token() if self.delegation else None
        answer = yield _add_token(request, token) if token else request
        better = await self._find_better(token, answer)
        if better:
            answer = yield _add_token(request, better)
        # A refusal that carries a JSON-RPC error is left to the MCP client, which shows it.
        explained = answer.headers.get("content-type", "").startswith("application/json")
        if answer.status_code == 401 or (answer.status_code == 403 and not explained):
            error = parse_challenge(answer.headers.get_list("www-authenticate")).error
            raise AgentError(f"The MCP server refused the token: {answer.status_code} {error}".rstrip())

    async def _find_better(self, held: Token | None, answer: httpx2.Response) -> Token | None:
        """Get a token that can change the answer, if there is one."""
        challenge = parse_challenge(answer.headers.get_list("www-authenticate"))
        if held is None or self.delegation is None:
            return await self.begin(challenge) if answer.status_code == 401 else None
        if answer.status_code == 401:
            return await self._replace(held, challenge)
        if answer.status_code == 403 and challenge.error == "insufficient_scope":
            return await self.delegation.step_up(held, challenge.scopes)
        return None

    async def _replace(self, held: Token, challenge: Challenge) -> Token:
        """Return another token than the refused one, of the authorization server that is named now."""
        async with self._lock:
            now = await self._establish(challenge)
            if self.delegation is None or now.issuer != self.delegation.issuer:
                self.delegation = now
                return await now.token()
        return await self.delegation.replacement(held)


def _add_token(request: httpx2.Request, token: Token) -> httpx2.Request:
    request.headers["Authorization"] = f"Bearer {token.value}"
    return request


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
