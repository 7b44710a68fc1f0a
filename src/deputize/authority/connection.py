"""One connection to the authority: uvicorn's HTTP/1.1 protocol with the deadline and size limit it lacks."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
MAX_HEAD_SIZE = 32 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections that send no complete request head in time, or too large a one.

    Bodies have their own limits in `guard`, idle kept-alive connections uvicorn's. A head that arrives in one
    read may exceed the size by that read, which the event loop bounds.
    """

    _head_deadline: asyncio.TimerHandle | None = None
    _head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The peer has to begin talking."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Bytes came; those of a head are counted."""
        super().data_received(data)
        if self._head_deadline is not None:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD_SIZE:
                self.transport.close()
        elif self.cycle.response_complete:
            # An empty line, or a body after its answer: uvicorn's idle time ended with them, and no request
            # has begun.
            self._expect_head()

    def on_message_begin(self) -> None:
        """The parser saw the first byte of a request."""
        super().on_message_begin()
        if self._head_deadline is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """The head is complete; what follows has the body's limits."""
        super().on_headers_complete()
        self._head_arrived()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._head_arrived()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_size = 0
        self._head_deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_arrived(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None
