"""Sign-off: ends the browser's session, and with it every token that rests on it.

OpenID Connect RP-Initiated Logout 1.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from deputize.authority.console import session as console
from deputize.authority.directory.objects import ADMINISTRATORS
from deputize.authority.endpoint import Endpoint, EndpointCall, log_refusal
from deputize.authority.signon import flow
from deputize.authority.signon.browser import SESSION_FORM, cookies_of, csrf_token, is_own_form
from deputize.authority.signon.pages import Page
from deputize.authority.signon.responses import (
    form_sources,
    language_of,
    leave,
    refuse_as_page,
    see_other,
    show,
)
from deputize.http.messages import Response
from deputize.jose import ID_TOKEN_TYPE, TokenInvalid
from deputize.kernel.values import JsonObject
from deputize.oauth.authorization_request import unasked_uri
from deputize.oauth.errors import InvalidRequest
from deputize.oauth.records.directory import Agent, Environment
from deputize.oauth.redirect_uris import receives_cookies

_PASSED_ON = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


@dataclass(frozen=True, slots=True)
class SignOffRequest:
    """What is asked for."""

    hint: JsonObject | None
    """The verified claims of `id_token_hint`."""
    redirect_uri: str | None
    """Registered, with `state`."""
    unasked_uri: str | None
    """The same, where users may be sent who decided nothing (`unasked_uri`)."""
    refusal: InvalidRequest | None
    """Why the user cannot be sent where the request wants them to go. They are signed off all the same."""
    parameters: Mapping[str, str]


async def sign_off(call: EndpointCall) -> Response:
    """End the session, after asking the user unless their own ID token or our own form asks for it."""
    parameters = await call.parameters()
    request = read_request(call, parameters)
    cookie = cookies_of(call).session(call.head) or ""
    confirmed = call.head.method == "POST" and await is_own_form(call, parameters, cookie, SESSION_FORM)
    if call.head.method == "POST" and not confirmed:
        # An agent's form comes without our cookies; the GET it is turned into brings them (SameSite=Lax).
        return see_other(f"{call.head.target.path}?{urlencode(request.parameters)}")
    session, user = await flow.session_of(call), None
    if session:
        user = await call.services.store.users.find_user_by_id(call.environment.id, session.user_id)
    language, hint = language_of(call, user), request.hint or {}
    is_own_token = session and (hint.get("sub"), hint.get("sid")) == (session.user_id, session.id)
    if session and not confirmed and not is_own_token:
        values = {
            "csrf": await csrf_token(call, cookie, SESSION_FORM),
            "parameters": request.parameters,
            "my_path": f"/{call.environment.id}/my",
        }
        sources = form_sources(call, request.redirect_uri) if request.redirect_uri else ()
        return show(call, Page("sign_off.html", values), language, sources)
    if session:
        await call.services.sign_off(session, call.now)
    if destination := request.redirect_uri if session else request.unasked_uri:
        response = leave(call, destination, after_form=call.head.method == "POST")
    else:
        if request.refusal:
            log_refusal(call, request.refusal)
        status = request.refusal.status if request.refusal else 200
        page = Page("signed_off.html", {"refusal": request.refusal}, status=status)
        response = show(call, page, language)
    cookies_of(call).clear_session(response)
    if call.environment.name == ADMINISTRATORS:
        response.headers.add("Set-Cookie", console.take_back(call.services))
    return response


def read_request(call: EndpointCall, parameters: Mapping[str, str]) -> SignOffRequest:
    """Read what is asked for, and keep why it cannot be granted in full."""
    passed_on = {name: parameters[name] for name in _PASSED_ON if name in parameters}
    environment, token, hint = call.environment, parameters.get("id_token_hint"), None
    if token is not None:
        try:
            # At instant 0 nothing has expired: an ID token of long ago still says who the agent means
            # (section 2).
            hint = call.services.verifier.verify(
                token, environment.keys, environment.issuer, 0.0, ID_TOKEN_TYPE
            )
        except TokenInvalid:
            refusal = InvalidRequest("The id_token_hint is not an ID token of this environment")
            return SignOffRequest(None, None, None, refusal, passed_on)
    requested, state = parameters.get("post_logout_redirect_uri"), parameters.get("state")
    if requested is None:
        return SignOffRequest(hint, None, None, None, passed_on)
    agent = find_agent(environment, hint, parameters.get("client_id"))
    if (
        agent is None
        or requested not in agent.settings.post_logout_redirect_uris
        or receives_cookies(requested, environment.issuer)
    ):
        refusal = InvalidRequest("The post_logout_redirect_uri is not registered for this client")
        return SignOffRequest(hint, None, None, refusal, passed_on)
    if state is not None:
        requested += f"{'&' if '?' in requested else '?'}{urlencode({'state': state})}"
    return SignOffRequest(hint, requested, unasked_uri(agent, requested), None, passed_on)


def find_agent(environment: Environment, hint: JsonObject | None, client_id: str | None) -> Agent | None:
    """Find the enabled agent that the ID token was issued to, else the one named by `client_id`.

    `None` when the two differ.
    """
    meant = hint.get("aud") if hint else client_id
    if not isinstance(meant, str) or client_id not in {None, meant}:
        return None
    agent = environment.agents.get(meant)
    return agent if agent and agent.enabled else None


ENDPOINT = Endpoint(("/{environment}/as/signoff",), ("GET", "POST"), sign_off, refuse_as_page)
