from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from deputize.authority.serve import LIMITS
from support.authority import RunningAuthority
from support.served_authority import listening


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
