"""The authority as a program: opens the store and the directory, listens, and keeps house while it runs."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn
from starlette.types import ASGIApp

from deputize.authority.app import create_app
from deputize.authority.audit import Event, open_audit, operator, recorder
from deputize.authority.client_address import Network
from deputize.authority.connection import BoundedProtocol
from deputize.authority.directory.service import open_directory
from deputize.authority.passwords import Passwords
from deputize.authority.seals import RefreshTokenValues
from deputize.authority.services import Services
from deputize.authority.storage import Store, open_store
from deputize.kernel import ids
from deputize.kernel.clock import SystemClock
from deputize.kernel.collector import spare_collector
from deputize.kernel.errors import DeputizeError
from deputize.kernel.values import JsonValue

_log = structlog.get_logger("deputize.authority")
MAX_CONNECTIONS = 4096
BACKLOG = 2048
KEEP_ALIVE_SECONDS = 30
PURGE_SECONDS = 600.0
STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where to listen, and under which URL users and agents get there."""

    host: str
    port: int
    base_url: str
    trusted_proxies: tuple[Network, ...] = ()
    """Networks of the proxies whose word about a client's address is taken."""


class ListenFailed(DeputizeError):
    """The address cannot be listened on."""


async def serve(database_url: str, options: ServeOptions, audit_directory: Path) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first.

    Raises `StorageError`, `AuditUnusable` or `ListenFailed`.
    """
    with _bound(options) as bound:
        async with open_services(database_url, options, audit_directory) as services:
            if not services.directory.current.environments:
                _log.warning(
                    "the database holds no environment",
                    fix="load one: deputize apply FILE with the same --data",
                )
            await _serve(services, options, bound)


def _bound(options: ServeOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        return socket.create_server((options.host, options.port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).partition(" (while")[0]
        raise ListenFailed(
            f"cannot listen on {options.host} port {options.port}: {reason}; choose another --port"
        ) from error


async def _serve(services: Services, options: ServeOptions, bound: socket.socket) -> None:
    server = _Server(server_configuration(create_app(services), options))

    def stop(number: int) -> None:
        _log.info("authority stopping", requests=len(server.server_state.tasks))
        server.handle_exit(number, None)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    spare_collector()
    told: dict[str, JsonValue] = {
        "base_url": options.base_url,
        "host": options.host,
        "port": options.port,
        **operator(),
    }
    services.audit(Event("authority starts", services.clock.now(), None, told))
    await server.serve(sockets=[bound])
    services.audit(Event("authority stopped", services.clock.now(), None, told))


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals alone.

        Uvicorn would raise them again when it is done, and so end the process before the store is closed.
        """
        yield


@contextlib.asynccontextmanager
async def open_services(
    database_url: str, options: ServeOptions, audit_directory: Path
) -> AsyncGenerator[Services]:
    """Everything the authority works with, and the tasks that keep it current."""
    clock, passwords = SystemClock(), Passwords()
    async with (
        open_store(database_url) as store,
        open_audit(audit_directory) as publish,
        asyncio.TaskGroup() as tasks,
    ):
        directory = await open_directory(store.directory_rows, options.base_url, clock)
        housekeeping = (tasks.create_task(directory.watch()), tasks.create_task(_purge(store, clock)))
        yield Services(
            directory=directory,
            store=store,
            clock=clock,
            passwords=passwords,
            new_id=ids.new_id,
            new_token=ids.new_token,
            base_url=options.base_url,
            refresh_token_values=RefreshTokenValues(store.server_keys),
            audit=recorder(publish),
            trusted_proxies=options.trusted_proxies,
        )
        for task in housekeeping:
            task.cancel()
        passwords.close()


def server_configuration(app: ASGIApp, options: ServeOptions) -> uvicorn.Config:
    """Uvicorn with every limit named."""
    return uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        # What a proxy says about the client is nobody's business here: every URL comes from the base URL.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


async def _purge(store: Store, clock: SystemClock) -> None:
    """Delete what expired, now and then, for ever. Ends by cancellation."""
    while True:
        try:
            await store.purge(clock.now())
        except Exception as error:  # noqa: BLE001 - whatever the store raises, the next time may succeed
            _log.error("expired rows were not purged", error=type(error).__name__)
        await asyncio.sleep(PURGE_SECONDS)
