"""The authority as a program: opens the store and the directory, listens, and purges what expired."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deputize.authority.app import create_app
from deputize.authority.audit import open_audit, operator
from deputize.authority.directory.service import open_directory
from deputize.authority.guard import Network
from deputize.authority.passwords import Passwords
from deputize.authority.seals import RefreshTokenValues
from deputize.authority.services import Services
from deputize.authority.signon.steps import STEPS
from deputize.authority.storage import Store, open_store
from deputize.expressions.functions.mapping import MAPPING_FUNCTIONS
from deputize.kernel import ids
from deputize.kernel.clock import Clock, SystemClock
from deputize.kernel.collector import spare_collector
from deputize.kernel.errors import DeputizeError
from deputize.kernel.families import load_families
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.grants import GRANTS

MAX_CONNECTIONS = 4096
BACKLOG = 2048
KEEP_ALIVE_SECONDS = 30
HEAD_SECONDS = 10.0
MAX_HEAD_SIZE = 32 * 1024
PURGE_SECONDS = 600.0
STOP_SECONDS = 10
FAMILIES = (GRANTS, CLIENT_AUTH_METHODS, STEPS, MAPPING_FUNCTIONS)
"""What other packages may add to."""
_log = structlog.get_logger("deputize.authority")


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

    Raises `ConfigurationError`, `StorageError`, `AuditUnusable` or `ListenFailed`.
    """
    load_families(FAMILIES)
    with listen(options) as bound:
        async with open_services(database_url, options, audit_directory) as services:
            if not services.directory.current.environments:
                _log.warning(
                    "the database holds no environment",
                    fix="load one: deputize apply FILE with the same --data",
                )
            app = create_app(services, options.trusted_proxies)
            server = _Server(server_configuration(app, options))

            def stop(number: int) -> None:
                _log.info("authority stopping", requests=len(server.server_state.tasks))
                server.handle_exit(number, None)

            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop, number)
            spare_collector()
            record = partial(
                services.record,
                environment=None,
                base_url=options.base_url,
                host=options.host,
                port=options.port,
                **operator(),
            )
            record("authority starts")
            await server.serve(sockets=[bound])
            record("authority stopped")


def listen(options: ServeOptions) -> socket.socket:
    """Listen on the address. Raises `ListenFailed`."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        return socket.create_server((options.host, options.port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).partition(" (while")[0]
        raise ListenFailed(
            f"cannot listen on {options.host} port {options.port}: {reason}; choose another --port"
        ) from error


@contextlib.asynccontextmanager
async def open_services(
    database_url: str, options: ServeOptions, audit_directory: Path
) -> AsyncGenerator[Services]:
    """Open everything the authority works with, and run the tasks that keep it current."""
    clock, passwords = SystemClock(), Passwords()
    async with (
        open_store(database_url) as store,
        open_audit(audit_directory) as audit,
        asyncio.TaskGroup() as tasks,
    ):
        directory = await open_directory(store.directory_rows, options.base_url, clock)
        running = (tasks.create_task(directory.watch()), tasks.create_task(purge_repeatedly(store, clock)))
        yield Services(
            directory=directory,
            store=store,
            clock=clock,
            passwords=passwords,
            new_id=ids.new_id,
            new_token=ids.new_token,
            base_url=options.base_url,
            refresh_token_values=RefreshTokenValues(store.server_keys),
            audit_file=audit,
        )
        for task in running:
            task.cancel()
        passwords.close()


async def purge_repeatedly(store: Store, clock: Clock) -> None:
    """Delete what expired, every `PURGE_SECONDS`, until cancelled."""
    while True:
        try:
            await store.purge(clock.now())
        except Exception as error:  # noqa: BLE001 - whatever the store raises, the next time may succeed
            _log.error("expired rows were not purged", error=type(error).__name__)
        await asyncio.sleep(PURGE_SECONDS)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals alone.

        Uvicorn would raise them again when it is done, and so end the process before the store is closed.
        """
        yield


def server_configuration(app: ASGIApp, options: ServeOptions) -> uvicorn.Config:
    """Configure uvicorn, and name every limit."""
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


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections that send no complete request head in time, or too large a one.

    Bodies have their own limits in `guard`, idle kept-alive connections uvicorn's. A head that arrives in one
    read may exceed the size by that read, which the event loop bounds.
    """

    _head_deadline: asyncio.TimerHandle | None = None
    _head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first head."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head."""
        super().data_received(data)
        if self._head_deadline is not None:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD_SIZE:
                self.transport.close()
        elif self.cycle.response_complete:
            # An empty line, or a body after its answer: uvicorn's idle time ended with them, and no request
            # has begun.
            self._expect_head()

    def on_message_begin(self) -> None:
        """Expect the rest of a head whose first byte arrived."""
        super().on_message_begin()
        if self._head_deadline is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """Stop the deadline; what follows has the body's limits."""
        super().on_headers_complete()
        self._stop_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline."""
        self._stop_deadline()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_size = 0
        self._head_deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_deadline(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None
