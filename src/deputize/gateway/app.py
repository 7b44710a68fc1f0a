"""The running gateway: listeners in front of what was loaded from an instance directory."""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path

import structlog

from deputize.gateway.administration import HealthAndMetrics
from deputize.gateway.catalogue import FAMILIES, HEAP_TYPES
from deputize.gateway.config.file_settings import ListenerSettings
from deputize.gateway.exchange.recording import unheard_audit
from deputize.gateway.loading.instance import LoadedInstance, load
from deputize.gateway.tls.server_options import ServerTls
from deputize.http.listener import Gate, Listener, ListenerLimits, Records, serve
from deputize.http.plans import Handler, as_handler
from deputize.kernel.clock import Clock, SystemClock
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.families import load_families

log = structlog.get_logger()
LONGEST_GRACE_SECONDS = 86_400.0


class Gateway:
    """Started once, stopped once.

    `ports` are those of the connectors, in the order of `admin.json`; `admin_port` is beside them.
    """

    def __init__(self, instance: LoadedInstance) -> None:
        """Nothing listens yet."""
        self.instance = instance
        self.ports: list[int] = []
        self.admin_port = 0
        self._gate = Gate()
        self._listeners: list[tuple[Listener, float]] = []
        self._serving = False

    @classmethod
    async def load(
        cls, directory: Path, environment: Mapping[str, str], clock: Clock | None = None
    ) -> "Gateway":
        """Build everything configured in `directory`, an absolute path.

        Raises `ConfigurationError` for what stops the start.
        """
        load_families(FAMILIES)
        return cls(await load(directory, environment, clock or SystemClock(), HEAP_TYPES.by_name))

    def problems(self) -> tuple[tuple[ConfigurationError, ...], tuple[ConfigurationError, ...]]:
        """Errors that keep routes or connectors from serving, and warnings.

        Looks at certificates, but does not listen.
        """
        admin = self.instance.admin
        errors = list(self.instance.errors())
        for index, connector in enumerate(admin.settings.connectors):
            try:
                self._tls(connector, admin.file.position.below("connectors", index))
            except ConfigurationError as error:
                errors += admin.file.locate(error).errors
        return tuple(errors), tuple(self.instance.warnings())

    async def start(self) -> None:
        """Listen.

        Raises `ConfigurationError` for an address or certificate that cannot be used; nothing is left
        listening then.
        """
        admin = self.instance.admin
        position, settings = admin.file.position, admin.settings.admin_connector
        health = HealthAndMetrics(lambda: self._serving, self.instance.registry.trail)
        try:
            for index, connector in enumerate(admin.settings.connectors):
                for port in connector.port:
                    at = position.below("connectors", index)
                    listener = await self._open(self.instance.entry, connector, port, at, self._gate)
                    self.ports.append(listener.port)
            at = position.below("adminConnector")
            self.admin_port = (await self._open(as_handler(health), settings, settings.port, at, Gate())).port
        except ConfigurationError as error:
            await self.stop()
            raise admin.file.locate(error) from error
        self._serving = True
        for warning in self.instance.deployment.warnings:
            log.warning(
                "configuration warning", place=str(warning.position), reason=warning.reason, fix=warning.fix
            )
        log.info("the gateway is ready", ports=self.ports, admin_port=self.admin_port)

    async def stop(self) -> None:
        """Accept no more, let exchanges end within the grace period of their connector, close everything.

        Health answers until the end.
        """
        if self._serving:
            log.info("the gateway is stopping", exchanges=self._gate.exchanges, streams=self._gate.streams)
        was_serving, self._serving = self._serving, False
        *traffic, admin = self._listeners or [None]
        await asyncio.gather(*(listener.close(grace) for listener, grace in filter(None, traffic)))
        await self.instance.deployment.close()
        if admin:
            await admin[0].close(admin[1])
        self._listeners.clear()
        if was_serving:
            log.info("the gateway has stopped")

    async def reload(self) -> None:
        """Bring the routes in line with their files now. `admin.json` and `config.json` need a restart."""
        try:
            await self.instance.rescan()
        except ConfigurationError as error:
            log.warning(
                "the routes could not be read again",
                place=str(error.position),
                reason=error.reason,
                fix=error.fix,
            )

    async def _open(
        self, handler: Handler, settings: ListenerSettings, port: int, position: Position, gate: Gate
    ) -> Listener:
        ssl_context = self._tls(settings, position)
        limits = ListenerLimits(
            header_bytes=settings.max_total_headers_size,
            underscores_in_headers=settings.underscores_in_headers,
            host_names=frozenset(settings.host_names),
        )
        registry = self.instance.registry
        try:
            listener = await serve(
                handler,
                host=settings.host,
                port=port,
                ssl=ssl_context,
                limits=limits,
                gate=gate,
                clock=registry.instance.clock,
            )
        except OSError as error:
            reason = f"cannot listen on {settings.host}:{port}: {error.strerror or error}"
            # Named, for what listens by default stands nowhere in the file.
            member = position.pointer.split("/")[1]
            fix = f'set another "port" or "host" in "{member}" of admin.json, or end what uses this one'
            raise ConfigurationError(position.below("port"), reason, fix) from error
        listener.records = Records(registry.trail.hold, unheard_audit(registry.audit_services))
        grace = LONGEST_GRACE_SECONDS if settings.grace_period is None else settings.grace_period
        self._listeners.append((listener, grace))
        return listener

    def _tls(self, settings: ListenerSettings, position: Position) -> ssl.SSLContext | None:
        if settings.tls is None:
            return None
        return self.instance.admin_heap.resolve(settings.tls, ServerTls, position.below("tls")).context
