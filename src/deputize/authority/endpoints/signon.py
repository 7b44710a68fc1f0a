"""The pages of a sign-on flow: shows the step that is due, takes its form, and sends the browser on."""

from collections.abc import Mapping
from dataclasses import replace

from starlette.responses import Response

from deputize.authority.endpoint import Call, Endpoint
from deputize.authority.signon import authorization_response, flow
from deputize.authority.signon.cookies import Cookies
from deputize.authority.signon.forms import csrf_token, is_own_form
from deputize.authority.signon.languages import Language, choose_language
from deputize.authority.signon.reader import dead_end, refuse_as_page, show
from deputize.authority.signon.situation import Situation
from deputize.authority.signon.step import Again, Declined, Done, Outcome, SignOnStep
from deputize.oauth.authorization_request import AuthorizationRefusal, AuthorizationRequest, validate
from deputize.oauth.errors import AccessDenied
from deputize.oauth.records.directory import Step

_FIRST_SHOWING = Again(status=200)


async def sign_on(call: Call) -> Response:
    """One page or form of the flow in the path."""
    flow_id = call.request.path_params["flow"]
    found = await flow.find(call, flow_id)
    if found is None:
        return dead_end(call, "error.expired" if Cookies(call.services.secure).browser(call.request) else "error.cookies")
    request = None if found.parameters is None else validate(call.environment, found.parameters)
    if isinstance(request, AuthorizationRefusal):
        return authorization_response.refuse(call, request)
    situation = await flow.situation_of(call, request, found.started_at)
    due = flow.due_step(situation)
    if call.request.method == "POST":
        return await _submit(call, situation, due)
    return await flow.finish(call, situation) if due is None else _page(call, situation, *due, _FIRST_SHOWING)


async def _submit(call: Call, situation: Situation, due: tuple[SignOnStep, Step] | None) -> Response:
    form = await call.form()
    if not is_own_form(call.request, form, _browser(call), _flow_id(call)):
        return dead_end(call, "error.forbidden", 403)
    if due is None or form.get("step") != due[0].type:
        # Another tab was faster, or the form was sent twice: show where things stand now.
        return flow.see(call.request.url.path)
    kind, step = due
    outcome = await kind.submit(step, situation, _language(situation), form, call.services)
    return _answer(call, situation, kind, step, outcome)


def _answer(call: Call, situation: Situation, kind: SignOnStep, step: Step, outcome: Outcome) -> Response:
    match outcome:
        case Again():
            return _page(call, situation, kind, step, outcome)
        case Declined():
            return _decline(call, situation.request)
        case Done(session_cookie):
            response = flow.see(call.request.url.path)
            if session_cookie is not None:
                lifetime = call.services.limits.session_lifetime
                Cookies(call.services.secure).set_session(response, call.environment.id, session_cookie, lifetime)
            return response


def _decline(call: Call, request: AuthorizationRequest | None) -> Response:
    if request is None:
        return flow.see(f"/{call.environment.id}/account")
    error = AccessDenied("the user declined the agreement", "The user declined the agreement")
    return authorization_response.refuse(call, AuthorizationRefusal(error, request.redirect_uri, request.state))


def _page(call: Call, situation: Situation, kind: SignOnStep, step: Step, again: Again) -> Response:
    language = _language(situation)
    page = kind.page(step, situation, language, again)
    values: Mapping[str, object] = {**page.values, "csrf": csrf_token(_browser(call), _flow_id(call)), "step": kind.type}
    sources = [authorization_response.form_source(situation.request.redirect_uri)] if situation.request else []
    return show(call, replace(page, values=values), language, sources)


def _language(situation: Situation) -> Language:
    return choose_language(situation.preferred_language, situation.languages, situation.environment.default_language)


def _browser(call: Call) -> str:
    return Cookies(call.services.secure).browser(call.request) or ""


def _flow_id(call: Call) -> str:
    return call.request.path_params["flow"]


ENDPOINT = Endpoint(("/{environment}/signon/{flow}",), ("GET", "POST"), sign_on, refuse_as_page)
