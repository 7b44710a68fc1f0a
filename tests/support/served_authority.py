"""An authority behind its real listener."""

import contextlib
import socket
from collections.abc import AsyncIterator

from deputize.authority.serve import LIMITS, ServeOptions, listen
from support.authority import RunningAuthority, running_authority


@contextlib.asynccontextmanager
async def listening(folder, limits=LIMITS) -> AsyncIterator[RunningAuthority]:
    """Serve an authority on a free port of this machine."""
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
