"""Whether the process runs, and whether it can answer."""

import structlog
from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.responses import json_response
from deputize.authority.services import Services
from deputize.kernel.digests import digest

_log = structlog.get_logger("deputize.authority")


async def live(_request: Request) -> Response:
    """`GET /health/live`: the event loop turns."""
    return json_response({"status": "live"})


async def ready(services: Services, _request: Request) -> Response:
    """`GET /health/ready`: the store answers a read; 503 otherwise."""
    try:
        await services.store.sessions.find_session("", digest("health"))
    except Exception as error:  # noqa: BLE001 - whatever the store raises, it is not ready
        _log.error("store does not answer", error=type(error).__name__)
        return json_response({"status": "store does not answer"}, 503)
    return json_response({"status": "ready"})
