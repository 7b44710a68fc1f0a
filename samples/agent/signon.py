"""Sign-on: sends the user to the authorization server, and waits for the browser to come back.

The browser comes back to a loopback address (RFC 8252 section 7.3), which takes one answer and then closes.
"""

import asyncio
import contextlib
import hmac
import webbrowser
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qsl, urlsplit

from agent.discovery import AuthorizationServer
from agent.errors import SignOnFailed
from agent.oauth import Token, TokenEndpoint, authorization_request

SIGN_ON_SECONDS = 300.0
PATH = "/callback"
MAX_HEAD_BYTES = 16 * 1024
READ_SECONDS = 5.0
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title} · Sample agent</title>
<style>
:root{{color-scheme:light dark;--ground:#eef2f3;--glow:#dcebe9;--card:#fff;--edge:#dbe2e5;--ink:#16232b;
--soft:#51616b}}
@media (prefers-color-scheme:dark){{:root{{--ground:#0f1619;--glow:#14292a;--card:#182125;--edge:#2b373c;
--ink:#e8eef0;
--soft:#a5b3ba}}}}
*{{box-sizing:border-box}}
body{{display:flex;flex-direction:column;align-items:center;gap:1.25rem;min-height:100vh;margin:0;
padding:clamp(1rem,7vh,5rem) 1rem 1.5rem;
font:1rem/1.55 Inter,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
color:var(--ink);background:radial-gradient(60rem 28rem at 50% -8rem,var(--glow),transparent) var(--ground)}}
p{{margin:0;color:var(--soft);overflow-wrap:anywhere}}
.brand{{font-size:.9375rem;font-weight:600}}
main{{width:100%;max-width:27rem;padding:clamp(1.375rem,5vw,2.25rem);border:1px solid var(--edge);
border-radius:1rem;
background:var(--card)}}
h1{{margin:0 0 .375rem;font-size:1.5rem;font-weight:650;line-height:1.25;letter-spacing:-.018em}}
</style></head><body><p class="brand">Sample
agent</p><main><h1>{title}</h1><p>{text}</p></main></body></html>"""
_DECLINED = (
    "You declined, so the agent may not act for you: it got no token. You can close this window, "
    "and ask the agent again any time."
)
_FAILED = (
    "Signing on did not work ({error}), so the agent got no token. The agent says more at the "
    "terminal. You can close this window."
)
_SIGNED_ON = "The agent may act for you now. You can close this window and go back to it at the terminal."


class Callback:
    """Waits for the browser.

    Only a request with the expected state counts; everything else is refused.
    """

    def __init__(self, state: str) -> None:
        self._state = state
        self._answer: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def answer(self, seconds: float) -> dict[str, str]:
        """Wait for the browser's query parameters. Raises `SignOnFailed` when they do not come in time."""
        try:
            return await asyncio.wait_for(self._answer, seconds)
        except TimeoutError as error:
            raise SignOnFailed(f"Nobody signed on within {seconds:.0f} seconds") from error

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        with contextlib.suppress(
            TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError
        ):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), READ_SECONDS)
            writer.write(self._respond(head.split(b"\r\n", 1)[0].decode("ascii")))
            await writer.drain()
        writer.close()

    def _respond(self, request_line: str) -> bytes:
        method, target, _ = request_line.split(" ")
        parts = urlsplit(target)
        if method != "GET" or parts.path != PATH:
            return _page(404, "Nothing here", "This address only waits for you to come back from signing on.")
        query = dict(parse_qsl(parts.query, max_num_fields=20))
        if (
            not hmac.compare_digest(query.get("state", "").encode(), self._state.encode())
            or self._answer.done()
        ):
            return _page(
                400, "Not expected", "This answer does not belong to the sign-on the agent is waiting for."
            )
        self._answer.set_result(query)
        if query.get("error") == "access_denied":
            return _page(200, "You declined", _DECLINED)
        if "error" in query:
            return _page(200, "Not signed on", _FAILED.format(error=escape(query["error"][:64])))
        return _page(200, "You are signed on", _SIGNED_ON)


@contextlib.asynccontextmanager
async def listen(port: int, state: str) -> AsyncGenerator[Callback]:
    """Listen on `port` of the loopback addresses. Raises `SignOnFailed` when the port is taken."""
    callback = Callback(state)
    async with contextlib.AsyncExitStack() as servers:
        try:
            await servers.enter_async_context(
                await asyncio.start_server(callback.serve, "127.0.0.1", port, limit=MAX_HEAD_BYTES)
            )
        except OSError as error:
            raise SignOnFailed(
                f"Port {port} is not free ({error.strerror}). Free it, or choose another with "
                f"--callback-port."
            ) from error
        # A browser may take localhost for ::1, which not every machine has.
        with contextlib.suppress(OSError):
            await servers.enter_async_context(
                await asyncio.start_server(callback.serve, "::1", port, limit=MAX_HEAD_BYTES)
            )
        yield callback


def _page(status: int, title: str, text: str) -> bytes:
    reason = {200: "OK", 400: "Bad Request", 404: "Not Found"}[status]
    body = _PAGE.format(title=title, text=text).encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: "
        f"{len(body)}\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nCache-Control: "
        "no-store\r\n"
        "Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


@dataclass(frozen=True, slots=True)
class SignOn:
    """Gets a user's token when it is called. Raises `AgentError`."""

    endpoint: TokenEndpoint
    server: AuthorizationServer
    client_id: str
    callback_port: int
    scope: str
    audience: str
    may_open_browser: Callable[[str], Awaitable[bool]]
    say: Callable[[str], None]

    async def __call__(self, more_scopes: tuple[str, ...] = ()) -> Token:
        """Have a user sign on, and return their token.

        The user is asked to agree to `more_scopes` besides.
        """
        scope = " ".join(filter(None, (self.scope, *more_scopes)))
        redirect_uri = f"http://localhost:{self.callback_port}{PATH}"
        request = authorization_request(self.server, self.client_id, redirect_uri, scope, self.audience)
        async with listen(self.callback_port, request.state) as waiting:
            if await self.may_open_browser(self.server.issuer) and webbrowser.open(request.url):
                self.say("[INFO] Waiting for you to sign on in the browser ...")
            else:
                self.say(f"Open this address in a browser to sign on:\n{request.url}")
            code = request.code_in(await waiting.answer(SIGN_ON_SECONDS))
        return await self.endpoint.redeem(request, code, self.audience)
