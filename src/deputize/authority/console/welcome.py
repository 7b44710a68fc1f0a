"""The page behind an invitation: somebody chooses a name and a password, and is an administrator.

The address is what lets them, so it is in no log (`authority.app`) and in no `Referer`. The form is bound to
the browser that the page was shown in: nobody can have another's browser become an administrator of theirs.
"""

from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deputize.authority.administration.administrators import InvitationGone, take_invitation
from deputize.authority.audit import SOURCE
from deputize.authority.console.forms import EntryForm, FormField, Secret
from deputize.authority.console.frame import make_frame
from deputize.authority.console.rendering import render
from deputize.authority.console.requests import is_own_form, problems_of, read_form
from deputize.authority.console.session import (
    CONSOLE_PATH,
    administrators,
    cookie_attributes,
    cookie_name,
)
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.passwords import TooBusy
from deputize.authority.seals import seal
from deputize.authority.services import Services
from deputize.authority.signon.browser import Cookies
from deputize.authority.signon.sessions import sign_on
from deputize.authority.signon.step import Situation
from deputize.authority.storage import DirectoryConflict
from deputize.http.messages import Response as Answer
from deputize.kernel.digests import digest
from deputize.oauth.factors import PASSWORD
from deputize.oauth.records.directory import Environment, Policy
from deputize.oauth.records.store import User
from deputize.oauth.usernames import MAX_LENGTH, canonical, comparison_form

_USERNAME: Final = FormField("username", required=True, maxlength=MAX_LENGTH, autocomplete="username")
_PASSWORD: Final = Secret("password", required=True)
FORM: Final = EntryForm("welcome", _USERNAME, _PASSWORD)
"""Where an invitation names nobody."""
NAMED_FORM: Final = EntryForm("welcome", replace(_USERNAME, readonly=True), _PASSWORD)
_COOKIE: Final = "deputize-console-welcome"


async def welcome(services: Services, request: Request) -> Response:
    """Show the form behind an invitation, or take it."""
    token, home = request.path_params["token"], administrators(services)
    frame = make_frame(services, request, None, None, None, ())
    now = services.clock.now()
    invitation = await services.store.directory_rows.find_invitation(digest(token), now)
    if home is None or invitation is None:
        return frame.show_problem(410, "invitation_gone")
    browser = request.cookies.get(cookie_name(services, _COOKIE), "")
    bound_to = browser or services.new_token()
    csrf = await seal(services.store.server_keys, home.id, "welcome", bound_to, digest(token))
    fields = NAMED_FORM if invitation.username else FORM
    form = fields.fill({"username": invitation.username}, frame.moments)
    if request.method == "POST":
        typed = await read_form(request)
        if not browser or not is_own_form(request, typed, csrf):
            return frame.show_problem(403, "forged")
        if invitation.username:
            typed = {**typed, "username": (invitation.username,)}
        entry, unreadable = fields.read(typed, frame.moments)
        name, password = canonical(str(entry.get("username"))), str(entry.get("password"))
        unreadable = unreadable or await refuse_password(services, name, password)
        form = fields.refill(typed).with_problems(
            {field: frame.language.text(text) for field, text in unreadable.items()}
        )
        if not unreadable:
            try:
                user = await take_invitation(
                    token, name, password, services.store, services.passwords, services.clock
                )
            except InvitationGone:
                return frame.show_problem(410, "invitation_gone")
            except (TooBusy, DirectoryConflict):
                return frame.show_problem(503, "busy")
            except EnvironmentFileInvalid as error:
                form = form.with_problems(problems_of(error))
            else:
                await services.directory.refresh()
                services.record("invitation taken", home.id, user_id=user.id, username=user.username)
                stored = await services.store.users.find_user_by_id(home.id, user.id)  # with its term
                return await enter(services, home, stored or user)
    named = invitation.username is not None
    values = {
        **frame.values,
        "named": named,
        "title": frame.language.text("welcome.title"),
        "crumbs": (),
        "form": form,
    }
    values |= {"csrf": csrf, "may_change": True}
    response = render("welcome.html", values, 422 if form.problems else 200)
    attributes = cookie_attributes(services)
    response.headers.append("Set-Cookie", f"{cookie_name(services, _COOKIE)}={bound_to}; {attributes}")
    return response


async def refuse_password(services: Services, name: str, password: str) -> dict[str, str]:
    """Return why nobody of this name may choose the password, by field; empty where they may."""
    if comparison_form(password) == comparison_form(name):
        return {"password": "welcome.is_name"}
    breached = services.breached_passwords
    return {"password": "welcome.breached"} if breached and await breached.include(password) else {}


async def enter(services: Services, home: Environment, user: User) -> Response:
    """Sign the new administrator on, who just chose the password, and lead them to the console.

    They come there as everybody does, by whatever more the policy has them prove.
    """
    situation = Situation(
        environment=home,
        policy=Policy("", "", ()),
        request=None,
        session=None,
        signed_on=None,
        is_recent=False,
        address=SOURCE.get().address,
        known_users="",
        notes=frozenset(),
        reach={},
        languages=(),
        now=services.clock.now(),
    )
    made = await sign_on(user, PASSWORD, situation, services)
    answer = Answer(303)
    cookies = Cookies(services.secure, home.id)
    cookies.set_session(answer, made.cookie, home.settings.session_lifetime)
    cookies.set_known_users(answer, made.known_users)
    response = RedirectResponse(f"/{home.id}{CONSOLE_PATH}", 303)
    gone = f"{cookie_name(services, _COOKIE)}=; Max-Age=0; {cookie_attributes(services)}"
    for value in (*answer.headers.get_all("set-cookie"), gone):
        response.headers.append("Set-Cookie", value)
    return response
