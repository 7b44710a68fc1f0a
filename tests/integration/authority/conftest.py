import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn

from deputize.authority.serve import ServeOptions, server_configuration
from support.authority import RunningAuthority, running_authority


@contextlib.asynccontextmanager
async def listening(authority: RunningAuthority, bound: socket.socket) -> AsyncIterator[None]:
    host, port = bound.getsockname()
    server = uvicorn.Server(server_configuration(authority.app, ServeOptions(host, port, authority.base_url)))
    serving = asyncio.create_task(server.serve([bound]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def served(tmp_path) -> AsyncIterator[RunningAuthority]:
    """An authority behind its real server on a free port of this machine."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        async with running_authority(tmp_path / "data", base_url) as authority, listening(authority, bound):
            yield authority
