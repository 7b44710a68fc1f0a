"""Answers to who reaches no endpoint."""

from typing import Final

from deputize.authority.endpoint import NO_STORE, Fields, json_response
from deputize.authority.signon.pages import Page, choose_language, render
from deputize.http.messages import Headers, Response
from deputize.oauth.consents import parse_accept_language

_ERROR_CODES: Final = {404: "not_found", 500: "server_error", 503: "temporarily_unavailable"}


def turn_away(
    headers: Headers, status: int, description: str, correlation_id: str, fields: Fields = ()
) -> Response:
    """Answer with a page who wants HTML most by the `headers` sent, as browsers do, else in JSON."""
    if not wants_page(headers.get("accept") or ""):
        code = _ERROR_CODES.get(status, "invalid_request")
        response = json_response({"error": code, "error_description": description}, status, NO_STORE)
    else:
        language = choose_language(parse_accept_language(headers.get("accept-language")))
        values = {
            "reason": description,
            "detail": "",
            "advice": "error.advice",
            "correlation_id": correlation_id,
        }
        template = "nothing.html" if status == 404 else "error.html"
        response = render(Page(template, values, status=status), language)
    response.headers.raw = [*response.headers.raw, *fields]
    return response


def wants_page(accept: str) -> bool:
    """Return whether `text/html` comes first in an Accept field, by quality, then by place.

    RFC 9110 section 12.5.1. A quality that is no number counts as 0.
    """
    best, best_quality = "", 0.0
    for entry in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name == "q":
                try:
                    quality = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    quality = 0.0
                break
        if quality > best_quality:
            best, best_quality = kind, quality
    return best == "text/html"
