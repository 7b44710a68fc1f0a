import pytest

from support.console import running_console


@pytest.fixture
async def console(tmp_path):
    async with running_console(tmp_path / "data") as running:
        yield running
