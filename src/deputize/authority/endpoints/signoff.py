"""Sign-off.

Ends the browser's session, and with it every token that rests on it (OpenID Connect RP-Initiated Logout 1.0).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from deputize.authority.endpoint import Endpoint, EndpointCall, log_refusal
from deputize.authority.signon import flow
from deputize.authority.signon.browser import SESSION_FORM, cookies_of, csrf_token, is_own_form
from deputize.authority.signon.pages import Language, Page
from deputize.authority.signon.responses import (
    form_sources,
    language_of,
    leave,
    refuse_as_page,
    see_other,
    show,
)
from deputize.jose import ID_TOKEN_TYPE, TokenInvalid
from deputize.kernel.values import JsonObject
from deputize.oauth.errors import InvalidRequest
from deputize.oauth.records.directory import Agent
from deputize.oauth.records.store import Session
from deputize.oauth.redirect_uris import receives_cookies

_PASSED_ON = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


@dataclass(frozen=True, slots=True)
class _SignOff:
    """What is asked for."""

    hint: JsonObject | None
    """The verified claims of `id_token_hint`."""
    redirect_uri: str | None
    """Registered, with `state`."""
    refusal: InvalidRequest | None
    """Why the user cannot be sent where the request wants them to go. They are signed off all the same."""
    parameters: Mapping[str, str]


async def sign_off(call: EndpointCall) -> Response:
    """End the session, after asking the user unless their own ID token or our own form asks for it."""
    parameters = await call.parameters()
    request = _read(call, parameters)
    cookie = cookies_of(call).session(call.request) or ""
    confirmed = call.request.method == "POST" and await is_own_form(call, parameters, cookie, SESSION_FORM)
    if call.request.method == "POST" and not confirmed:
        # An agent's form comes without our cookies; the GET it is turned into brings them (SameSite=Lax).
        return see_other(f"{call.request.url.path}?{urlencode(request.parameters)}")
    session = await flow.session_of(call)
    user = (
        await call.services.store.users.find_user_by_id(call.environment.id, session.user_id)
        if session
        else None
    )
    language = language_of(call, user)
    if session and not confirmed and not _is_about(request.hint, session):
        return await _ask(call, request, language, cookie)
    return await _end(call, request, session, language)


def _read(call: EndpointCall, parameters: Mapping[str, str]) -> _SignOff:
    passed_on = {name: parameters[name] for name in _PASSED_ON if name in parameters}
    hint = None
    try:
        hint = _hint(call, parameters.get("id_token_hint"))
        return _SignOff(hint, _redirect_uri(call, hint, parameters), None, passed_on)
    except InvalidRequest as refusal:
        return _SignOff(hint, None, refusal, passed_on)


def _hint(call: EndpointCall, token: str | None) -> JsonObject | None:
    if token is None:
        return None
    environment = call.environment
    try:
        # At instant 0 nothing has expired: an ID token of long ago still says who the agent means (section
        # 2).
        return call.services.verifier.verify(token, environment.keys, environment.issuer, 0.0, ID_TOKEN_TYPE)
    except TokenInvalid as invalid:
        raise InvalidRequest("The id_token_hint is not an ID token of this environment") from invalid


def _redirect_uri(call: EndpointCall, hint: JsonObject | None, parameters: Mapping[str, str]) -> str | None:
    requested, state = parameters.get("post_logout_redirect_uri"), parameters.get("state")
    if requested is None:
        return None
    agent = _agent(call, hint, parameters)
    if (
        agent is None
        or requested not in agent.post_logout_redirect_uris
        or receives_cookies(requested, call.environment.issuer)
    ):
        raise InvalidRequest("The post_logout_redirect_uri is not registered for this client")
    return (
        requested
        if state is None
        else f"{requested}{'&' if '?' in requested else '?'}{urlencode({'state': state})}"
    )


def _agent(call: EndpointCall, hint: JsonObject | None, parameters: Mapping[str, str]) -> Agent | None:
    client_id = hint.get("aud") if hint else parameters.get("client_id")
    if not isinstance(client_id, str) or parameters.get("client_id", client_id) != client_id:
        return None
    agent = call.environment.agents.get(client_id)
    return agent if agent and agent.enabled else None


def _is_about(hint: JsonObject | None, session: Session) -> bool:
    return hint is not None and hint.get("sub") == session.user_id and hint.get("sid") == session.id


async def _ask(call: EndpointCall, request: _SignOff, language: Language, cookie: str) -> Response:
    values = {
        "csrf": await csrf_token(call, cookie, SESSION_FORM),
        "parameters": request.parameters,
        "account_path": f"/{call.environment.id}/account",
    }
    sources = form_sources(call, request.redirect_uri) if request.redirect_uri else ()
    return show(call, Page("sign_off.html", values), language, sources)


async def _end(
    call: EndpointCall, request: _SignOff, session: Session | None, language: Language
) -> Response:
    if session:
        await call.services.store.sessions.end_session(session.id, call.now)
        call.record("signed off", user_id=session.user_id, session_id=session.id)
    response = _signed_off(call, request, language)
    cookies_of(call).clear_session(response)
    return response


def _signed_off(call: EndpointCall, request: _SignOff, language: Language) -> Response:
    if request.redirect_uri:
        return leave(call, request.redirect_uri, after_form=call.request.method == "POST")
    if request.refusal:
        log_refusal(call, request.refusal)
    page = Page(
        "signed_off.html",
        {"refusal": request.refusal},
        status=request.refusal.status if request.refusal else 200,
    )
    return show(call, page, language)


ENDPOINT = Endpoint(("/{environment}/as/signoff",), ("GET", "POST"), sign_off, refuse_as_page)
