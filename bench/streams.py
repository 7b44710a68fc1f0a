"""Measures idle event streams: the memory of each, and whether all live until the upstream ends them."""

import argparse
import asyncio
import resource
import sys
import time
from contextlib import ExitStack
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx2
import uvloop

from bench.calls import VERSION
from bench.measure import Findings, Plan, Result
from bench.programs import Program, free_port, running
from bench.subject import remember_tokens

OURS = "Deputize"
_FIRST = 200
"""Streams that are opened before memory is read for the first time: they pay for what is needed once."""
_AT_ONCE = 64
_SPARE_FILES = 500
_OPEN_SECONDS = 60
_FIRST_EVENT, _LAST_EVENT = b"data: first\n\n", b"data: last\n\n"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def idle_streams(plan: Plan) -> Findings:
    """Open streams, as many as the limit on open files allows, hold them, and have the upstream end them."""
    number = min(plan.streams, _possible_streams())
    subject, port = plan.subject, free_port()
    upstream = [sys.executable, "-m", "bench.streams", str(port)]
    with ExitStack() as stack:
        stack.enter_context(subject.authority(measured=False))
        ready, log = f"http://127.0.0.1:{port}/ready", plan.folder / "streams.log"
        stack.enter_context(running(upstream, ready, log, measured=False))
        changes = (remember_tokens, partial(_allow_streams, number))
        gateway = stack.enter_context(subject.gateway(port, *changes)).clear
        plan.say(f"  {number:,} streams held for {plan.hold_seconds} s")
        figures = uvloop.run(_hold(gateway, subject.tokens, number, plan.hold_seconds, port))
    findings = Findings()
    findings.add([Result(OURS, (figures,))])
    return findings


def _allow_streams(number: int, route: dict[str, Any]) -> None:
    route["handler"]["config"]["handler"]["config"]["streams"] = number


def _possible_streams() -> int:
    """Return how many streams one worker may hold: it needs two files each, we and the upstream one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return (most - _SPARE_FILES) // 2


async def _hold(
    gateway: Program, tokens: list[str], number: int, seconds: float, upstream_port: int
) -> dict[str, float]:
    url = urlsplit(gateway.url)
    streams: list[_Stream] = []
    calls = (_call(gateway.url, token) for token in cycle(tokens))

    async def open_more(count: int) -> None:
        loop = asyncio.get_running_loop()
        for begin in range(0, count, _AT_ONCE):
            new = [_Stream(call) for call in islice(calls, min(_AT_ONCE, count - begin))]
            await asyncio.gather(
                *(loop.create_connection(lambda s=each: s, url.hostname, url.port) for each in new)
            )
            async with asyncio.timeout(_OPEN_SECONDS):
                await asyncio.gather(*(each.opened for each in new))
            streams.extend(new)

    first = min(_FIRST, number // 2)
    await open_more(first)
    user, kernel = gateway.memory_kib(), _kernel_kib()
    await open_more(number - first)
    opened_user, opened_kernel = gateway.memory_kib(), _kernel_kib()
    before, began = gateway.cpu_seconds(), time.monotonic()
    await asyncio.sleep(seconds)
    used, held = gateway.cpu_seconds() - before, time.monotonic() - began
    more, lost_while_held = number - first, sum(each.ended.done() for each in streams)
    user = max(opened_user, gateway.memory_kib()) - user
    async with httpx2.AsyncClient() as client:
        await client.get(f"http://127.0.0.1:{upstream_port}/end", timeout=_OPEN_SECONDS)
    done, _ = await asyncio.wait([each.ended for each in streams], timeout=_OPEN_SECONDS)
    whole = sum(each.is_whole for each in streams if each.ended in done)
    return {
        "streams": number, "held_seconds": held, "lost": number - whole,
        "lost_while_held": lost_while_held,
        "user_kib": user / more, "kernel_kib": (opened_kernel - kernel) / more,
        "cpu_percent": used / held * 100,
    }  # fmt: skip


def _call(url: str, token: str) -> bytes:
    where = urlsplit(url)
    return (
        f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAccept: text/event-stream\r\n"
        f"MCP-Protocol-Version: {VERSION}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


def _kernel_kib() -> int:
    """Return the kernel's own memory of the machine, in which sockets are."""
    lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Slab:"))


class _Stream(asyncio.Protocol):
    """The client's end of one stream."""

    def __init__(self, call: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._call = call
        self._seen = b""
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.is_whole = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._call)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._seen = (self._seen + data)[-2000:]
        if not self.opened.done() and _FIRST_EVENT in self._seen:
            self.opened.set_result(None)
        elif not self.opened.done() and not b"HTTP/1.1 200".startswith(self._seen[:12]):
            self._transport.close()  # refused: `connection_lost` says how
        if _LAST_EVENT in self._seen and not self.is_whole:
            self.is_whole = True
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.opened.done():
            self.opened.set_exception(RuntimeError(f"a stream was not opened: {self._seen[:500]!r}"))
        self.ended.set_result(None)


class _Upstream(asyncio.Protocol):
    """The server's end of one connection: a stream that is silent after its first event."""

    streams: ClassVar[set[asyncio.Transport]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._head.endswith(b"\r\n\r\n"):
            return
        target, self._head = self._head.split(b" ", 2)[1], b""
        if target == b"/end":
            for stream in self.streams:
                stream.write(_chunk(_LAST_EVENT) + _chunk(b""))
        if target in {b"/end", b"/ready"}:
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        else:
            self._transport.write(_HEAD + _chunk(_FIRST_EVENT))
            self.streams.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.streams.discard(self._transport)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    uvloop.run(_serve(parser.parse_args().port))
