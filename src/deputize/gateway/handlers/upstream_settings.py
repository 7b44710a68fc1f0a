"""What the handlers that send requests on have in common (gateway-config reference 5.2)."""

from pydantic import Field

from deputize.gateway.settings import Duration, Reference, Settings
from deputize.gateway.site import Site
from deputize.gateway.tls import ClientTls
from deputize.http.upstream import Deadlines, PoolLimits, Upstream


class UpstreamSettings(Settings):
    """`connections` and `waitQueueSize` are for each origin; `soTimeout` is the longest silence of the upstream."""

    connections: int = Field(64, ge=1)
    wait_queue_size: int | None = Field(None, ge=0)
    connection_timeout: Duration = 10.0
    so_timeout: Duration = 10.0
    tls: Reference | None = None

    def upstream(self, site: Site) -> Upstream:
        """A client with these settings, closed with the object that `site` belongs to."""
        limits = PoolLimits(connections=self.connections, waiting=self.wait_queue_size)
        deadlines = Deadlines(connect=self.connection_timeout, idle=self.so_timeout)
        context = site.refer(self.tls, ClientTls, "tls").context if self.tls else None
        upstream = Upstream(limits=limits, deadlines=deadlines, ssl_context=context)
        site.on_close(upstream.aclose)
        return upstream
