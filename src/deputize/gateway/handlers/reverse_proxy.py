"""`ReverseProxyHandler`: sends clients' requests on (gateway-config reference 5.2)."""

from functools import partial
from typing import Self

import structlog

from deputize.gateway.config.settings import Duration
from deputize.gateway.exchange.recording import commit_decision
from deputize.gateway.exchange.refusals import failure_response
from deputize.gateway.handlers.upstream_settings import UpstreamSettings
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.heads import RequestHead
from deputize.http.messages import Response
from deputize.http.plans import Outcome, Plan, Run
from deputize.http.upstream import (
    ConnectFailed,
    ConnectTimeout,
    Outgoing,
    PoolExhausted,
    StreamsExhausted,
    Upstream,
    UpstreamError,
    UpstreamTimeout,
)
from deputize.mcp.context import McpRoute

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
        self._begin = upstream.begin
        self._name = name

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Make the client."""
        return cls(config, config.upstream(context), context.name or context.pointer)

    def plan(self, head: Head) -> Plan:
        """Answer with what the origin answers, or with 502, 503 or 504."""
        if head.origin is None:
            return Plan.answering(head, partial(self._send_and_wait, head))
        outgoing = Outgoing(head.origin, head.method, repeatable=head.repeatable)
        written = RequestHead(head.method, head.target, head.headers, head.origin.authority)

        is_mcp = head.find(McpRoute) is not None
        comment_seconds = self._config.comment_interval if is_mcp else None

        def send(run: Run) -> Outcome:
            exchange = run.exchange
            exchange.comment_seconds = comment_seconds
            content = exchange.body.buffered
            if content is not None and not exchange.commits:
                sending = self._begin(
                    outgoing,
                    written.render(len(content), exchange.values),
                    content,
                    None,
                    partial(self._take, run, is_mcp),
                )
                if sending is not None:
                    exchange.went_up = True
                    run.sending = sending
                    return None
            return self._send_and_wait(head, exchange)

        return Plan(send, head)

    def _take(self, run: Run, is_mcp: bool, outcome: Response | Exception) -> None:  # noqa: FBT001 - in a partial
        """Hand over what has come of a call that was sent at once."""
        try:
            if isinstance(outcome, Response):
                if is_mcp and outcome.status >= 400:
                    outcome = self._pass_back(run.exchange, outcome)
            elif isinstance(outcome, UpstreamError):
                outcome = self._fail(run.exchange, outcome)
        except Exception as error:  # noqa: BLE001 - the client waits for an answer
            outcome = error
        run.answered(outcome)

    async def _send_and_wait(self, head: Head, exchange: Exchange) -> Response:
        """Send a call that has to wait, for its record, a connection, or its own body."""
        unrecorded = await commit_decision(exchange)
        if unrecorded is not None:
            return unrecorded
        try:
            response = await self._send(head.request(exchange))
        except UpstreamError as error:
            return self._fail(exchange, error)
        return self._pass_back(exchange, response) if head.find(McpRoute) is not None else response

    def _fail(self, exchange: Exchange, error: UpstreamError) -> Response:
        status, fix, told = self._explain(error)
        log.warning(
            "the upstream failed",
            handler=self._name,
            origin=str(exchange.reached.origin),
            reason=str(error),
            fix=fix,
            transaction=exchange.transaction_id,
        )
        return failure_response(exchange, status, told)

    def _pass_back(self, exchange: Exchange, response: Response) -> Response:
        """Return an MCP server's answer: some are put otherwise for the client, or explained in the log."""
        if response.status >= 502 and response.body.buffered == b"":
            # usually of something in between: say as much in JSON-RPC
            failure = failure_response(exchange, response.status, "the MCP server is not available")
            response.body = failure.body
            response.headers.set("Content-Type", failure.headers.get("content-type") or "")
            return response
        if response.status == 404 and exchange.reached.headers.get("Mcp-Session-Id") is None:
            log.warning(
                "the MCP server knows nothing at this path",
                handler=self._name,
                origin=str(exchange.reached.origin),
                path=exchange.reached.target.path,
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
