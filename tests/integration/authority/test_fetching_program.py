"""The switch that lets the program fetch from networks that are not public, as its operator uses it."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from support import agent_delegation as use_case
from support.authority import authorization_parameters
from support.document_hosts import DocumentHost, json_answer
from support.introductions import FILE, FRAME
from support.patience import PATIENCE

DEPUTIZE = Path(sys.executable).parent / "deputize"
pytestmark = pytest.mark.slow
LOOPBACK = ("--fetch-network", "127.0.0.0/8", "--fetch-network", "::1")


@contextlib.asynccontextmanager
async def serving(folder, *options):
    """Run the program; its port, and its log as a queue of lines."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [DEPUTIZE, "authority", "serve", "--data", folder, "--port", str(port), *options]
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)

    async def next_line():
        async with asyncio.timeout(PATIENCE):
            return json.loads(await process.stderr.readline())

    try:
        yield port, next_line
    finally:
        process.terminate()
        await process.communicate()


async def test_only_with_the_switch_a_document_of_this_machine_is_fetched(tmp_path):
    data, frame, ca = tmp_path / "data", tmp_path / "frame.yaml", tmp_path / "ca.pem"
    async with DocumentHost(name="localhost") as host:
        ca.write_bytes(host.ca_pem)
        client_id, redirect_uri = f"{host.origin}/client.json", "http://127.0.0.1:5/callback"
        document = {"client_id": client_id, "redirect_uris": ["http://127.0.0.1/callback"]}
        host.answer = json_answer(json.dumps(document).encode())
        frame.write_text(FILE + FRAME.replace("app.example.com", f"localhost:{host.port}"))
        applying = await asyncio.create_subprocess_exec(
            DEPUTIZE, "apply", frame, "--data", data, stdout=subprocess.DEVNULL
        )
        assert await applying.wait() == 0
        found = []
        for options in ((), LOOPBACK, (*LOOPBACK, "--fetch-ca", ca)):
            async with serving(data, *options) as (port, next_line):
                while (await next_line())["event"] != "authority starts":
                    pass
                async with httpx2.AsyncClient(timeout=PATIENCE) as browser:
                    answer = await browser.get(
                        f"http://localhost:{port}/{use_case.ENVIRONMENT_ID}/as/authorize",
                        params=authorization_parameters(client_id=client_id, redirect_uri=redirect_uri),
                    )
                found.append((answer.status_code, host.connections, (await next_line()).get("reason", "")))
    statuses, connections, reasons = zip(*found, strict=True)
    assert statuses == (400, 503, 303)
    assert connections == (0, 0, 1)  # a handshake that fails is none to the server
    assert "which is not one of the public internet; allow it by --fetch-network" in reasons[0]
    assert "certificate verify failed" in reasons[1]
