"""The authority as a program: opens the store and the directory, listens, and purges what expired."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import structlog

from deputize.authority.administration import Operator
from deputize.authority.administration.administrators import find_environment, invite_first
from deputize.authority.app import Authority
from deputize.authority.audit import open_audit, operator
from deputize.authority.backchannel_logout import deliver_repeatedly
from deputize.authority.breached_passwords import BreachedPasswords
from deputize.authority.callers import Network
from deputize.authority.directory.changes import complete_signing_keys
from deputize.authority.directory.objects import MANAGEMENT
from deputize.authority.directory.service import open_directory
from deputize.authority.endpoint import MAX_BODY_SIZE
from deputize.authority.environment_file import EnvironmentFileInvalid
from deputize.authority.fetching import Fetcher, Fetching
from deputize.authority.passwords import Passwords
from deputize.authority.services import Services
from deputize.authority.signon.steps import STEPS
from deputize.authority.storage import DirectoryConflict, StorageUnavailable, open_store
from deputize.expressions.functions.mapping import MAPPING_FUNCTIONS
from deputize.http.listener import Gate, Listener, ListenerLimits, Records, Unheard
from deputize.http.listener import serve as serve_http
from deputize.kernel import ids
from deputize.kernel.clock import SystemClock
from deputize.kernel.collector import spare_collector
from deputize.kernel.errors import DeputizeError
from deputize.kernel.families import load_families
from deputize.kernel.uris import LOOPBACK_HOSTS, is_loopback_host, parse_origin
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.grants import GRANTS

MAX_CONNECTIONS = 4096
LIMITS = ListenerLimits(  # how long a body may be says who reads it: endpoints 64 KiB, applications more
    request_line_bytes=8192,  # the address of a sign-on holds the authorization request
    header_bytes=24 * 1024,  # with the cookies of several environments, or a token
    body_idle_seconds=10.0,
    body_seconds=10.0,
    body_rate=MAX_BODY_SIZE,
    keep_alive_seconds=30.0,
)
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
    fetching: Fetching = field(default_factory=Fetching)
    """What documents of clients may be fetched from beyond the public internet."""
    breached_passwords: BreachedPasswords | None = None
    """What nobody may choose as a password."""
    provider_secrets: Path | None = None
    """The folder with the client secrets that identity providers gave."""


class ListenFailed(DeputizeError):
    """The address cannot be listened on."""


async def serve(
    database_url: str, options: ServeOptions, audit_directory: Path, announce: Callable[[str], object]
) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first.

    `announce` tells whoever started the server what no log may hold: the first administrator's invitation.

    Raises `ConfigurationError`, `StorageError`, `AuditUnusable` or `ListenFailed`.
    """
    load_families(FAMILIES)
    async with open_services(database_url, options, audit_directory) as services:
        await follow_base_url(services)
        link = await invite_first(services.store, services.passwords, services.clock, options.base_url)
        if link is not None:
            await services.directory.refresh()
            announce(f"\nThere is no administrator yet. This link makes one, once, for a day:\n\n  {link}\n")
        if options.fetching.networks:
            _log.warning(
                "whoever may name a document can have this server connect to networks that are not public",
                networks=[str(each) for each in options.fetching.networks],
                fix="leave out --fetch-network, unless this is for development or they are open anyway",
            )
        listener = await listen(services, options)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
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
        await stop.wait()
        _log.info("authority stopping", requests=listener.gate.exchanges)
        await listener.close(STOP_SECONDS)
        record("authority stopped")


