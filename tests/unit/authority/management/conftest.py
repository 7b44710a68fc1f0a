import pytest

from support.management import running_management


@pytest.fixture
async def api(tmp_path):
    async with running_management(tmp_path / "data") as management:
        yield management
