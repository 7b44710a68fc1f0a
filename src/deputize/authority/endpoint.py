"""What an endpoint is, what it is called with, and how it answers programs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from deputize.authority.audit import Event
from deputize.authority.services import Services
from deputize.http.exchange import Exchange, Head
from deputize.http.heads import Field
from deputize.http.messages import Body, Headers, Response
from deputize.kernel.strict_json import JsonError, dumps, loads
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.errors import InvalidClient, InvalidRequest, OAuthError
from deputize.oauth.parameters import parse_parameters
from deputize.oauth.records.directory import Environment

Fields: TypeAlias = tuple[Field, ...]
"""Header fields of a response that are the same each time."""
MAX_BODY_SIZE: Final = 64 * 1024
"""Bytes; the longest legitimate forms hold two tokens."""
NO_STORE: Final[Fields] = ((b"Cache-Control", b"no-store"), (b"Pragma", b"no-cache"))
"""RFC 6749 section 5.1."""
_IS_JSON: Final = (b"Content-Type", b"application/json")
_FIELDS_OF: Final[Mapping[int, Fields]] = {
    401: ((b"WWW-Authenticate", b'Basic realm="token", charset="UTF-8"'),),
    503: ((b"Retry-After", b"30"),),
}
"""Fields that errors have by their status."""
_FORM: Final = "application/x-www-form-urlencoded"


class HeadReadings(NamedTuple):
    """What endpoints read of a head, once for all calls with it."""

    authorization: str | None
    has_form: bool
    """Whether a form follows, and nothing in front of this server may read another one.

    It may where there are two types, or where the body is encoded.
    """
    read_proofs: Callable[[Exchange], Sequence[str]] | None
    """Reads the proofs of possession of a call, which differ between calls with one head; `None` where there
    are none.
    """


def read_head(head: Head) -> HeadReadings:
    """Return what endpoints read of `head`."""
    headers = head.headers
    kinds = headers.get_all("content-type")
    has_form = len(kinds) == 1 and _is_form(kinds[0]) and "content-encoding" not in headers
    # asking for the value would make the plan this call's
    has_proofs = any(name.lower() == b"dpop" for name, _ in headers.raw)
    return HeadReadings(headers.get("authorization"), has_form, head.reader("dpop") if has_proofs else None)


@dataclass(slots=True)
class EndpointCall:
    """One request to one environment's endpoint."""

    head: Head
    body: Body
    services: Services
    environment: Environment
    now: float
    correlation_id: str
    tail: str = ""
    """The last segment of the path, where the endpoint's own path ends with "/"."""
    read: HeadReadings | None = None
    """What was read of the head before; `None` where it is to be read."""
    proofs: Sequence[str] = ()
    """The values of its fields `DPoP` (RFC 9449 section 4.1)."""
    asked: Mapping[str, JsonValue] | None = None
    """What is known of who asks for what: members for the record of a refusal."""
    happened: Event | None = None
    """What was recorded last, which the log has not got yet."""

    @property
    def method(self) -> str:
        """The head's method."""
        return self.head.method

    @property
    def authorization(self) -> str | None:
        """The head's `Authorization`."""
        return (self.read or read_head(self.head)).authorization

    def query(self) -> Mapping[str, str]:
        """Parse the query's parameters. Raises `OAuthError`."""
        return parse_parameters(self.head.target.query or "")

    async def form(self) -> Mapping[str, str]:
        """Parse the form's parameters. Raises as `encoded_form` does."""
        return parse_parameters(await self.encoded_form())

    async def encoded_form(self) -> bytes:
        """Read the form as it was sent.

        Raises `OAuthError`, and `BodyTooLarge` or `BodyBroken`, which the listener answers.
        """
        if not (self.read or read_head(self.head)).has_form:
            raise InvalidRequest(f"The request body must be {_FORM}")
        return await self.body.read(MAX_BODY_SIZE)

    async def json_object(self, max_size: int, max_depth: int) -> JsonObject:
        """Read the body as a JSON object of at most `max_size` bytes.

        Raises `OAuthError`, and `BodyTooLarge` or `BodyBroken`, which the listener answers.
        """
        kinds = self.head.headers.get_all("content-type")
        if len(kinds) != 1 or kinds[0].partition(";")[0].strip().lower() != "application/json":
            raise InvalidRequest("The request body must be application/json")
        if "content-encoding" in self.head.headers:
            raise InvalidRequest("The request body must not be encoded")
        try:
            value = loads(await self.body.read(MAX_BODY_SIZE), max_size=max_size, max_depth=max_depth)
        except JsonError as error:
            raise InvalidRequest("The request body is not JSON, or too large") from error
        if not isinstance(value, Mapping):
            raise InvalidRequest("The request body is not a JSON object")
        return value

    async def parameters(self) -> Mapping[str, str]:
        """Parse the parameters of a GET's query or a POST's form. Raises as `form` does."""
        return await self.form() if self.head.method == "POST" else self.query()

    def record(self, name: str, reason: str | None = None, **members: JsonValue) -> None:
        """Record that `name` happened, or was refused for a `reason`; members as in `audit.Event`.

        The log gets what happened last when the request ends, in one line with its status and duration.
        """
        if self.happened is not None:
            self.happened.log()
        self.happened = self.services.publish(name, self.environment.id, reason, members)


