"""Waits for the answer that a person's browser brings to the agent's redirect URI."""

import asyncio
import webbrowser
from typing import Final
from urllib.parse import urlsplit

from deputize.diagnosis.findings import NotTried
from deputize.http.exchange import Exchange
from deputize.http.listener import Gate, ListenerLimits, serve
from deputize.http.messages import Body, Headers, Response
from deputize.http.plans import as_handler
from deputize.kernel.uris import is_loopback_host, parse_origin

SECONDS: Final = 300.0
"""How long the person may take."""


class Callback:
    """Takes the one answer at a path, and tells the person to go back."""

    def __init__(self, path: str) -> None:
        """Wait for a request to `path`."""
        self._path = path
        self.query: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(self, exchange: Exchange) -> Response:
        """Take the query of the first request; answer 404 to everything else."""
        target = exchange.request.target
        if target.path != self._path or exchange.request.method != "GET" or target.query is None:
            return Response(404)
        if not self.query.done():
            self.query.set_result(target.query)
        headers = Headers([(b"Content-Type", b"text/plain; charset=utf-8"), (b"Cache-Control", b"no-store")])
        return Response(200, headers, Body(b"The doctor has its answer. You can close this page.\n"))


async def await_callback(redirect_uri: str, url: str) -> str:
    """Open `url` in the person's browser, and return the query that comes to `redirect_uri`.

    Raises `NotTried` where nobody can listen there, or nothing comes in time.
    """
    origin = parse_origin(redirect_uri)
    if origin.scheme != "http" or not is_loopback_host(origin.host):
        raise NotTried(
            "with --browser the redirect URI has to be http on this machine, such as "
            "http://localhost:3000/callback"
        )
    callback = Callback(urlsplit(redirect_uri).path or "/")
    try:
        listener = await serve(
            as_handler(callback), host=origin.host, port=origin.port, limits=ListenerLimits(), gate=Gate()
        )
    except OSError as error:
        raise NotTried(f"cannot listen on {origin}: {error.strerror or error}") from error
    try:
        await asyncio.to_thread(webbrowser.open, url)
        async with asyncio.timeout(SECONDS):
            return await callback.query
    except TimeoutError as error:
        raise NotTried(f"nobody came back from the sign-on within {SECONDS:.0f} seconds") from error
    finally:
        await listener.close()
