"""Settings → Preferences: the language and time zone in which somebody reads the console, in this browser."""

from typing import Final
from zoneinfo import available_timezones

from starlette.responses import Response

from deputize.authority.administration.administrators import ROLES
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.forms import Choice, EntryForm, FilledForm, FormField
from deputize.authority.console.frame import LANGUAGE_COOKIE, ZONE_COOKIE
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.console.session import cookie_attributes, cookie_name
from deputize.authority.console.texts import LOCALES

FORM = EntryForm("preferences", Choice("language"), FormField("zone", maxlength=64))
_NAMES: Final = {"en": "English", "de": "Deutsch"}
_SECONDS: Final = 365 * 86400
"""How long a browser keeps what was chosen."""


async def show_preferences(call: ConsoleCall) -> Response:
    """Show what was chosen in this browser."""
    cookies = call.request.cookies
    chosen = {
        "language": cookies.get(cookie_name(call.services, LANGUAGE_COOKIE)),
        "zone": cookies.get(cookie_name(call.services, ZONE_COOKIE)),
    }
    return show_form(call, FORM.fill(chosen, call.moments))


async def save_preferences(call: ConsoleCall) -> Response:
    """Keep in this browser what was chosen; what was left empty the browser or the user's account decides."""
    entry, _ = FORM.read(call.typed, call.moments)
    language, zone = (str(entry[name] or "") for name in ("language", "zone"))
    wrong: dict[str, str] = {}
    if language and language not in LOCALES:
        wrong["language"] = call.t("console.unreadable")
    if zone and zone not in available_timezones():
        wrong["zone"] = call.t("preferences.no_zone")
    if wrong:
        return show_form(call, FORM.refill(call.typed).with_problems(wrong))
    response = await call.leave("preferences", flash="preferences.saved")
    attributes = cookie_attributes(call.services)
    for name, value in ((LANGUAGE_COOKIE, language), (ZONE_COOKIE, zone)):
        age = _SECONDS if value else 0
        cookie = f"{cookie_name(call.services, name)}={value}; Max-Age={age}; {attributes}"
        response.headers.append("Set-Cookie", cookie)
    return response


def show_form(call: ConsoleCall, form: FilledForm) -> Response:
    """Show the form of preferences."""
    languages = [("", call.t("preferences.any")), *((each, _NAMES[each]) for each in LOCALES)]
    form = form.with_options(language=languages)
    return call.show_form("preferences.html", form)


SECTION = ConsoleSection(
    "preferences",
    "settings",
    (ConsolePage("preferences", show_preferences, save_preferences),),
    seen_by=frozenset(ROLES),
    changed_by=frozenset(ROLES),
)
