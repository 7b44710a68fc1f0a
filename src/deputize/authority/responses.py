"""JSON answers and wire errors as responses."""

import json
from collections.abc import Mapping

from starlette.responses import Response

from deputize.kernel.values import JsonObject
from deputize.oauth.errors import OAuthError

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""RFC 6749 section 5.1."""
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def json_response(
    document: JsonObject, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`document` as a response that nobody stores unless `headers` say otherwise."""
    body = _JSON.encode(document).encode()
    return Response(body, status, NO_STORE if headers is None else headers, "application/json")


def error_document(error: OAuthError, correlation_id: str) -> dict[str, str]:
    """What a client is told: the code, the public text, and the id under which the log says more."""
    return {"error": error.code, "error_description": described(error, correlation_id)}


def described(error: OAuthError, correlation_id: str) -> str:
    """The public text with the correlation id."""
    return f"{error.description} (Correlation ID: {correlation_id})"


def error_response(error: OAuthError, correlation_id: str) -> Response:
    """The error as RFC 6749 section 5.2 writes it.

    A 401 names the way to authenticate (RFC 9110 section 15.5.2).
    """
    headers = (
        {**NO_STORE, "WWW-Authenticate": 'Basic realm="token", charset="UTF-8"'}
        if error.status == 401
        else NO_STORE
    )
    return json_response(error_document(error, correlation_id), error.status, headers)
