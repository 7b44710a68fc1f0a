from collections.abc import AsyncIterator

import pytest

from support.authority import Browser, RunningAuthority, running_authority


@pytest.fixture
async def authority(tmp_path) -> AsyncIterator[RunningAuthority]:
    async with running_authority(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def browser(authority) -> AsyncIterator[Browser]:
    async with authority.client() as client:
        yield Browser(authority, client)
