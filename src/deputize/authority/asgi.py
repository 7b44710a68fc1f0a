"""Hosts ASGI applications on our own listener, which stays the one edge of the authority.

What an application gets has been through the listener: a strict head, bodies that end in time, a client that
is still there. What it answers is held until it is complete, so that one that fails halfway has answered
nothing. Of ASGI 3.0 (spec 2.3) it is the HTTP part; there are no websockets and no lifespan.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

import structlog

from deputize.authority.audit import SOURCE
from deputize.http.exchange import Exchange
from deputize.http.heads import FRAMING, has_no_body
from deputize.http.messages import Body, Field, Headers, Request, Response
from deputize.kernel.errors import DeputizeError, describe_failure
from deputize.kernel.uris import parse_origin

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]
"""An ASGI 3.0 application; the first argument is its scope."""

MAX_REQUEST_SIZE: Final = 1024 * 1024
"""Bytes of a body that an application is given."""
MAX_ANSWER_SIZE: Final = 32 * 1024 * 1024
"""Bytes of a body that is held for an application: the export of a large environment."""
ANSWER_SECONDS: Final = 60.0
"""Seconds from the head to a complete answer, with what the client takes to send its body."""
_CHANGES_NOTHING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_log = structlog.get_logger("deputize.authority")


class ApplicationBroken(DeputizeError):
    """An application did not keep to ASGI, or to the limit of what it may answer."""


class ApplicationSlow(DeputizeError):
    """An application had not answered within `ANSWER_SECONDS`."""


class HostedApplication:
    """An ASGI application, loaded when it is first asked for: most authorities are never asked."""

    def __init__(self, load: Callable[[], Application], base_url: str) -> None:
        """`load` imports and makes it, in a thread. `base_url` is where clients reach the authority.

        Applications are given the host and scheme of `base_url`, whatever the request's `Host` says.
        """
        self._load = load
        self._loading: asyncio.Future[Application] | None = None
        origin = parse_origin(base_url)
        self._server = (origin.host, origin.port)
        self._scheme, self._host = origin.scheme, urlsplit(base_url).netloc

    async def answer(self, _asked: object, exchange: Exchange, _line: object) -> Response:
        """Have the application answer. What only reads is given up when its client leaves.

        Raises `BodyTooLarge` and `BodyBroken` for a body of which an application makes nothing itself,
        `ApplicationSlow`, `ApplicationBroken`, and whatever the application raises before it has answered.
        """
        request = exchange.request
        exchange.outlives_client = request.method not in _CHANGES_NOTHING
        deadline = asyncio.timeout(ANSWER_SECONDS)
        call = _Call(request)
        try:
            async with deadline:
                application = await self._loaded()
                await application(self._scope(exchange, request), call.receive, call.send)
        except Exception as error:
            if deadline.expired():
                raise ApplicationSlow(f"no answer within {ANSWER_SECONDS:g} s") from error
            if not call.is_complete:
                raise
            # such as Starlette does, which answers 500 and then raises, for servers to log it
            _log.error("request failed", correlation_id=exchange.transaction_id, **describe_failure(error))
        return call.response()

    async def _loaded(self) -> Application:
        """Return the application; who asks while it is being loaded waits. A failure is not remembered."""
        loading = self._loading
        if loading is None or (loading.done() and (loading.cancelled() or loading.exception() is not None)):
            loading = self._loading = asyncio.ensure_future(asyncio.to_thread(self._load))
        return await asyncio.shield(loading)  # which goes on, for the next, when this client leaves

    def _scope(self, exchange: Exchange, request: Request) -> Message:
        """Return the scope of a request. HEAD comes as GET: the listener leaves out the body.

        Its `state` has the request's `correlation_id`, and the `method` as sent.
        """
        source = SOURCE.get()
        fields = [(name.lower(), value) for name, value in request.headers.raw]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.version,
            "method": "GET" if request.method == "HEAD" else request.method,
            "scheme": self._scheme,
            "path": unquote(request.target.path),
            "raw_path": request.target.path.encode("ascii"),
            "query_string": (request.target.query or "").encode("ascii"),
            "root_path": "",
            "headers": [
                (b"host", self._host.encode("ascii")),
                *(field for field in fields if field[0] != b"host"),
            ],
            "client": (source.address or exchange.peer.remote_address, source.port or 0),
            "server": self._server,
            "state": {"correlation_id": exchange.transaction_id, "method": request.method},
        }


class _Call:
    """One request at an application: what it receives, and what it has sent so far."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._is_read = False
        self._complete = asyncio.Event()
        self._status: int | None = None
        self._fields: list[Field] = []
        self._chunks: list[bytes] = []
        self._size = 0

    @property
    def is_complete(self) -> bool:
        """Whether the answer is complete."""
        return self._complete.is_set()

    async def receive(self) -> Message:
        """Hand over the body, as a whole; after that, when the answer is complete, that the client has left.

        Raises `BodyTooLarge` beyond `MAX_REQUEST_SIZE`, and `BodyBroken`.
        """
        if self._is_read:
            await self._complete.wait()
            return {"type": "http.disconnect"}
        body = await self._request.body.read(MAX_REQUEST_SIZE)
        self._is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Take a part of the answer. Raises `ApplicationBroken`."""
        kind = message["type"]
        if kind == "http.response.start" and self._status is None:
            status = message["status"]
            if not isinstance(status, int) or not 200 <= status <= 599:
                raise ApplicationBroken(f"{status!r} is no status of an answer")
            self._status = status
            given: list[Field] = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            self._fields = [field for field in given if field[0].lower() not in FRAMING]
        elif kind == "http.response.body" and self._status is not None and not self.is_complete:
            chunk = bytes(message.get("body", b""))
            self._size += len(chunk)
            if self._size > MAX_ANSWER_SIZE:
                raise ApplicationBroken(f"an answer of more than {MAX_ANSWER_SIZE} bytes")
            self._chunks.append(chunk)
            if not message.get("more_body", False):
                self._complete.set()
        else:
            raise ApplicationBroken(f"{kind!r} out of turn")

    def response(self) -> Response:
        """Return the complete answer. Raises `ApplicationBroken` when it is not complete."""
        if self._status is None or not self.is_complete:
            raise ApplicationBroken("the application returned without a complete answer")
        content = b"" if has_no_body("GET", self._status) else b"".join(self._chunks)
        return Response(self._status, Headers(self._fields), Body(content))