def _is_form(content_type: str) -> bool:
    return content_type == _FORM or content_type.partition(";")[0].strip().lower() == _FORM


def json_response(document: JsonObject, status: int = 200, fields: Fields = NO_STORE) -> Response:
    """Make `document` a response that nobody stores unless `fields` say otherwise."""
    return json_text_response(dumps(document), status, fields)


def json_text_response(text: bytes, status: int = 200, fields: Fields = NO_STORE) -> Response:
    """Make a response of what is JSON already; see `json_response`."""
    return Response(status, Headers((_IS_JSON, *fields)), Body(text))


def public_text(error: OAuthError, correlation_id: str) -> str:
    """Return what a client is told in words, with the id under which the log says more."""
    return f"{error.description} (Correlation ID: {correlation_id})"


def error_document(error: OAuthError, correlation_id: str) -> dict[str, str]:
    """Return what a client is told: the code, and `public_text`."""
    return {"error": error.code, "error_description": public_text(error, correlation_id)}


def error_response(error: OAuthError, correlation_id: str) -> Response:
    """Write the error as RFC 6749 section 5.2 does.

    A 401 names the way to authenticate (RFC 9110 section 15.5.2), a 503 when to come again (15.6.4).
    """
    fields = (*NO_STORE, *_FIELDS_OF.get(error.status, ()))
    return json_response(error_document(error, correlation_id), error.status, fields)


def log_refusal(call: EndpointCall, error: OAuthError) -> None:
    """Record the refusal under the correlation id that the caller is given."""
    claimed = error.claimed if isinstance(error, InvalidClient) else None
    members = {"claimed_client_id": claimed, **(call.asked or {})}
    endpoint = call.head.target.path.rpartition("/as/")[2]
    call.record("request refused", error.detail, endpoint=endpoint, error=error.code, **members)


def refuse_as_json(call: EndpointCall, error: OAuthError) -> Response:
    """Record the refusal, and write the error as RFC 6749 section 5.2 does."""
    log_refusal(call, error)
    return error_response(error, call.correlation_id)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One feature of the authority's HTTP: where it is and what it does."""

    paths: tuple[str, ...]
    """URL paths, in which `{environment}` stands for the environment's id.

    One that ends with "/" stands for every path with one more segment, which is `EndpointCall.tail`.
    """
    methods: tuple[str, ...]
    """GET includes HEAD."""
    answer: Callable[[EndpointCall], Awaitable[Response]]
    refuse: Callable[[EndpointCall, OAuthError], Response] = refuse_as_json
    """How an `OAuthError` that `answer` raises is shown."""
    cross_origin: bool = False
    """Whether pages of any origin may call it and read the answer.

    Only where nothing is answered that who asks has no credential for: never by a cookie.
    """
    is_offered: Callable[[Environment], bool] = lambda _: True
    """Whether an environment has it; otherwise nothing is there."""
    for_programs: bool = False
    """Whether programs call it, often. `answer` is then begun without a task: see `kernel.beginning`."""
