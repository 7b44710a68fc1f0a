"""`AuthorityAuditEventHandler`: delivers MCP records to the authority, for people to search."""

import time
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog
from pydantic import Field

from deputize.audit.publisher import AuditSink, Publish
from deputize.audit.records import MCP
from deputize.audit.sinks.spool import Spool
from deputize.gateway.audit.event_handlers.event_handler import EventHandlerSettings
from deputize.gateway.authorities.client_credentials import ClientCredentials
from deputize.gateway.authorities.endpoint import AuthorityEndpoint, AuthorityError
from deputize.gateway.config.settings import Reference
from deputize.gateway.loading.context import BuildContext
from deputize.kernel.clock import Clock
from deputize.kernel.uris import UriError, is_loopback_host, parse_origin
from deputize.secrets.secret import SecretError, SecretStore

log = structlog.get_logger()
_KIND: Final = "application/x-ndjson"
_MAX_SIZE: Final = 48 * 1024
"""Bytes of one delivery; the authority takes 64 KiB."""
_MAX_RECORDS: Final = 200
_SECONDS: Final = 1.0
"""Between looks at what waits."""
_LONGEST_WAIT: Final = 60.0
_FIXES: Final[Mapping[int, str]] = {
    400: ": clientId must be the id of a resource, not of an agent",
    401: ": clientId and clientSecretId must be the resource's, as for introspection",
    404: ": issuer must be an environment's issuer, and the authority one that takes records",
}
"""What is to be looked at, by the status of a refusal."""


class AuthorityAuditEventHandler:
    """Delivers MCP records to the authority that issued the tokens, for its pages Audit and Activity.

    Records wait in files, so that no call waits for the authority and none is lost while it is away, within
    bounds. The authority keeps each once, however often it is delivered.
    """

    java_class: Final = "AuthorityAuditEventHandler"

    class Config(EventHandlerSettings):
        """The authority by its issuer, and the resource whose tokens are used here, as for introspection.

        An extension of PingGateway's format; the only topic is `mcp`.
        """

        issuer: str
        """The authority's issuer; https, except on this machine."""
        client_id: str
        """The resource's id."""
        client_secret_id: str
        """Id of the secret that is the resource's secret."""
        secrets_provider: Reference
        """The store that has it."""
        provider_handler: Reference = "ForgeRockClientHandler"
        """Sends the records."""
        spool_directory: str = "spool"
        """Folder for records that wait; a relative one is taken from the instance folder."""
        max_spool_size: int = Field(64 * 1024 * 1024, ge=64 * 1024)
        """Bytes of records that wait at most; beyond it the oldest are dropped and counted."""

    @classmethod
    def build(cls, config: Config, context: BuildContext, key: str, *, strict: bool) -> AuditSink:
        """Open the spool, and deliver what waits in it while the route is deployed."""
        at = f"{key}/config"
        if set(config.topics) != {MCP}:
            raise context.error(f"{at}/topics", "only MCP records are delivered", 'write "topics": ["mcp"]')
        store = context.refer(config.secrets_provider, SecretStore, f"{at}/secretsProvider")
        credentials = ClientCredentials(config.client_id, store, config.client_secret_id)
        handler = (config.provider_handler, f"{at}/providerHandler")
        url = f"{config.issuer.rstrip('/')}/activities"
        endpoint = AuthorityEndpoint.configured(url, f"{at}/issuer", handler, context)
        folder = sha256(f"{config.issuer}\n{config.client_id}".encode()).hexdigest()[:16]
        directory = context.instance.directory / Path(config.spool_directory) / folder
        try:
            origin = parse_origin(url)
            if origin.scheme != "https" and not is_loopback_host(origin.host):
                raise context.error(f"{at}/issuer", "the records name users, and would go unencrypted")
            credentials.secret()
            spool = Spool(
                directory,
                f"activities at {config.issuer}",
                config.max_spool_size,
                config.buffering.to_buffering(),
                context.registry.trail,
            )
        except SecretError as error:
            raise context.error(f"{at}/clientSecretId", str(error)) from error
        except UriError as error:
            raise context.error(f"{at}/issuer", str(error)) from error
        except OSError as error:
            reason = f"records cannot be kept in {directory}: {error.strerror}"
            raise context.error(f"{at}/spoolDirectory", reason, "name a folder that is writable") from error
        sink = _DeliveringSink(spool, endpoint, credentials, context.instance.clock)
        context.every(_SECONDS, sink.deliver)
        return sink


class _DeliveringSink:
    """Takes records, and delivers them by and by."""

    topics = frozenset({MCP})

    def __init__(
        self, spool: Spool, endpoint: AuthorityEndpoint, credentials: ClientCredentials, clock: Clock
    ) -> None:
        self._spool = spool
        self._endpoint = endpoint
        self._credentials = credentials
        self._clock = clock
        self._wait = 0.0
        self._not_before = 0.0
        self._reported: int | None = None
        """Why records wait, as the log has it: a status, or 0 for a secret that is gone."""
        self.close = spool.close

    def taker(self, topic: str) -> Publish:  # noqa: ARG002 - there is one
        """Return what takes one record."""
        return self._spool.take

    def committer(self, topic: str) -> None:
        """Return `None`: a record that is delivered is no record of proof."""

    async def deliver(self) -> None:
        """Deliver what waits, unless that failed a short while ago; then seal what came meanwhile.

        What is sealed is delivered the next time, when nobody writes to it any more. Raises `OSError`.
        """
        if time.monotonic() >= self._not_before:
            await self._deliver_sealed()
        self._spool.seal()

    async def _deliver_sealed(self) -> None:
        """Deliver the sealed files, or say why they wait, and for how long."""
        try:
            for path in self._spool.sealed():
                content = path.read_bytes() if path.exists() else b""  # another route may have delivered it
                for part in self._parts(content):
                    await self._send(part)
                self._spool.remove(path, len(content))
        except (AuthorityError, SecretError) as error:
            self._spool.count_failure()
            cause = error.status if isinstance(error, AuthorityError) else 0
            if cause != self._reported:
                self._reported = cause
                log.warning("audit records wait to be delivered", error=str(error))
            self._wait = min(max(self._wait * 2, _SECONDS), _LONGEST_WAIT)
            self._not_before = time.monotonic() + self._wait
            return
        if self._reported is not None:
            self._reported = None
            log.warning("audit records are delivered again")
        self._wait = 0.0

    def _parts(self, content: bytes) -> Iterator[bytes]:
        """Yield the lines of a file in parts that the authority takes."""
        part: list[bytes] = []
        size = 0
        for line in content.split(b"\n"):
            if len(line) > _MAX_SIZE:
                self._spool.count_dropped(1, "it is too long to be delivered")
                continue
            if part and (size + len(line) >= _MAX_SIZE or len(part) >= _MAX_RECORDS):
                yield b"\n".join(part)
                part, size = [], 0
            if line:
                part.append(line)
                size += len(line) + 1
        if part:
            yield b"\n".join(part)

    async def _send(self, part: bytes) -> None:
        """Deliver some records. Raises `AuthorityError` and `SecretError`."""
        authorization = self._credentials.encoded_basic()
        answer = await self._endpoint.send(part, _KIND, authorization, self._clock.now())
        if answer.status != 200:
            fix = _FIXES.get(answer.status, "")
            reason = f"{self._endpoint.place} takes no records ({answer.status}{answer.said}){fix}"
            raise AuthorityError(answer.status, reason)
        refused = answer.value.get("refused") if isinstance(answer.value, dict) else None
        if isinstance(refused, int) and refused:
            log.warning("the authority refuses records; its audit says why", records=refused)