async def listen(services: Services, options: ServeOptions, limits: ListenerLimits = LIMITS) -> Listener:
    """Answer on the address. Raises `ListenFailed`."""
    app = Authority(services, options.trusted_proxies)
    if is_loopback_host(options.host):
        # Web pages anywhere may have a name of theirs resolve to this machine (DNS rebinding).
        names = LOOPBACK_HOSTS | {parse_origin(options.base_url).host}
        limits = replace(limits, host_names=names)
    try:
        listener = await serve_http(
            app,
            host=options.host,
            port=options.port,
            limits=limits,
            gate=Gate(MAX_CONNECTIONS, MAX_CONNECTIONS),
        )
    except OSError as error:
        reason = (error.strerror or type(error).__name__).partition(" (while")[0]
        raise ListenFailed(
            f"cannot listen on {options.host} port {options.port}: {reason}; choose another --port"
        ) from error
    if services.audit_file is not None:
        listener.records = Records(services.audit_file.hold, log_unheard)
    return listener


def log_unheard(unheard: Unheard) -> None:
    """Log a request that was answered 503 for want of room; what could not be read, the listener logs."""
    if unheard.request is not None:
        _log.warning(
            "request refused",
            status=unheard.status,
            reason=unheard.reason,
            client_ip=unheard.peer.remote_address,
        )


async def follow_base_url(services: Services) -> None:
    """Have the administrators' environment say where it is served now: commands make links with that.

    The resource `MANAGEMENT` is in each server's snapshot where that server has it. What is stored of its
    audience is nobody's address in particular, as several servers may share a database: none changes it.
    """
    home = await find_environment(services.store)
    if home is None:
        return
    start = Operator("command", str(os.getuid()), "", frozenset({"administrator"}))
    with contextlib.suppress(EnvironmentFileInvalid, DirectoryConflict):  # a default that --base-url replaces
        await services.administration.environments.change(start, home.id, {})
    audience = f"{services.base_url}/v1"
    resources = services.directory.current.environments[home.id].resources.values()
    other = next((each for each in resources if each.audience == audience and each.name != MANAGEMENT), None)
    if other is not None:
        _log.warning(
            "no token opens the management API: another resource has its address",
            audience=audience,
            resource=other.name,
            fix=f"give {other.name} another audience",
        )


@contextlib.asynccontextmanager
async def open_services(
    database_url: str, options: ServeOptions, audit_directory: Path
) -> AsyncGenerator[Services]:
    """Open everything the authority works with, and run the tasks that keep it current."""
    clock, passwords = SystemClock(), Passwords()
    async with open_store(database_url) as store, open_audit(audit_directory) as audit:
        await complete_signing_keys(store.directory_rows, clock.now())
        directory = await open_directory(store.directory_rows, options.base_url, clock)
        services = Services(
            directory=directory,
            store=store,
            clock=clock,
            passwords=passwords,
            new_id=ids.new_id,
            new_token=ids.new_token,
            base_url=options.base_url,
            audit_file=audit,
            fetcher=Fetcher(options.fetching),
            breached_passwords=options.breached_passwords,
            provider_secrets=options.provider_secrets,
        )
        # All go on whatever fails, until they are cancelled.
        repeated = (
            directory.watch(),
            purge_repeatedly(services),
            deliver_repeatedly(services),
            services.activity_writer.write_repeatedly(),
        )
        running = [asyncio.create_task(each) for each in repeated]
        try:
            yield services
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
            with contextlib.suppress(StorageUnavailable):
                await services.activity_writer.write_all()
            passwords.close()


async def purge_repeatedly(services: Services) -> None:
    """Delete what expired, and agents that nobody uses, every `PURGE_SECONDS`, until cancelled."""
    while True:
        try:
            await purge(services)
        except Exception as error:  # noqa: BLE001 - whatever the store raises, the next time may succeed
            _log.error("expired rows were not purged", error=type(error).__name__)
        await asyncio.sleep(PURGE_SECONDS)


async def purge(services: Services) -> None:
    """Delete what expired, and of the agents that introduced themselves those that nobody uses."""
    now = services.clock.now()
    await services.store.purge(now)
    for environment in services.directory.current.environments.values():
        await services.store.activities.purge(environment.id, now - environment.settings.activity_retention)
        for agent_id in await services.introductions.forget_unused(environment, now):
            services.record("agent forgotten", environment.id, client_id=agent_id)
