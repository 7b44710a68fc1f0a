from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from starlette.types import ASGIApp

from support.asgi import serving as serve
from weather_mcp_server import application


@pytest.fixture
def serving() -> Callable[[ASGIApp], AbstractAsyncContextManager[str]]:
    return serve


@pytest.fixture
async def weather_url() -> AsyncIterator[str]:
    async with serve(application(offline=True)) as url:
        yield f"{url}/"
