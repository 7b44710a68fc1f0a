"""What an endpoint is, what it is called with, and how it answers programs."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.services import Services
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.errors import InvalidRequest, OAuthError
from deputize.oauth.parameters import parse_parameters
from deputize.oauth.records.directory import Environment

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""RFC 6749 section 5.1."""
_FORM = "application/x-www-form-urlencoded"
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class EndpointCall:
    """One request to one environment's endpoint."""

    request: Request
    services: Services
    environment: Environment
    now: float
    correlation_id: str

    def query(self) -> Mapping[str, str]:
        """Parse the query's parameters. Raises `OAuthError`."""
        return parse_parameters(self.request.url.query)

    async def form(self) -> Mapping[str, str]:
        """Parse the form's parameters. Raises `OAuthError`."""
        if self.request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise InvalidRequest(f"The request body must be {_FORM}")
        return parse_parameters(await self.request.body())

    async def parameters(self) -> Mapping[str, str]:
        """Parse the parameters of a GET's query or a POST's form. Raises `OAuthError`."""
        return await self.form() if self.request.method == "POST" else self.query()

    def record(self, name: str, reason: str | None = None, **members: JsonValue) -> None:
        """Record that `name` happened, or was refused for a `reason`; members as in `audit.Event`."""
        self.services.record(name, self.environment.id, reason, **members)


def json_response(
    document: JsonObject, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Make `document` a response that nobody stores unless `headers` say otherwise."""
    body = _JSON.encode(document).encode()
    return Response(body, status, NO_STORE if headers is None else headers, "application/json")


def public_text(error: OAuthError, correlation_id: str) -> str:
    """Return what a client is told in words, with the id under which the log says more."""
    return f"{error.description} (Correlation ID: {correlation_id})"


def error_document(error: OAuthError, correlation_id: str) -> dict[str, str]:
    """Return what a client is told: the code, and `public_text`."""
    return {"error": error.code, "error_description": public_text(error, correlation_id)}


def error_response(error: OAuthError, correlation_id: str) -> Response:
    """Write the error as RFC 6749 section 5.2 does.

    A 401 names the way to authenticate (RFC 9110 section 15.5.2).
    """
    headers = dict(NO_STORE)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="token", charset="UTF-8"'
    return json_response(error_document(error, correlation_id), error.status, headers)


def log_refusal(call: EndpointCall, error: OAuthError) -> None:
    """Record the refusal under the correlation id that the caller is given."""
    call.record(
        "request refused",
        error.detail,
        endpoint=call.request.url.path.rpartition("/as/")[2],
        error=error.code,
    )


def refuse_as_json(call: EndpointCall, error: OAuthError) -> Response:
    """Record the refusal, and write the error as RFC 6749 section 5.2 does."""
    log_refusal(call, error)
    return error_response(error, call.correlation_id)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One feature of the authority's HTTP: where it is and what it does."""

    paths: tuple[str, ...]
    """Templates of URL paths; `{environment}` is the environment's id."""
    methods: tuple[str, ...]
    answer: Callable[[EndpointCall], Awaitable[Response]]
    refuse: Callable[[EndpointCall, OAuthError], Response] = refuse_as_json
    """How an `OAuthError` that `answer` raises is shown."""
    cross_origin: bool = False
    """Whether pages of any origin may read the answer: only for what is public anyway."""
