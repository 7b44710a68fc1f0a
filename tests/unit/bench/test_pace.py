import asyncio
import contextlib
import threading
import time
from itertools import cycle, repeat

import pytest
from bench.pace import pace, summarize

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Server:
    """Answers `opens_after` seconds after the first request; on a thread, as the generator blocks."""

    def __init__(self, answer=ANSWER):
        self.answer = answer
        self.seen: list[bytes] = []
        self.gate = asyncio.Event()
        self.opens_after = 0.0
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._start())
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    async def _start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()[:2]

    async def _serve(self, reader, writer):
        with contextlib.closing(writer):
            while line := await reader.readline():
                self.seen.append(line)
                if len(self.seen) == 1:
                    self.first_seen = time.perf_counter()
                    self.loop.call_later(self.opens_after, self._open)
                await self.gate.wait()
                for part in (self.answer[:20], self.answer[20:]):
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)

    def _open(self):
        self.opened = time.perf_counter()
        self.gate.set()

    def close(self):
        async def end():
            self.server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.server.wait_closed()

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


def test_each_call_is_sent_once_and_answered(server):
    took = pace(server.address, (b"%d\n" % number for number in range(100)), repeat(0.0, 100), 4)
    assert len(took) == 100
    assert sorted(map(int, server.seen)) == list(range(100))


def test_waiting_counts_from_when_a_call_was_due_even_without_a_free_connection(server):
    """The last of eight calls over two connections waits as long as the first: both were due at once."""
    server.opens_after = 0.05
    took = pace(server.address, cycle([b"call\n"]), repeat(0.0, 8), 2)
    assert len(took) == 8
    assert min(took) >= server.opened - server.first_seen > 0


def test_an_answer_other_than_success_ends_the_run(server):
    server.answer = ANSWER.replace(b"200 OK", b"403 No")
    with pytest.raises(RuntimeError, match="403"):
        pace(server.address, cycle([b"call\n"]), repeat(0.0, 8), 2)


def test_percentiles_are_those_of_the_calls():
    figures = summarize([number / 1000 for number in range(1, 1001)], seconds=2.0)
    assert figures["requests_per_second"] == 500
    assert round(figures["p50_ms"]) == 500
    assert round(figures["p99_ms"]) == 991
    assert figures["max_ms"] == 1000
