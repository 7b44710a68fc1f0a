"""The application of the management API: its routes, and what it answers to who reaches none of them."""

from typing import Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.management.problems import problem
from deputize.authority.services import Services
from deputize.http.messages import BodyTooLarge

_DETAILS: Final = {404: "There is no such resource", 405: "The resource has other methods, see Allow"}


def make_application(services: Services) -> FastAPI:
    """Make the application over the authority's services."""
    application = FastAPI(
        title="Deputize management API",
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    application.state.services = services
    application.add_exception_handler(HTTPException, answer_http_exception)
    application.add_exception_handler(BodyTooLarge, answer_too_large)
    application.add_exception_handler(Exception, answer_failure)
    return application


def answer_http_exception(request: Request, error: Exception) -> Response:
    """Answer what routing refuses: 404 and 405."""
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    detail = _DETAILS.get(error.status_code, error.detail)
    return problem(error.status_code, detail, request.state.correlation_id, headers=error.headers)


def answer_too_large(request: Request, error: Exception) -> Response:
    """Answer a body that is longer than the bridge hands over."""
    return problem(413, f"The request's {error}", request.state.correlation_id)


def answer_failure(request: Request, _: Exception) -> Response:
    """Answer whatever failed; the bridge logs it."""
    return problem(500, "The log says more under the correlation id", request.state.correlation_id)
