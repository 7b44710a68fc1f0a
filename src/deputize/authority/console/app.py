"""The console: administrators' pages, each the same change that the management API and `apply` make.

How a section is made (docs/howto/add-a-console-page.md shows one whole):

* `pages/NAME.py` holds handlers and `SECTION`, which `pages/__init__.py` lists. A handler takes a
  `ConsoleCall` and returns `call.show(...)` or, after a change, `await call.leave(...)`. It never looks at
  roles or tokens: a page's `show` is called for those in `ConsoleSection.seen_by`, its `submit` for those in
  `changed_by` with this session's own form; what an operator may do with an object, the administration
  decides.
* `templates/NAME*.html` extend `layout.html` and use the macros of `components.html`.
* `languages/NAME.toml` has the texts in `[en]` and `[de]`.

Everything works without JavaScript: htmx only replaces parts of a page as links and forms of it would.
"""

from collections.abc import Mapping
from functools import partial
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from deputize.authority.administration import EtagMismatch, InUse, NoSuchObject, NotPermitted
from deputize.authority.administration.views import CursorInvalid
from deputize.authority.asgi import Application
from deputize.authority.console.call import ConsoleCall, flash_name, read_flash
from deputize.authority.console.frame import make_frame
from deputize.authority.console.guide import find_next
from deputize.authority.console.pages import SECTIONS
from deputize.authority.console.rendering import ASSETS, ASSETS_PATH, asset
from deputize.authority.console.requests import FormForged, is_own_form, read_form
from deputize.authority.console.section import ConsolePage, ConsoleSection, Handler
from deputize.authority.console.session import (
    CONSOLE_PATH,
    administrators,
    cookie_attributes,
    cookie_name,
    csrf_token,
    find_administrator,
)
from deputize.authority.console.welcome import welcome
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.passwords import TooBusy
from deputize.authority.services import Services
from deputize.authority.storage import DirectoryConflict
from deputize.jose import KeyInvalid

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
PROBLEMS: Mapping[type[Exception], tuple[int, str]] = {
    NotPermitted: (403, "forbidden"),
    FormForged: (403, "forged"),
    NoSuchObject: (404, ""),
    CursorInvalid: (404, ""),
    InUse: (409, "conflict"),
    DirectoryConflict: (409, "conflict"),
    EtagMismatch: (409, "conflict"),
    EnvironmentFileInvalid: (409, "conflict"),
    KeyInvalid: (409, "conflict"),
    TooBusy: (503, "busy"),
}
"""Status and reason of the pages that errors of handlers become."""


def make_console(services: Services) -> Application:
    """Make the console of an authority, for paths below `CONSOLE_PATH`."""
    routes = [
        Route(f"{ASSETS_PATH}/{{name}}", show_asset, methods=["GET"]),
        Route(CONSOLE_PATH, partial(choose_environment, services), methods=["GET"]),
        Route(f"{CONSOLE_PATH}/welcome/{{token}}", partial(welcome, services), methods=["GET", "POST"]),
    ]
    for section in SECTIONS:
        for page in section.pages:
            path = f"{CONSOLE_PATH}/{{environment}}/{page.path}".rstrip("/")
            methods = [*(["GET"] if page.show else []), *(["POST"] if page.submit else [])]
            routes.append(Route(path, partial(answer_page, services, section, page), methods=methods))
    return Starlette(routes=routes, exception_handlers={HTTPException: partial(show_failure, services)})


