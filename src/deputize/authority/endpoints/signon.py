"""The pages of a sign-on flow: shows the step that is due, takes its form, and sends the browser on."""

from collections.abc import Mapping

from starlette.responses import Response

from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.authority.signon import authorization_response, flow
from deputize.authority.signon.browser import cookies_of, csrf_token, is_own_form
from deputize.authority.signon.flow import Flow
from deputize.authority.signon.pages import Language, Page, choose_language, step_language
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
    Outcome,
    SignOnStep,
    Situation,
    SomebodyElse,
)
from deputize.oauth.authorization_request import AuthorizationRefusal, AuthorizationRequest, validate
from deputize.oauth.errors import AccessDenied
from deputize.oauth.records.directory import Step

_FIRST_SHOWING = Again(status=200)


async def sign_on(call: EndpointCall) -> Response:
    """One page or form of the flow in the path."""
    found = await flow.find(call)
    if found is None:
        return show_dead_end(
            call, "error.expired" if cookies_of(call).browser(call.request) else "error.cookies"
        )
    request = None if found.parameters is None else validate(call.environment, found.parameters)
    if isinstance(request, AuthorizationRefusal):
        return authorization_response.refuse(call, request)
    if request and (
        finished := await authorization_response.again(call, request, await flow.code_of(call, found))
    ):
        return finished
    situation = await flow.situation_of(call, request, found)
    due = flow.due_step(situation)
    if call.request.method == "POST":
        return await _submit(call, found, situation, due)
    return (
        await flow.finish(call, situation, found)
        if due is None
        else await _page(call, found, situation, *due, _FIRST_SHOWING)
    )


async def _submit(
    call: EndpointCall, found: Flow, situation: Situation, due: tuple[SignOnStep, Step] | None
) -> Response:
    form = await call.form()
    if not await is_own_form(call, form, _browser(call), found.id):
        return show_dead_end(call, "error.forbidden", 403)
    if due is None or form.get("step") != due[0].type:
        # Another tab was faster, or the form was sent twice: show where things stand now.
        return await flow.proceed(call, found)
    kind, step = due
    outcome = await kind.submit(step, situation, _language(situation, kind), form, call.services)
    return await _answer(call, found, situation, (kind, step), outcome)


async def _answer(
    call: EndpointCall, found: Flow, situation: Situation, due: tuple[SignOnStep, Step], outcome: Outcome
) -> Response:
    match outcome:
        case Again():
            return await _page(call, found, situation, *due, outcome)
        case Declined():
            return _decline(call, situation.request)
        case SomebodyElse():
            return await _begin_again(call, found, situation)
        case Done(session):
            response = await flow.proceed(call, found, outcome)
            if session:
                cookies_of(call).set_session(response, session.cookie, call.environment.session_lifetime)
                cookies_of(call).set_known_users(response, session.known_users)
            return response


async def _begin_again(call: EndpointCall, found: Flow, situation: Situation) -> Response:
    """Sign off who is signed on, and send the browser to a new flow for the same request."""
    if situation.signed_on:
        user, session = situation.signed_on.user, situation.signed_on.session
        await call.services.store.sessions.end_session(session.id, call.now)
        call.record("signed off", user_id=user.id, session_id=session.id)
    response = await flow.start(call, found.parameters)
    cookies_of(call).clear_session(response)
    return response


def _decline(call: EndpointCall, request: AuthorizationRequest | None) -> Response:
    if request is None:
        return see_other(f"/{call.environment.id}/account")
    error = AccessDenied("the user declined the agreement", "The user declined the agreement")
    return authorization_response.refuse(
        call, AuthorizationRefusal(error, request.redirect_uri, request.state)
    )


async def _page(
    call: EndpointCall, found: Flow, situation: Situation, kind: SignOnStep, step: Step, again: Again
) -> Response:
    language = _language(situation, kind)
    values: Mapping[str, object] = {
        **kind.page_values(step, situation, again),
        "csrf": await csrf_token(call, _browser(call), found.id),
        "step": kind.type,
    }
    sources = form_sources(call, situation.request.redirect_uri) if situation.request else ()
    page = Page(f"{kind.package}/{kind.name}.html", values, again.problems, again.status)
    return show(call, page, language, sources)


def _language(situation: Situation, kind: SignOnStep) -> Language:
    """The reader's language, with the texts of the step."""
    chosen = choose_language(
        situation.preferred_language, situation.languages, situation.environment.default_language
    )
    return step_language(chosen.locale, kind.package, kind.name)


def _browser(call: EndpointCall) -> str:
    return cookies_of(call).browser(call.request) or ""


ENDPOINT = Endpoint(("/{environment}/signon/{flow}",), ("GET", "POST"), sign_on, refuse_as_page)
