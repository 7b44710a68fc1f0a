"""The administration endpoints: health of the process for whoever runs it (gateway-config reference 8.1)."""

from collections.abc import Callable

from deputize.http.exchange import Exchange
from deputize.http.messages import Headers, Response


class Administration:
    """Answers health checks. `is_ready` tells whether traffic should be sent here."""

    def __init__(self, is_ready: Callable[[], bool]) -> None:
        self._is_ready = is_ready

    async def handle(self, exchange: Exchange) -> Response:
        """200 when the answer is yes, 503 when it is no, 404 for anything else; only GET and HEAD are asked."""
        path = exchange.request.target.path
        if path not in {"/health/live", "/health/ready", "/health/startup", "/ping"}:
            return Response(404)
        if exchange.request.method not in {"GET", "HEAD"}:
            return Response(405, Headers([(b"Allow", b"GET, HEAD")]))
        return Response(503 if path == "/health/ready" and not self._is_ready() else 200)