async def answer_page(
    services: Services, section: ConsoleSection, page: ConsolePage, request: Request
) -> Response:
    """Answer at a page for those who may: the one place where the console decides about access."""
    administrator = await find_administrator(services, request.cookies.get(cookie_name(services), ""))
    if administrator is None:
        return sign_on_first(services, request)
    environment = services.directory.current.environments.get(request.path_params["environment"])
    frame = make_frame(services, request, administrator, environment, section, SECTIONS)
    roles = administrator.operator.roles
    if not roles or environment is None:
        return frame.show_problem(*((404, "") if roles else (403, "no_role")))
    if not administrator.operator.reads_all:
        seen = await services.administration.environments.list(administrator.operator)
        frame.values["environments"] = seen.items
        if environment.id not in {each.id for each in seen.items}:
            frame.values.update(environment=None, menus=())
            return frame.show_problem(403, "no_agents")
    may_change = not roles.isdisjoint(page.changed_by or section.changed_by)
    call = ConsoleCall(
        request,
        services,
        administrator,
        environment,
        section.name,
        frame.language,
        frame.moments,
        may_change,
        frame.values,
    )
    frame.values.update(call=call, may_change=may_change, csrf=await csrf_token(services, administrator))
    try:
        handler = await choose_handler(call, section, page)
        return await (handler(call) if handler is page.submit else show_page(call, handler))
    except tuple(PROBLEMS) as error:
        status, reason = PROBLEMS[type(error)]
        return frame.show_problem(status, reason, str(error) if status == 409 else "")


async def choose_handler(call: ConsoleCall, section: ConsoleSection, page: ConsolePage) -> Handler:
    """Return what answers the call, having read its form. Raises `FormForged` or `NotPermitted`."""
    is_form = call.request.method == "POST"
    if is_form:
        call.typed = await read_form(call.request)
        if not is_own_form(call.request, call.typed, call.frame["csrf"]):
            raise FormForged
    changed_by = page.changed_by or section.changed_by
    handler, allowed = (page.submit, changed_by) if is_form else (page.show, section.seen_by)
    if handler is None or call.operator.roles.isdisjoint(allowed):
        raise NotPermitted
    return handler


async def show_page(call: ConsoleCall, show: Handler) -> Response:
    """Show a page, with what the one before wanted it to say, which is said once."""
    said, flash = await read_flash(call)
    call.frame.update(flash=flash, next_step=await find_next(call, said))
    response = await show(call)
    if flash:
        gone = f"{flash_name(call.services)}=; Max-Age=0; {cookie_attributes(call.services)}"
        response.headers.append("Set-Cookie", gone)
    return response


async def choose_environment(services: Services, request: Request) -> Response:
    """Send whoever comes to the console itself to an environment, the administrators' own last."""
    administrator = await find_administrator(services, request.cookies.get(cookie_name(services), ""))
    home = administrators(services)
    if administrator is None or home is None:
        return sign_on_first(services, request)
    operator = administrator.operator
    seen = (await services.administration.environments.list(operator)).items if operator.roles else ()
    first = next((each.id for each in seen if each.id != home.id), home.id)
    return RedirectResponse(f"{CONSOLE_PATH}/{first}", 303)


def sign_on_first(services: Services, request: Request) -> Response:
    """Send the browser to where administrators sign on, and from there back to what it asked for."""
    home = administrators(services)
    if home is None:
        return make_frame(services, request, None, None, None, SECTIONS).show_problem(
            503, "no_administrators"
        )
    asked = request.url.path if request.method == "GET" else CONSOLE_PATH
    if request.method == "GET" and request.url.query:
        asked += f"?{request.url.query}"
    return RedirectResponse(f"/{home.id}/console?{urlencode({'to': asked})}", 303)


async def show_asset(request: Request) -> Response:
    """Answer with a file that pages load; its address changes with its content, so it is kept for ever."""
    name = request.path_params["name"]
    if name not in ASSETS:
        raise HTTPException(404)
    found = asset(name)
    return Response(found.content, headers=_FOR_EVER, media_type=found.media_type)


async def show_failure(services: Services, request: Request, error: Exception) -> Response:
    """Show what Starlette refuses: a path where nothing is, or a method that it does not have."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    administrator = await find_administrator(services, request.cookies.get(cookie_name(services), ""))
    frame = make_frame(services, request, administrator, None, None, SECTIONS)
    return frame.show_problem(status)
