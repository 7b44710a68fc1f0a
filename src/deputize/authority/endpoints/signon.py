"""The pages of a sign-on flow: show the step that is due, take its form, and send the browser on."""

from collections.abc import Mapping
from dataclasses import dataclass

from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.authority.signon import authorization_response, flow, providers
from deputize.authority.signon.browser import cookies_of, csrf_token, is_own_form
from deputize.authority.signon.flow import Flow
from deputize.authority.signon.pages import Language, Page, Problem, choose_language, step_language
from deputize.authority.signon.providers import ProviderFailed
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
    Elsewhere,
    Outcome,
    SignOnStep,
    Situation,
    SomebodyElse,
)
from deputize.http.messages import Response
from deputize.oauth.authorization_request import AuthorizationRefusal
from deputize.oauth.errors import AccessDenied
from deputize.oauth.records.directory import Step
from deputize.oauth.records.settings import IdentityProvider
from deputize.oauth.relying_party import find_provider


@dataclass(frozen=True, slots=True)
class Stand:
    """How far a flow has come."""

    situation: Situation
    due: tuple[SignOnStep, Step] | None


async def sign_on(call: EndpointCall) -> Response:
    """Show the page of the flow in the path, or take its form."""
    found = await flow.find(call, call.tail, call.head.target.query or "")
    if found is None:
        reason = "error.expired" if cookies_of(call).browser(call.head) else "error.cookies"
        return show_dead_end(call, reason)
    stand = await read_stand(call, found)
    if isinstance(stand, Response):
        return stand
    if call.head.method == "POST":
        return await submit(call, found, stand)
    if stand.due is None:
        return await flow.finish(call, stand.situation, found)
    return await show_step(call, found, stand, first_showing(stand))


async def read_stand(call: EndpointCall, found: Flow) -> Stand | Response:
    """Read how far the flow has come; a response where there is nothing to go on with."""
    request = None
    if found.parameters is not None:
        request = await read_request(call, found.parameters, is_pushed=found.is_pushed)
    if isinstance(request, AuthorizationRefusal):
        return authorization_response.refuse(call, request)
    situation = await flow.read_situation(call, request, found)
    if finished := await flow.repeat(call, situation, found):
        return finished
    return Stand(situation, flow.due_step(situation))


async def submit(call: EndpointCall, found: Flow, stand: Stand) -> Response:
    """Let the step that is due take the form, and answer with what comes of it."""
    form = await call.form()
    if not await is_own_form(call, form, cookies_of(call).browser(call.head) or "", found.id):
        return show_dead_end(call, "error.forbidden", 403)
    if stand.due is None or form.get("step") != stand.due[0].type:
        # Another tab was faster, or the form was sent twice: show what is due now.
        return await flow.proceed(call, found)
    kind, step = stand.due
    language = choose_step_language(stand.situation, kind)
    return await answer(
        call, found, stand, await kind.submit(step, stand.situation, language, form, call.services)
    )


async def answer(call: EndpointCall, found: Flow, stand: Stand, outcome: Outcome) -> Response:
    """Answer with what came of the step that is due."""
    match outcome:
        case Again():
            return await show_step(call, found, stand, outcome)
        case Declined():
            return decline(call, stand, outcome)
        case SomebodyElse():
            return await begin_again(call, found, stand.situation)
        case Elsewhere(name):
            return await depart(call, found, stand, find_provider(call.environment, name))
        case Done(session):
            response = await flow.proceed(call, found, outcome)
            if session:
                lifetime = call.environment.settings.session_lifetime
                cookies_of(call).set_session(response, session.cookie, lifetime)
                cookies_of(call).set_known_users(response, session.known_users)
            return response


async def depart(call: EndpointCall, found: Flow, stand: Stand, provider: IdentityProvider) -> Response:
    """Send the user to an identity provider, to sign on anew where the agent wants that."""
    request, query = stand.situation.request, call.head.target.query or ""
    is_fresh = request is not None and (
        request.max_age is not None or not {"login", "select_account"}.isdisjoint(request.prompt)
    )
    try:
        return await providers.depart(call, provider, is_fresh=is_fresh, flow=call.tail, query=query)
    except ProviderFailed as error:
        providers.refuse(stand.situation, call.services, provider.name, error)
        text = choose_language(stand.situation.reader_languages).text(f"provider.{error.text}")
        return await show_step(call, found, stand, Again([Problem(text)], status=503))


def first_showing(stand: Stand) -> Again:
    """Say why the user is not signed on who came back from an identity provider; else nothing."""
    failed = next((each for each in stand.situation.notes if each.startswith(flow.PROVIDER_NOTE)), "")
    if stand.due is None or not failed or not stand.due[0].providers(stand.due[1]):
        return Again(status=200)
    language = choose_language(stand.situation.reader_languages)
    return Again([Problem(language.text(f"provider.{failed.removeprefix(flow.PROVIDER_NOTE)}"))], status=200)


def decline(call: EndpointCall, stand: Stand, declined: Declined) -> Response:
    """Tell the agent that the user said no; without an agent, go to the user's own pages."""
    request = stand.situation.request
    if request is None or stand.due is None:
        return see_other(f"/{call.environment.id}/my")
    error = AccessDenied(f"the step {stand.due[0].type} was declined", declined.description)
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


async def show_step(call: EndpointCall, found: Flow, stand: Stand, again: Again) -> Response:
    """Show the page of the step that is due, with its own texts, in the reader's language."""
    if stand.due is None:
        return await flow.proceed(call, found)
    situation, (kind, step) = stand.situation, stand.due
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
