"""`ClientHandler`: sends the gateway's own requests (gateway-config reference 5.2)."""

from collections.abc import Awaitable
from typing import Self

from deputize.gateway.handlers.upstream_settings import UpstreamSettings
from deputize.gateway.site import Site
from deputize.http.exchange import Exchange
from deputize.http.messages import Response
from deputize.http.upstream import Upstream


class ClientHandler:
    """What goes wrong is raised as `UpstreamError` for the caller to judge; a client whose exchange it ends gets 500."""

    class Config(UpstreamSettings):
        """Nothing beyond what such handlers have in common."""

    def __init__(self, upstream: Upstream) -> None:
        self._send = upstream.send

    @classmethod
    def build(cls, config: Config, site: Site) -> Self:
        """Make the client."""
        return cls(config.upstream(site))

    def handle(self, exchange: Exchange) -> Awaitable[Response]:
        """Send the request to its origin. Raises `UpstreamError`."""
        return self._send(exchange.request)
