"""Clients that leave within event streams: the gateway's memory stays where it was."""

import asyncio
import contextlib
import json
import re
import sys
from pathlib import Path

import pytest

from deputize.http.messages import Body, Headers, Response
from support.gateway import write_json
from support.wire import Server

ADMIN = {
    "adminConnector": {"host": "127.0.0.1", "port": 0},
    "connectors": [{"host": "127.0.0.1", "port": 0}],
    "streamingEnabled": True,
}
GET = (
    b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMCP-Protocol-Version: "
    b"2025-11-25\r\n\r\n"
)
STREAMS, SETTLED, AT_ONCE = 20_000, 4_000, 50


async def events():
    yield b"data: {}\n\n"
    await asyncio.sleep(600)


async def ready_port(process):
    while line := await process.stderr.readline():
        entry = json.loads(line)
        if entry["event"] == "the gateway is ready":
            return entry["ports"][0]
    raise AssertionError("the gateway ended")


def resident(process):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1])


async def abort_one(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    await reader.readuntil(b"data: {}\n\n")
    writer.transport.abort()


async def abort(port, count):
    for _ in range(count // AT_ONCE):
        await asyncio.gather(*(abort_one(port) for _ in range(AT_ONCE)))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_twenty_thousand_aborted_streams_take_no_memory(tmp_path):
    write_json(tmp_path / "config" / "admin.json", ADMIN)
    command = (
        sys.executable,
        "-c",
        "from deputize.cli.gateway import gateway; gateway()",
        "serve",
        "--instance",
        str(tmp_path),
    )
    stream = [(b"Content-Type", b"text/event-stream")]
    async with Server(lambda request: Response(200, Headers(stream), Body(None, events()))) as backend:
        filters = [{"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}]
        handler = {"type": "Chain", "config": {"filters": filters, "handler": "ReverseProxyHandler"}}
        write_json(tmp_path / "config" / "routes" / "mcp.json", {"baseURI": backend.url, "handler": handler})
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        try:
            port = await ready_port(process)
            reading = asyncio.ensure_future(process.stderr.read())
            await abort(port, SETTLED)
            before = resident(process)
            await abort(port, STREAMS - SETTLED)
            assert resident(process) <= before * 1.1
            process.terminate()
            await reading
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
