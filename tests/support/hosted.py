"""An authority behind its real listener that hosts an ASGI application of a test."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from deputize.authority.app import Authority
from deputize.authority.serve import LIMITS
from deputize.http.listener import Listener, serve
from support.authority import RunningAuthority, running_authority


@dataclass
class Hosting:
    """Where the application answers, at `/hosted`."""

    authority: RunningAuthority
    listener: Listener
    loads: int = 0

    @property
    def port(self) -> int:
        return self.listener.port


@contextlib.asynccontextmanager
async def hosting(folder, application, limits=LIMITS) -> AsyncIterator[Hosting]:
    """Host `application`: what an ASGI server calls, or an exception that loading it raises first."""
    async with running_authority(folder, "https://authority.test") as authority:

        def load(_services):
            hosting.loads += 1
            return application() if isinstance(application, type) else application

        app = Authority(authority.services, hosted={"hosted": load})
        listener = await serve(app, host="127.0.0.1", port=0, limits=limits)
        hosting = Hosting(authority, listener)
        try:
            yield hosting
        finally:
            await listener.close(0)
