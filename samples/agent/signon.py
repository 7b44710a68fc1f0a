"""Sends the user to the authorization server and waits for the browser to come back."""

import webbrowser
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agent import callback
from agent.discovery import AuthorizationServer
from agent.oauth import AuthorizationRequest, Token, TokenEndpoint, authorization_request

SIGN_ON_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class SignOn:
    """How this agent gets a user's token; calling it does so. Raises `AgentError`."""

    endpoint: TokenEndpoint
    server: AuthorizationServer
    client_id: str
    callback_port: int
    scope: str
    audience: str
    may_open_browser: Callable[[str], Awaitable[bool]]
    say: Callable[[str], None]

    async def __call__(self, more_scopes: tuple[str, ...] = ()) -> Token:
        """One sign-on: the token of the user who did it.

        `more_scopes` are what the user is asked to agree to besides.
        """
        scope = " ".join((self.scope, *more_scopes))
        redirect_uri = f"http://localhost:{self.callback_port}{callback.PATH}"
        request = authorization_request(self.server, self.client_id, redirect_uri, scope, self.audience)
        async with callback.listening(self.callback_port, request.state) as waiting:
            await self._send_user(request)
            code = request.code_in(await waiting.answer(SIGN_ON_SECONDS))
        return await self.endpoint.redeem(request, code, self.audience)

    async def _send_user(self, request: AuthorizationRequest) -> None:
        if await self.may_open_browser(self.server.issuer) and webbrowser.open(request.url):
            self.say("[INFO] Waiting for you to sign on in the browser ...")
        else:
            self.say(f"Open this address in a browser to sign on:\n{request.url}")
