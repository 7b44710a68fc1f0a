"""Secrets that a page shows once, and those of resources and agents: a new one, an end to earlier ones."""

from typing import Final, Literal

from starlette.responses import Response

from deputize.authority.administration import ObjectView
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.session import cookie_attributes, cookie_name
from deputize.authority.shown_once import LIFETIME, ShownPlace, open_once, seal_once
from deputize.kernel.values import JsonObject, JsonValue

OVERLAPS: Final = ("0", "3600", "86400", "604800")
"""Seconds that a secret so far can go on working beside a new one."""
_COOKIE: Final = "deputize-console-shown"


async def leave_to_show(call: ConsoleCall, *segments: str, **values: JsonValue) -> Response:
    """Go to the page that shows `values` this once; see `authority.shown_once`."""
    response = await call.leave(*segments)
    sealed = await seal_once(
        call.services, ShownPlace(call.administrator.session, call.path(*segments)), values
    )
    response.headers.append("Set-Cookie", _cookie(call, sealed, LIFETIME))
    return response


async def take_shown(call: ConsoleCall, *segments: str) -> JsonObject | None:
    """Return what the page at that path shows this once; `None` where it was shown already."""
    sealed = call.request.cookies.get(cookie_name(call.services, _COOKIE), "")
    return await open_once(
        call.services, ShownPlace(call.administrator.session, call.path(*segments)), sealed
    )


def forget_shown(call: ConsoleCall, response: Response) -> Response:
    """Take back from the browser what a page has shown."""
    response.headers.append("Set-Cookie", _cookie(call, "", 0))
    return response


def _cookie(call: ConsoleCall, sealed: str, lifetime: int) -> str:
    name, attributes = cookie_name(call.services, _COOKIE), cookie_attributes(call.services)
    return f"{name}={sealed}; Max-Age={lifetime}; {attributes}"


def overlaps(call: ConsoleCall) -> list[tuple[str, str]]:
    """Return how long a secret can go on working beside a new one, with words."""
    return [(seconds, call.t(f"secrets.overlap_{seconds}")) for seconds in OVERLAPS]


async def change_secrets(call: ConsoleCall, kind: Literal["resource", "agent"], view: ObjectView) -> Response:
    """Draw a new secret, and go to where it is shown; or end those before it, and go back."""
    where = (call.operator, call.environment.id, kind, view.id)
    if "end" in call.typed:
        await call.administration.end_previous_secrets(*where)
        return await call.leave(call.section, view.id, "secrets", flash="secrets.ended")
    overlap = next(iter(call.typed.get("overlap", ())), "0")
    keep = float(overlap) if overlap in OVERLAPS else 0.0
    changed = await call.administration.new_secret(*where, keep_previous=keep)
    return await leave_to_show(call, call.section, view.id, "secret", secret=changed.secrets[0].text)
