"""What an endpoint is, and what it is given with each request."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.responses import error_response
from deputize.authority.services import Services
from deputize.kernel.values import JsonValue
from deputize.oauth.errors import InvalidRequest, OAuthError
from deputize.oauth.parameters import parse_parameters
from deputize.oauth.records.directory import Environment

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class EndpointCall:
    """One request to one environment's endpoint."""

    request: Request
    services: Services
    environment: Environment
    now: float
    correlation_id: str

    def query(self) -> Mapping[str, str]:
        """The query's parameters. Raises `OAuthError`."""
        return parse_parameters(self.request.url.query)

    async def form(self) -> Mapping[str, str]:
        """The form's parameters. Raises `OAuthError`."""
        if self.request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise InvalidRequest(f"The request body must be {_FORM}")
        return parse_parameters(await self.request.body())

    async def parameters(self) -> Mapping[str, str]:
        """The parameters of a GET's query or a POST's form. Raises `OAuthError`."""
        return await self.form() if self.request.method == "POST" else self.query()

    def record(self, name: str, reason: str | None = None, **members: JsonValue) -> None:
        """Record that `name` happened, or was refused for a `reason`; members as in `audit.Event`."""
        self.services.record(name, self.environment.id, reason, **members)


def log_refusal(call: EndpointCall, error: OAuthError) -> None:
    """What the operator finds under the correlation id that the caller was given."""
    call.record(
        "request refused",
        error.detail,
        endpoint=call.request.url.path.rpartition("/as/")[2],
        error=error.code,
    )


def refuse_as_json(call: EndpointCall, error: OAuthError) -> Response:
    """The error as RFC 6749 section 5.2 writes it."""
    log_refusal(call, error)
    return error_response(error, call.correlation_id)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One feature of the authority's HTTP: where it is and what it does."""

    paths: tuple[str, ...]
    """Templates; `{environment}` is the environment's id."""
    methods: tuple[str, ...]
    answer: Callable[[EndpointCall], Awaitable[Response]]
    refuse: Callable[[EndpointCall, OAuthError], Response] = refuse_as_json
    """How an `OAuthError` that `answer` raises is shown."""
    cross_origin: bool = False
    """Whether pages of any origin may read the answer: only for what is public anyway."""
