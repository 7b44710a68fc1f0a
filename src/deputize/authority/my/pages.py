"""The endpoints of a person's own pages: sign on first, then what the section in the path shows or does."""

from collections.abc import Mapping

from deputize.authority.dead_ends import turn_away
from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.authority.my.section import Section, Visit
from deputize.authority.my.sections import SECTIONS
from deputize.authority.signon import flow
from deputize.authority.signon.browser import SESSION_FORM, cookies_of, csrf_token, is_own_form
from deputize.authority.signon.pages import Language, step_language
from deputize.authority.signon.responses import (
    language_of,
    languages_of,
    refuse_as_page,
    see_other,
    show_dead_end,
)
from deputize.authority.signon.step import SignedOn
from deputize.http.messages import Response


async def visit(call: EndpointCall) -> Response:
    """Answer for the section in the path, the first without one; sign the user on before, as that demands."""
    section = next((each for each in SECTIONS if each.name == (call.tail or SECTIONS[0].name)), None)
    if section is None:
        return turn_away(call.head.headers, 404, "There is nothing here", call.correlation_id)
    signed_on = await flow.visitor(call)
    if signed_on is None:
        return await flow.start(call, flow.begin(call, None))
    language = language_of(call, signed_on.user)
    texts = step_language(language.locale, section.package, section.name)
    common = await describe_frame(call, signed_on, section, texts)
    this = Visit(call, signed_on, section, texts, languages_of(call, signed_on.user), common)
    if call.head.method != "POST":
        return await section.show(this)
    form = await call.form()
    cookie = cookies_of(call).session(call.head) or ""
    if section.submit is None or not await is_own_form(call, form, cookie, SESSION_FORM):
        return show_dead_end(call, "error.forbidden", 403)
    return await section.submit(this, form)


async def describe_frame(
    call: EndpointCall, signed_on: SignedOn, section: Section, language: Language
) -> Mapping[str, object]:
    """Collect what is around every section: who is signed on, the menu, and what was just done."""
    environment_id = call.environment.id
    notice = f"{section.name}.done_{call.query().get('done', '')}"
    menu = [
        {
            "title": step_language(language.locale, each.package, each.name).text(f"{each.name}.title"),
            "path": f"/{environment_id}/my/{each.name}",
            "is_current": each is section,
        }
        for each in SECTIONS
    ]
    return {
        "username": signed_on.user.username,
        "csrf": await csrf_token(call, cookies_of(call).session(call.head) or "", SESSION_FORM),
        "sign_off_path": f"/{environment_id}/as/signoff",
        "my_path": f"/{environment_id}/my/{section.name}",
        "menu": menu,
        "section_title": language.text(f"{section.name}.title"),
        "notice": language.texts.get(notice, ""),
    }


async def move(call: EndpointCall) -> Response:
    """Send the browser from where these pages were before to where they are."""
    return see_other(f"/{call.environment.id}/my")


MY = Endpoint(("/{environment}/my",), ("GET",), visit, refuse_as_page)
MY_SECTION = Endpoint(("/{environment}/my/",), ("GET", "POST"), visit, refuse_as_page)
ACCOUNT = Endpoint(("/{environment}/account",), ("GET",), move, refuse_as_page)
