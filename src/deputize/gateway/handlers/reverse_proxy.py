"""`ReverseProxyHandler`: sends clients' requests on (gateway-config reference 5.2)."""

from typing import Self

import structlog

from deputize.gateway.config.settings import Duration
from deputize.gateway.exchange.recording import commit_decision
from deputize.gateway.exchange.refusals import failure_response
from deputize.gateway.handlers.upstream_settings import UpstreamSettings
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange
from deputize.http.messages import Response
from deputize.http.upstream import (
    ConnectFailed,
    ConnectTimeout,
    PoolExhausted,
    StreamsExhausted,
    Upstream,
    UpstreamError,
    UpstreamTimeout,
)
from deputize.mcp.context import McpContext

log = structlog.get_logger()


class ReverseProxyHandler:
    """Sends clients' requests to an upstream and streams both bodies.

    An answer that does not come is 502 for the client, 503 when all connections are in use, 504 when it took
    too long. On routes with an `McpValidationFilter` MCP clients get a JSON-RPC error with it; the log
    explains each.
    """

    class Config(UpstreamSettings):
        """The settings of the upstream. `commentInterval` is an extension of PingGateway's format."""

        comment_interval: Duration = 15.0
        """Silence after which an event stream of a route with an `McpValidationFilter` gets a comment line,
        `:`, between two events: clients and what is between do not give it up, and one that is gone is
        noticed. `unlimited` for none.
        """

    def __init__(self, config: Config, upstream: Upstream, name: str) -> None:
        self._config = config
        self._send = upstream.send
        self._name = name

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Make the client."""
        return cls(config, config.upstream(context), context.name or context.pointer)

    async def handle(self, exchange: Exchange) -> Response:
        """Answer with what the origin answers, or with 502, 503 or 504."""
        unrecorded = await commit_decision(exchange)
        if unrecorded is not None:
            return unrecorded
        is_mcp = exchange.find(McpContext) is not None
        if is_mcp:
            exchange.comment_seconds = self._config.comment_interval
        try:
            response = await self._send(exchange.request)
        except UpstreamError as error:
            status, fix, told = self._explain(error)
            log.warning(
                "the upstream failed",
                handler=self._name,
                origin=str(exchange.request.origin),
                reason=str(error),
                fix=fix,
                transaction=exchange.transaction_id,
            )
            return failure_response(exchange, status, told)
        if is_mcp and response.status >= 502 and response.body.buffered == b"":
            # usually of something in between: say as much in JSON-RPC
            failure = failure_response(exchange, response.status, "the MCP server is not available")
            response.body = failure.body
            response.headers.set("Content-Type", failure.headers.get("content-type") or "")
            return response
        if is_mcp and response.status == 404 and exchange.request.headers.get("Mcp-Session-Id") is None:
            log.warning(
                "the MCP server knows nothing at this path",
                handler=self._name,
                origin=str(exchange.request.origin),
                path=exchange.request.target.path,
                fix="map the route's path to the server's with a UriPathRewriteFilter, such as { '/mcp': "
                "'/' }",
                transaction=exchange.transaction_id,
            )
        return response

    def _explain(self, error: UpstreamError) -> tuple[int, str, str]:
        """Status, what the operator can do about it, and what the client may know.

        The client learns that waiting longer is a setting here, and nothing about what is behind.
        """
        match error:
            case StreamsExhausted():
                return (
                    503,
                    "raise streams, or limit how many a client may open with a ThrottlingFilter",
                    "as many event streams are open as the gateway's setting streams allows",
                )
            case PoolExhausted():
                return (
                    503,
                    "raise connections or waitQueueSize, or limit clients with a ThrottlingFilter",
                    "more requests wait for the MCP server than the gateway's setting waitQueueSize allows",
                )
            case ConnectTimeout():
                limit = _seconds(self._config.connection_timeout)
                return (
                    504,
                    "raise connectionTimeout or connections, or have the upstream accept and answer sooner",
                    f"no connection to the MCP server within {limit} (connectionTimeout)",
                )
            case UpstreamTimeout():
                limit = _seconds(self._config.so_timeout)
                return (
                    504,
                    "raise soTimeout, have the upstream answer sooner, or with an event stream",
                    f"the MCP server did not begin its answer within {limit} (soTimeout of the gateway)",
                )
            case ConnectFailed():
                fix = (
                    "start the upstream, or correct scheme, host and port of the baseURI; where the "
                    "certificate is the reason, have a TrustManager trust who issued it"
                )
            case _:
                fix = "look into the upstream's own log: it has to answer in HTTP/1.1, and to the end"
        return 502, fix, "the MCP server cannot be reached, or did not answer as a server should"


def _seconds(limit: float | None) -> str:
    return "the time allowed" if limit is None else f"{limit:g} seconds"
