import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from deputize.authority.serve import LIMITS, ServeOptions, listen
from support.authority import RunningAuthority, running_authority


@contextlib.asynccontextmanager
async def listening(folder, limits=LIMITS) -> AsyncIterator[RunningAuthority]:
    """An authority behind its real listener on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with running_authority(folder, f"http://127.0.0.1:{port}") as authority:
        options = ServeOptions("127.0.0.1", port, authority.base_url)
        listener = authority.listener = await listen(authority.services, options, limits)
        try:
            yield authority
        finally:
            await listener.close()


@pytest.fixture
async def served(tmp_path) -> AsyncIterator[RunningAuthority]:
    async with listening(tmp_path / "data") as authority:
        yield authority


@pytest.fixture
async def impatient(tmp_path) -> AsyncIterator[RunningAuthority]:
    """One that waits for heads, bodies and lingering clients for a twentieth of a second only."""
    limits = replace(
        LIMITS,
        head_seconds=0.05,
        body_idle_seconds=0.05,
        keep_alive_seconds=0.2,
        linger_seconds=0.05,
        tick_seconds=0.01,
    )
    async with listening(tmp_path / "data", limits) as authority:
        yield authority
