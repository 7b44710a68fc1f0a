"""`streamingEnabled: false`: bodies are complete before anybody sees them (gateway-config reference 1.3)."""

import structlog

from deputize.gateway.exchange.refusals import failure_response
from deputize.http.exchange import Exchange
from deputize.http.messages import BodyTooLarge, Response
from deputize.http.plans import Handler, ask
from deputize.http.upstream import UpstreamError, UpstreamTimeout

log = structlog.get_logger()
DEFAULT_LIMIT = 16 * 1024 * 1024


class Buffered:
    """A handler in front of which request bodies, and behind which response bodies, are read completely."""

    def __init__(self, handler: Handler, limit: int) -> None:
        """`limit` is the most bytes a body may have."""
        self._handler = handler
        self._limit = limit

    async def handle(self, exchange: Exchange) -> Response:
        """Answer 413 for a request, and 502 for a response, beyond the limit.

        An event stream is held back until it ends. A response that breaks off has not begun for the client,
        and is 502 or 504, as one that did not come.
        """
        try:
            await exchange.request.body.read(self._limit)
        except BodyTooLarge:
            return Response(413)
        response = await ask(self._handler, exchange)
        try:
            await response.body.read(self._limit)
        except BodyTooLarge:
            log.warning(
                "a response is too large to buffer", limit=self._limit, transaction=exchange.transaction_id
            )
            await response.body.aclose()
            return failure_response(exchange, 502, "the answer is too large to be buffered")
        except UpstreamError as error:
            log.warning("a response broke off", reason=str(error), transaction=exchange.transaction_id)
            await response.body.aclose()
            return failure_response(
                exchange, 504 if isinstance(error, UpstreamTimeout) else 502, "the answer broke off"
            )
        return response
