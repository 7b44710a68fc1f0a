"""The writing half of a connection: who writes waits while the other side does not read."""

import asyncio
from typing import cast

HIGH_WATER = 32 * 1024
"""Unsent bytes above which writers wait."""

LOW_WATER = 8 * 1024
"""Unsent bytes below which they go on."""


class WriteFlow(asyncio.Protocol):
    """A protocol whose single writer can wait until written bytes have left the process."""

    __slots__ = ("_drain", "loop", "stalled", "stalls", "transport")

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Unconnected until the loop calls `connection_made`."""
        self.loop = loop
        self.stalled = False
        self.stalls = 0
        self._drain: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport and bound what it buffers."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)

    def pause_writing(self) -> None:
        """The transport holds more than `HIGH_WATER` bytes."""
        self.stalled = True
        self.stalls += 1

    def resume_writing(self) -> None:
        """The transport holds less than `LOW_WATER` bytes again."""
        self.stalled = False
        if self._drain is not None and not self._drain.done():
            self._drain.set_result(None)

    async def drained(self) -> None:
        """Wait until there is room.

        Whoever gives up waiting is cancelled: by the deadline ticker or when the connection is lost.
        """
        if self.stalled:
            self._drain = self.loop.create_future()
            await self._drain
