"""What `streamingEnabled: false` means: bodies are complete before anybody sees them (gateway-config reference 1.3)."""

import structlog

from deputize.http.exchange import Exchange, Handler
from deputize.http.messages import BodyTooLarge, Response

log = structlog.get_logger()
DEFAULT_LIMIT = 16 * 1024 * 1024


class Buffered:
    """A handler in front of which request bodies, and behind which response bodies, are read completely."""

    def __init__(self, handler: Handler, limit: int) -> None:
        """`limit` is the most bytes a body may have."""
        self._handler = handler
        self._limit = limit

    async def handle(self, exchange: Exchange) -> Response:
        """Answer 413 for a request, and 502 for a response, beyond the limit. An event stream is held back until it ends."""
        try:
            await exchange.request.body.read(self._limit)
        except BodyTooLarge:
            return Response(413)
        response = await self._handler.handle(exchange)
        try:
            await response.body.read(self._limit)
        except BodyTooLarge:
            log.warning("a response is too large to buffer", limit=self._limit, transaction=exchange.transaction_id)
            await response.body.aclose()
            return Response(502)
        return response
