import asyncio
import os

from bench.programs import Program, free_port
from bench.streams import _hold, _Upstream


async def hold(upstream, number=20):
    port = free_port()
    server = await asyncio.get_running_loop().create_server(upstream, "127.0.0.1", port)
    try:
        itself = Program(f"http://127.0.0.1:{port}/mcp", os.getpgid(0))
        return await _hold(itself, ["token"], number, 0, port)
    finally:
        server.close()


async def test_streams_that_live_until_their_end_are_not_lost():
    figures = await hold(_Upstream)
    assert (figures["streams"], figures["lost"], figures["lost_while_held"]) == (20, 0, 0)


async def test_a_stream_that_ends_without_its_last_event_is_lost():
    class Careless(_Upstream):
        def data_received(self, data):
            if b" /end " in data:
                self.streams.pop().abort()
            super().data_received(data)

    assert (await hold(Careless))["lost"] == 1
