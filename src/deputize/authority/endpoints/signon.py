"""The pages of a sign-on flow: show the step that is due, take its form, and send the browser on."""

from collections.abc import Mapping

from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.authority.signon import authorization_response, flow
from deputize.authority.signon.browser import cookies_of, csrf_token, is_own_form
from deputize.authority.signon.flow import Flow
from deputize.authority.signon.pages import Language, Page, choose_language, step_language
from deputize.authority.signon.requests import read_request
from deputize.authority.signon.responses import (
    form_sources,
    refuse_as_page,
    see_other,
    show,
    show_dead_end,
)
from deputize.authority.signon.step import (
    Again,
    Declined,
    Done,
    SignOnStep,
    Situation,
    SomebodyElse,
)
from deputize.http.messages import Response
from deputize.oauth.authorization_request import AuthorizationRefusal, AuthorizationRequest
from deputize.oauth.errors import AccessDenied
from deputize.oauth.records.directory import Step

_FIRST_SHOWING = Again(status=200)


async def sign_on(call: EndpointCall) -> Response:
    """Show the page of the flow in the path, or take its form."""
    found = await flow.find(call)
    if found is None:
        reason = "error.expired" if cookies_of(call).browser(call.head) else "error.cookies"
        return show_dead_end(call, reason)
    request = None
    if found.parameters is not None:
        request = await read_request(call, found.parameters, is_pushed=found.is_pushed)
    if isinstance(request, AuthorizationRefusal):
        return authorization_response.refuse(call, request)
    situation = await flow.read_situation(call, request, found)
    if finished := await flow.repeat(call, situation, found):
        return finished
    due = flow.due_step(situation)
    if call.head.method == "POST":
        return await submit(call, found, situation, due)
    if due is None:
        return await flow.finish(call, situation, found)
    return await show_step(call, found, situation, *due, _FIRST_SHOWING)


async def submit(
    call: EndpointCall, found: Flow, situation: Situation, due: tuple[SignOnStep, Step] | None
) -> Response:
    """Let the step that is due take the form, and answer with what comes of it."""
    form = await call.form()
    if not await is_own_form(call, form, cookies_of(call).browser(call.head) or "", found.id):
        return show_dead_end(call, "error.forbidden", 403)
    if due is None or form.get("step") != due[0].type:
        # Another tab was faster, or the form was sent twice: show what is due now.
        return await flow.proceed(call, found)
    kind, step = due
    outcome = await kind.submit(step, situation, choose_step_language(situation, kind), form, call.services)
    match outcome:
        case Again():
            return await show_step(call, found, situation, kind, step, outcome)
        case Declined():
            return decline(call, situation.request, kind, outcome)
        case SomebodyElse():
            return await begin_again(call, found, situation)
        case Done(session):
            response = await flow.proceed(call, found, outcome)
            if session:
                lifetime = call.environment.settings.session_lifetime
                cookies_of(call).set_session(response, session.cookie, lifetime)
                cookies_of(call).set_known_users(response, session.known_users)
            return response


def decline(
    call: EndpointCall, request: AuthorizationRequest | None, kind: SignOnStep, declined: Declined
) -> Response:
    """Tell the agent that the user said no; without an agent, go to the user's own pages."""
    if request is None:
        return see_other(f"/{call.environment.id}/my")
    error = AccessDenied(f"the step {kind.type} was declined", declined.description)
    return authorization_response.refuse(
        call, AuthorizationRefusal(error, request.redirect_uri, request.state)
    )


async def begin_again(call: EndpointCall, found: Flow, situation: Situation) -> Response:
    """Sign off who is signed on, and send the browser to a new flow for the same request."""
    if situation.signed_on:
        await call.services.sign_off(situation.signed_on.session, call.now)
    response = await flow.start(call, flow.begin_again(call, found))
    cookies_of(call).clear_session(response)
    return response


async def show_step(
    call: EndpointCall, found: Flow, situation: Situation, kind: SignOnStep, step: Step, again: Again
) -> Response:
    """Show the page of a step, with its own texts, in the reader's language."""
    browser = cookies_of(call).browser(call.head) or ""
    values: Mapping[str, object] = {
        **kind.page_values(step, situation, again),
        "csrf": await csrf_token(call, browser, found.id),
        "step": kind.type,
    }
    sources = form_sources(call, situation.request.redirect_uri) if situation.request else ()
    page = Page(f"{kind.package}/{kind.name}.html", values, again.problems, again.status)
    return show(call, page, choose_step_language(situation, kind), sources)


def choose_step_language(situation: Situation, kind: SignOnStep) -> Language:
    """Choose the reader's language, with the texts of the step."""
    chosen = choose_language(situation.reader_languages)
    return step_language(chosen.locale, kind.package, kind.name)


ENDPOINT = Endpoint(("/{environment}/signon/",), ("GET", "POST"), sign_on, refuse_as_page)
