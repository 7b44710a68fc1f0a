"""`ReverseProxyHandler`: sends clients' requests on (gateway-config reference 5.2)."""

from typing import Self

import structlog

from deputize.gateway.decisions import let_up
from deputize.gateway.handlers.upstream_settings import UpstreamSettings
from deputize.gateway.site import Site
from deputize.http.exchange import Exchange
from deputize.http.messages import Response
from deputize.http.upstream import StreamsExhausted, Upstream, UpstreamError, UpstreamTimeout

log = structlog.get_logger()


class ReverseProxyHandler:
    """Streams both bodies. What goes wrong before there is an answer is 502 for the client, an event stream too many 503.

    Both are explained in the log.
    """

    class Config(UpstreamSettings):
        """Nothing beyond what such handlers have in common."""

    def __init__(self, upstream: Upstream, name: str) -> None:
        self._send = upstream.send
        self._name = name

    @classmethod
    def build(cls, config: Config, site: Site) -> Self:
        """Make the client."""
        return cls(config.upstream(site), site.name or site.pointer)

    async def handle(self, exchange: Exchange) -> Response:
        """Answer with what the origin answers, or with 502 or 503."""
        unrecorded = await let_up(exchange)
        if unrecorded is not None:
            return unrecorded
        try:
            return await self._send(exchange.request)
        except UpstreamError as error:
            destination = str(exchange.request.origin)
            log.warning(
                "the upstream failed",
                handler=self._name,
                origin=destination,
                reason=str(error),
                fix=_fix(error),
                transaction=exchange.transaction_id,
            )
            return Response(503 if isinstance(error, StreamsExhausted) else 502)


def _fix(error: UpstreamError) -> str:
    if isinstance(error, StreamsExhausted):
        return "raise streams, or limit how many a client may open with a ThrottlingFilter"
    return "raise soTimeout, or have the upstream answer sooner" if isinstance(error, UpstreamTimeout) else ""
