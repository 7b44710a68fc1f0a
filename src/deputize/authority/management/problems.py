"""How the API says what went wrong: problem details (RFC 9457), with what to change where."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from deputize.kernel.errors import ConfigurationError, DeputizeError
from deputize.kernel.strict_json import dumps
from deputize.kernel.values import JsonObject, JsonValue

MEDIA_TYPE: Final = "application/problem+json"
NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}


class RequestRefused(DeputizeError):
    """A request is malformed, or may not be made as it was."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[JsonObject] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`errors` and `headers` as in `problem`."""
        super().__init__(detail)
        self.status = status
        self.errors = errors
        self.headers = headers or {}


def problem(
    status: int,
    detail: str,
    correlation_id: str,
    errors: Sequence[JsonObject] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a problem.

    Each of `errors` has a JSON `pointer` into the body or file, there also `line` and `column`, or the
    `parameter` that it is about; a `detail` and, where known, a `fix`.
    """
    document: dict[str, JsonValue] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "correlation_id": correlation_id,
    }
    if errors:
        document["errors"] = [dict(each) for each in errors]
    return Response(dumps(document), status, {**NO_STORE, **(headers or {})}, MEDIA_TYPE)


def members_of(errors: Sequence[ConfigurationError]) -> list[JsonObject]:
    """Return what `problem` tells of each error in an entry or file."""
    told: list[JsonObject] = []
    for each in errors:
        place = each.position
        lines: JsonObject = {"line": place.line, "column": place.column} if place.line is not None else {}
        fix: JsonObject = {"fix": each.fix} if each.fix else {}
        told.append({"pointer": place.pointer, **lines, "detail": each.reason, **fix})
    return told
