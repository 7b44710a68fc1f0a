"""Sign-on flows: an authorization request on its way through the steps of a policy.

A flow's state is kept on the server under the digest of its id and belongs to the browser whose cookie it was begun with. It holds
what was asked for and when, nothing about what happened since: who signed on is the browser's session, what was agreed to is the
user's consents. So parallel tabs, reloads and repeated clicks all lead to the same place, and nothing is half done after a crash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from starlette.responses import RedirectResponse, Response

from deputize.authority.endpoint import Call
from deputize.authority.signon import authorization_response
from deputize.authority.signon.cookies import Cookies
from deputize.authority.signon.situation import SignedOn, Situation
from deputize.authority.signon.step import SignOnStep
from deputize.authority.signon.steps import STEPS
from deputize.kernel.digests import digest, same
from deputize.oauth.authorization_request import AuthorizationRequest
from deputize.oauth.errors import ServerError
from deputize.oauth.records.directory import Policy, Step
from deputize.oauth.texts import parse_accept_language

_LOGIN = Step("LOGIN", {})
_LOGIN_ONLY = Policy("", "", (_LOGIN,))
_BY_TYPE: Mapping[str, SignOnStep] = {step.type: step for step in STEPS}


@dataclass(frozen=True, slots=True)
class Flow:
    """What a flow remembers."""

    environment_id: str
    browser_digest: str
    started_at: int
    parameters: Mapping[str, str] | None
    """Of the authorization request, validated anew each time; `None` when the user only wants their account page."""


async def start(call: Call, parameters: Mapping[str, str] | None) -> Response:
    """Begin a flow in this browser and send it to the flow's pages."""
    services, cookies = call.services, Cookies(call.services.secure)
    browser = cookies.browser(call.request)
    bound_to = browser or services.new_token()
    flow_id = services.new_token()
    state = {
        "environment_id": call.environment.id,
        "browser_digest": digest(bound_to),
        "started_at": int(call.now),
        "parameters": None if parameters is None else dict(parameters),
    }
    await services.store.flows.put_flow(digest(flow_id), state, call.now + services.limits.flow_lifetime)
    response = see(f"/{call.environment.id}/signon/{flow_id}")
    if browser is None:
        cookies.set_browser(response, bound_to)
    return response


async def find(call: Call, flow_id: str) -> Flow | None:
    """The flow, if it is alive and this browser's."""
    state = await call.services.store.flows.find_flow(digest(flow_id), call.now)
    browser = Cookies(call.services.secure).browser(call.request)
    if state is None or browser is None:
        return None
    flow = _flow(cast("Mapping[str, Any]", state))
    return flow if flow.environment_id == call.environment.id and same(flow.browser_digest, digest(browser)) else None


def _flow(state: Mapping[str, Any]) -> Flow:
    return Flow(state["environment_id"], state["browser_digest"], state["started_at"], state["parameters"])


async def signed_on(call: Call) -> SignedOn | None:
    """The enabled user whose living session this browser's cookie stands for."""
    store, environment_id = call.services.store, call.environment.id
    cookie = Cookies(call.services.secure).session(call.request, environment_id)
    session = await store.sessions.find_session(environment_id, digest(cookie)) if cookie else None
    if session is None or session.ended_at is not None or session.expires_at <= call.now:
        return None
    user = await store.users.find_user_by_id(environment_id, session.user_id)
    if user is None or not user.enabled:
        return None
    return SignedOn(user, session, await store.consents.consents_of(environment_id, user.id))


async def situation_of(call: Call, request: AuthorizationRequest | None, started_at: int) -> Situation:
    """Where this browser stands with a request (`None`: with its account page) that began at `started_at`."""
    browser_languages = parse_accept_language(call.request.headers.get("accept-language"))
    return Situation(
        environment=call.environment,
        policy=request.policy if request else _LOGIN_ONLY,
        request=request,
        signed_on=await signed_on(call),
        authenticated_since=authenticated_since(request, started_at),
        languages=(*(request.ui_locales if request else ()), *browser_languages),
        now=call.now,
    )


def authenticated_since(request: AuthorizationRequest | None, started_at: int) -> int:
    """Before which instant a sign-on is too old for this request (OpenID Connect Core section 3.1.2.1).

    Counted from the beginning of the flow, so that reading an agreement slowly does not mean signing on again.
    """
    if request is None:
        return 0
    if "login" in request.prompt:
        return started_at
    return 0 if request.max_age is None else started_at - request.max_age


def due_step(situation: Situation) -> tuple[SignOnStep, Step] | None:
    """The first step that is not satisfied. Signing on comes first even where a policy forgets it. Raises `ServerError`."""
    for step in (_LOGIN, *situation.policy.steps):
        kind = _BY_TYPE.get(step.type)
        if kind is None:
            raise ServerError(f"the policy {situation.policy.name!r} has a step of the unknown type {step.type!r}")
        if kind.is_due(step, situation):
            return kind, step
    return None


async def finish(call: Call, situation: Situation) -> Response:
    """Send the browser where it wanted to go. Every step is satisfied, so somebody is signed on."""
    if situation.request is None or situation.signed_on is None:
        return see(f"/{call.environment.id}/account")
    return await authorization_response.grant(call, situation.request, situation.signed_on)


def see(path: str) -> Response:
    """Send the browser to another of our pages (RFC 9110 section 15.4.4)."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})
