"""What the API answers to a request that it does not carry out."""

import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.administration import EtagMismatch, InUse, NoSuchObject, NotPermitted
from deputize.authority.administration.views import CursorInvalid
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.management.problems import RequestRefused, members_of, problem
from deputize.authority.management.routing import offer_nonce
from deputize.authority.passwords import TooBusy
from deputize.authority.proofs import challenges, status_of
from deputize.authority.services import Services
from deputize.authority.storage import DirectoryConflict, StorageUnavailable
from deputize.http.messages import BodyTooLarge
from deputize.jose import KeyInvalid
from deputize.kernel.errors import DeputizeError
from deputize.oauth.errors import OAuthError

_STATUSES: Final[Mapping[type[DeputizeError], int]] = {
    NotPermitted: 403,
    NoSuchObject: 404,
    InUse: 409,
    DirectoryConflict: 409,
    KeyInvalid: 409,
    BodyTooLarge: 413,
}
_DETAILS: Final = {404: "There is no such resource", 405: "The resource has other methods: see Allow"}
_PARAMETER: Final = re.compile(r"\{[^}]*\}")


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Answer what routing refuses: 404, and 405 with all methods that there are."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = {"Allow": ", ".join(_methods_at(request))} if status == 405 else None
    return problem(status, _DETAILS.get(status, "The request is refused"), _id(request), headers=headers)


def _methods_at(request: Request) -> list[str]:
    """Return the methods of what is at a request's path."""
    paths: Mapping[str, Mapping[str, Any]] = request.state.paths
    methods: set[str] = set()
    for template, operations in paths.items():
        if re.fullmatch(_PARAMETER.sub("[^/]+", template), request.url.path):
            methods |= {method.upper() for method in operations}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set[str]()))


async def answer_wrong_parameters(request: Request, error: Exception) -> Response:
    """Answer parameters of path, query or header that are wrong."""
    details = error.errors() if isinstance(error, RequestValidationError) else ()
    errors = [{"parameter": str(each["loc"][-1]), "detail": str(each["msg"])} for each in details]
    return problem(400, "Parameters are wrong", _id(request), errors)


async def answer_refusal(request: Request, error: Exception) -> Response:
    """Answer what was refused on purpose."""
    match error:
        case RequestRefused():
            return problem(error.status, str(error), _id(request), error.errors, error.headers)
        case EnvironmentFileInvalid():
            errors = members_of(error.errors)
            return problem(422, "the entry cannot be applied: errors say why", _id(request), errors)
        case TooBusy():
            return problem(503, str(error), _id(request), headers={"Retry-After": "1"})
        case EtagMismatch():
            headers = {"ETag": f'"{error.current}"'} if error.current else {}
            return problem(412, str(error), _id(request), headers=headers)
        case _:
            status = next((_STATUSES[each] for each in type(error).__mro__ if each in _STATUSES), None)
            if status is None:
                raise error
            return problem(status, str(error), _id(request))


async def answer_wrong_cursor(request: Request, error: Exception) -> Response:
    """Answer a cursor that no page gave."""
    wrong = {"parameter": "cursor", "detail": str(error)}
    return problem(400, "Parameters are wrong", _id(request), [wrong])


async def answer_unauthorized(request: Request, error: Exception) -> Response:
    """Answer who presents no token that opens the API."""
    if not isinstance(error, OAuthError):
        raise error
    services: Services = request.state.services
    services.record("request refused", None, error.detail, endpoint=request.url.path, error=error.code)
    response = problem(status_of(error), error.description, _id(request))
    for challenge in challenges(request.headers.get("authorization"), error):
        response.headers.append("WWW-Authenticate", challenge)
    await offer_nonce(services, request, response)
    return response


async def answer_unavailable(request: Request, _: Exception) -> Response:
    """Answer while the store does not."""
    return problem(
        503, "The server cannot answer now; try again later", _id(request), (), {"Retry-After": "5"}
    )


async def answer_failure(request: Request, _: Exception) -> Response:
    """Answer whatever failed; the bridge logs it."""
    return problem(500, "The log says more under the correlation id", _id(request))


def _id(request: Request) -> str:
    return request.state.correlation_id


REFUSALS: Final[Mapping[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]] = {
    HTTPException: answer_http_exception,
    RequestValidationError: answer_wrong_parameters,
    DeputizeError: answer_refusal,
    CursorInvalid: answer_wrong_cursor,
    OAuthError: answer_unauthorized,
    StorageUnavailable: answer_unavailable,
    Exception: answer_failure,
}
