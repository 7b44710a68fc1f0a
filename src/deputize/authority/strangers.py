"""What callers are told who reach no endpoint: programs in JSON, people in a page."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.responses import json_response
from deputize.authority.signon.pages import Page, choose_language, render
from deputize.oauth.consents import parse_accept_language

_CODES = {404: "not_found", 500: "server_error", 503: "temporarily_unavailable"}


def turn_away(
    request: Request,
    status: int,
    description: str,
    correlation_id: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """`status` and why.

    A page for who wants HTML most (RFC 9110 section 12.5.1), as browsers do, else JSON.
    """
    if not wants_page(request.headers.get("accept", "")):
        return json_response(
            {"error": _CODES.get(status, "invalid_request"), "error_description": description},
            status,
            headers,
        )
    language = choose_language(None, parse_accept_language(request.headers.get("accept-language")), "en")
    values = {"reason": description, "advice": "error.advice", "correlation_id": correlation_id}
    response = render(
        Page("nothing.html" if status == 404 else "error.html", values, status=status), language
    )
    response.headers.update(headers or {})
    return response


def wants_page(accept: str) -> bool:
    """Whether `text/html` comes first in an Accept field: by quality, then by place."""
    entries = [entry.partition(";") for entry in accept.lower().split(",")]
    kinds = sorted(
        ((kind.strip(), _quality(parameters)) for kind, _, parameters in entries), key=lambda entry: -entry[1]
    )
    return bool(kinds) and kinds[0][0] == "text/html" and kinds[0][1] > 0


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
