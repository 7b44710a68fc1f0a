"""How the API says what went wrong: problem details (RFC 9457), with what to change where."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from deputize.kernel.strict_json import dumps

MEDIA_TYPE: Final = "application/problem+json"


def problem(
    status: int,
    detail: str,
    correlation_id: str,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a problem. Each of `errors` has a JSON `pointer`, a `detail` and, where known, a `fix`."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "correlation_id": correlation_id,
    }
    if errors:
        document["errors"] = [dict(each) for each in errors]
    fields = {"Cache-Control": "no-store", **(headers or {})}
    return Response(dumps(document), status, fields, MEDIA_TYPE)
