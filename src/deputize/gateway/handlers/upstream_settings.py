"""What the handlers that send requests on have in common (gateway-config reference 5.2)."""

from pydantic import Field

from deputize.gateway.config.settings import Duration, Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.tls.client_options import ClientTls, client_tls
from deputize.gateway.tls.managers import KeyManager, TrustManager
from deputize.http.upstream import Deadlines, PoolLimits, Upstream


class UpstreamSettings(Settings):
    """The limits of connections; `connections`, `streams` and `waitQueueSize` are for each origin.

    `streams`, `bodyTimeout` and `streamTimeout` are extensions of PingGateway's format.
    """

    connections: int = Field(64, ge=1)
    """Connections to one origin that are open at most, those that carry event streams not counted."""
    streams: int = Field(1000, ge=1)
    """Event streams from one origin that are open at most; more are 503."""
    wait_queue_size: int | None = Field(None, ge=0)
    """Requests that wait for a connection at most; without limit when absent."""
    connection_timeout: Duration = 10.0
    """How long connecting may take."""
    so_timeout: Duration = 10.0
    """How long the upstream may take for the head of its answer, and be silent within an ordinary body.

    Then 504, or the end.
    """
    body_timeout: Duration = 300.0
    """How long an ordinary body may take in all, with a second more for each KiB that has come."""
    stream_timeout: Duration = None
    """How long an event stream may be silent.

    By default for as long as both ends live, of which TCP keep-alive asks them.
    """
    tls: Reference | None = None
    """A `ClientTlsOptions`; the system's authorities when absent."""
    key_manager: Reference | None = None
    """As in `ClientTlsOptions`, where no `tls` is set; older files have it here."""
    trust_manager: Reference | None = None
    """As in `ClientTlsOptions`, where no `tls` is set; older files have it here."""

    def upstream(self, context: BuildContext) -> Upstream:
        """A client with these settings, closed with the object that `context` belongs to."""
        limits = PoolLimits(connections=self.connections, streams=self.streams, waiting=self.wait_queue_size)
        deadlines = Deadlines(
            connect=self.connection_timeout,
            idle=self.so_timeout,
            body=self.body_timeout,
            stream=self.stream_timeout,
        )
        tls = context.refer_if_set(self.tls, ClientTls, "tls")
        if self.key_manager or self.trust_manager:
            if tls is not None:
                key = "trustManager" if self.trust_manager else "keyManager"
                raise context.error(
                    key, "tls says already how TLS is spoken", "write it into the ClientTlsOptions"
                )
            own = context.refer_if_set(self.key_manager, KeyManager, "keyManager")
            trust = context.refer_if_set(self.trust_manager, TrustManager, "trustManager")
            tls = client_tls(own, trust, context)
        upstream = Upstream(limits=limits, deadlines=deadlines, ssl_context=tls.context if tls else None)
        context.on_close(upstream.aclose)
        return upstream
