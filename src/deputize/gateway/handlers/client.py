"""`ClientHandler`: sends the gateway's own requests (gateway-config reference 5.2)."""

from typing import Self

from deputize.gateway.exchange.recording import commit_decision
from deputize.gateway.handlers.upstream_settings import UpstreamSettings
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange
from deputize.http.messages import Response
from deputize.http.upstream import Upstream


class ClientHandler:
    """Sends the gateway's own requests; failures are `UpstreamError`s, and a client they reach gets 500."""

    class Config(UpstreamSettings):
        """The settings that all handlers which send requests share."""

    def __init__(self, upstream: Upstream) -> None:
        self._send = upstream.send

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Make the client."""
        return cls(config.upstream(context))

    async def handle(self, exchange: Exchange) -> Response:
        """Send the request to its origin. Raises `UpstreamError`."""
        return await commit_decision(exchange) or await self._send(exchange.request)
