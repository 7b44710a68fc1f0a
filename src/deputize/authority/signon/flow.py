"""Sign-on flows: an authorization request on its way through the steps of a policy.

A flow is kept in its address alone: the request's parameters, when it began, whose sign-on it saw, and what
its steps noted, under a seal that only this environment's servers can make and that is good in one browser
only. So nobody can make the server remember anything by asking. Who signed on is the browser's session, what
was agreed to is the user's consents. So parallel tabs, reloads and repeated clicks all lead to the same page,
and nothing is half done after a crash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deputize.authority.audit import SOURCE
from deputize.authority.console import session as console
from deputize.authority.directory.objects import ADMINISTRATORS
from deputize.authority.endpoint import EndpointCall
from deputize.authority.factors import totp
from deputize.authority.factors.challenges import make_challenge
from deputize.authority.seals import seal
from deputize.authority.signon import authorization_response
from deputize.authority.signon.browser import cookies_of
from deputize.authority.signon.pushed_requests import PREFIX, PushedRequest
from deputize.authority.signon.responses import see_other
from deputize.authority.signon.step import Done, SignedOn, SignOnStep, Situation
from deputize.authority.signon.steps import STEPS
from deputize.authority.signon.steps.destination import DESTINATION
from deputize.authority.signon.steps.login import LOGIN, login_settings_of
from deputize.authority.signon.steps.new_password import NEW_PASSWORD
from deputize.authority.signon.steps.totp import OWN_FACTOR
from deputize.http.messages import Response
from deputize.kernel.digests import digest, same
from deputize.oauth.access_tokens import Issue
from deputize.oauth.authorization_request import AuthorizationRequest, is_live, known_parameters
from deputize.oauth.consents import AGREEMENT_STEP, parse_accept_language
from deputize.oauth.errors import ServerError
from deputize.oauth.factors import authentication_of
from deputize.oauth.grants.authorization_code import GRANT_TYPE
from deputize.oauth.lineage import Lineage
from deputize.oauth.parameters import encode_parameters, parse_parameters
from deputize.oauth.reach import reach_of
from deputize.oauth.records.directory import Environment, Policy, Step
from deputize.oauth.records.store import Covers, Session
from deputize.oauth.resources import format_scope

_TOUCH_SECONDS = 30.0
"""A session's use is written down at most this often, so that most pages only read.

Idle life is exact to that.
"""
_LOGIN_STEP = Step(LOGIN.type, {})
_NEW_PASSWORD_STEP = Step(NEW_PASSWORD.type, {})
_DESTINATION_STEP = Step(DESTINATION.type, {})
PROVIDER_NOTE = "provider-"
"""Begins the note of why who came back from an identity provider is not signed on; the last one counts."""
_ACCOUNT = "account policy"
_CONSOLE_PAGE = "console_page"


@dataclass(frozen=True, slots=True)
class Flow:
    """What a flow's address says."""

    id: str
    """Random. One authorization code at most comes from it."""
    started_at: int
    parameters: Mapping[str, str] | None
    """Of the authorization request, validated anew each time.

    `None` when the user only wants their own pages.
    """
    session_id: str = ""
    """The session in which somebody signed on in this flow; empty before that."""
    console_page: str = ""
    """The page of the console that a flow without a request leads to; else it leads to the user's own."""
    notes: str = ""
    """What its steps noted (`step.Done.note`), with "~" between, so that `prompt=consent` asks once."""

    @property
    def is_pushed(self) -> bool:
        """Whether the client pushed the request (RFC 9126); its id is then the flow's."""
        return self.parameters is not None and "request_uri" in self.parameters


def begin(
    call: EndpointCall,
    parameters: Mapping[str, str] | None,
    pushed: PushedRequest | None = None,
    console_page: str = "",
) -> Flow:
    """Return a new flow for these parameters, or for what was pushed instead of them.

    Without parameters it leads to `console_page`. A pushed request is good for one authorization code, in
    however many flows it is tried: they have one id.
    """
    if pushed:
        return Flow(pushed.id, int(call.now), {**pushed.parameters, "request_uri": PREFIX})
    known = None if parameters is None else known_parameters(parameters)
    return Flow(call.services.new_token(), int(call.now), known, console_page=console_page)


def begin_again(call: EndpointCall, flow: Flow) -> Flow:
    """Return the flow as it began, for somebody else."""
    flow_id = flow.id if flow.is_pushed else call.services.new_token()
    return Flow(flow_id, int(call.now), flow.parameters, console_page=flow.console_page)


async def start(call: EndpointCall, flow: Flow) -> Response:
    """Bind the flow to this browser, and send it to the flow's pages."""
    browser = cookies_of(call).browser(call.head)
    bound_to = browser or call.services.new_token()
    response = see_other(await address(call, flow, bound_to))
    if browser is None:
        cookies_of(call).set_browser(response, bound_to)
    return response


async def find(call: EndpointCall, token: str, query: str) -> Flow | None:
    """Return the flow of the address that ends with `token` and `query`, if it is alive and this browser's.

    Raises `OAuthError` where the query cannot be read.
    """
    parts = token.split(".")
    browser = cookies_of(call).browser(call.head)
    if browser is None or len(parts) != 5:
        return None
    flow_id, started_at, session_id, notes, sealed = parts
    if not same(sealed, await _seal(call, "flow", browser, flow_id, started_at, session_id, notes, query)):
        return None
    if int(started_at) + call.services.lifetimes.flow_lifetime <= call.now:
        return None
    parameters = parse_parameters(query)
    console_page = parameters.get(_CONSOLE_PAGE, "")  # which no authorization request has: `known_parameters`
    return Flow(
        flow_id,
        int(started_at),
        None if console_page else parameters or None,
        session_id,
        console_page,
        notes,
    )


async def address(call: EndpointCall, flow: Flow, browser: str) -> str:
    """Compute where the browser with this cookie finds the flow."""
    parts = (flow.id, str(flow.started_at), flow.session_id, flow.notes)
    query = encode_parameters(
        {_CONSOLE_PAGE: flow.console_page} if flow.console_page else flow.parameters or {}
    )
    token = ".".join((*parts, await _seal(call, "flow", browser, *parts, query)))
    return f"/{call.environment.id}/signon/{token}{'?' if query else ''}{query}"


async def _seal(call: EndpointCall, purpose: str, *parts: str) -> str:
    return await seal(call.services.store.server_keys, call.environment.id, purpose, *parts)


async def signed_on(call: EndpointCall, session: Session | None = None) -> SignedOn | None:
    """Find the enabled user whose living session this browser's cookie stands for.

    `session` is what `session_of` found, where that was read before.
    """
    store, environment_id = call.services.store, call.environment.id
    session = session or await session_of(call)
    if session is None or not is_live(session, call.environment, call.now):
        return None
    user = await store.users.find_user_by_id(environment_id, session.user_id)
    if user is None or not user.enabled or user.term != session.user_term:
        return None
    if session.last_used_at + _TOUCH_SECONDS <= call.now:
        await store.sessions.touch_session(session.id, call.now)
    return SignedOn(user, session, await store.consents.consents_of(environment_id, user.id))


async def session_of(call: EndpointCall) -> Session | None:
    """Find the session this browser's cookie stands for, unless it was ended.

    It may have lapsed: what came from it lives on.
    """
    cookie = cookies_of(call).session(call.head)
    if cookie is None:
        return None
    session = await call.services.store.sessions.find_session(call.environment.id, digest(cookie))
    return session if session and session.ended_at is None else None


async def read_situation(call: EndpointCall, request: AuthorizationRequest | None, flow: Flow) -> Situation:
    """Read what steps decide by, for a request of this browser.

    Without a request the user wants their own pages, for which signing on is enough, or the console, for
    which it takes what `console_policy` says. Administrators prove what they have for agents, too: what these
    get may open the management API, which does what the console does.
    """
    session = await session_of(call)
    somebody = await signed_on(call, session) if session else None
    own = console_policy if flow.console_page else account_policy
    policy = request.policy if request else own(call.environment)
    if request and call.environment.name == ADMINISTRATORS:
        policy = prove_own_factor(policy)
    reads = any(kind.reads_factors(step) for step in policy.steps if (kind := STEPS.by_name.get(step.type)))
    factors = call.services.store.factors
    challenge = await make_challenge(call.services, call.environment.id, flow.id, call.now) if reads else ""
    return Situation(
        environment=call.environment,
        policy=policy,
        request=request,
        session=session,
        signed_on=somebody,
        address=SOURCE.get().address,
        known_users=cookies_of(call).known_users(call.head),
        is_recent=somebody is not None and is_recent(request, somebody.session, flow),
        notes=frozenset(flow.notes.split("~")),
        reach=compute_reach(call, request, somebody) if request and somebody else {},
        languages=(
            *(request.ui_locales if request else ()),
            *parse_accept_language(call.head.headers.get("accept-language")),
        ),
        now=call.now,
        flow_id=flow.id,
        factors=await factors.factors_of(call.environment.id, somebody.user.id) if reads and somebody else (),
        challenge=challenge,
        app_seal=await totp.seal_of(call.services, call.environment.id) if reads else None,
    )


def account_policy(environment: Environment) -> Policy:
    """Return how users sign on for their own pages: in whatever way policies of the environment let them.

    Whoever has more than a password has to prove it, for on these pages it can be changed.
    """
    known = environment.remembered
    if _ACCOUNT not in known:
        steps = [step for policy in environment.policies.values() for step in policy.steps]
        login = Step(LOGIN.type, login_settings_of(steps))
        known.remember(_ACCOUNT, Policy("", "", (login, OWN_FACTOR)))
    return known[_ACCOUNT]


def console_policy(environment: Environment) -> Policy:
    """Return how administrators sign on for the console: as their environment's default policy has it.

    Whoever has more than a password has to prove it, also where that policy does not ask. Agreements are for
    agents.
    """
    default = environment.policies.get(environment.settings.default_policy)
    if default is None:
        return account_policy(environment)
    proving = prove_own_factor(default).steps
    return replace(default, steps=tuple(each for each in proving if each.type != AGREEMENT_STEP))


def prove_own_factor(policy: Policy) -> Policy:
    """Return the policy with whoever has more than a password proving it, before they agree to anything."""
    agreements = [each for each in policy.steps if each.type == AGREEMENT_STEP]
    others = (each for each in policy.steps if each.type != AGREEMENT_STEP)
    return replace(policy, steps=(*others, OWN_FACTOR, *agreements))


async def visitor(call: EndpointCall) -> SignedOn | None:
    """Find who is signed on as their own pages demand it; else they have to be sent to a flow."""
    flow = begin(call, None)
    situation = await read_situation(call, None, flow)
    return situation.signed_on if due_step(situation) is None else None


def compute_reach(call: EndpointCall, request: AuthorizationRequest, somebody: SignedOn) -> Covers:
    """Compute what this request of this user reaches, by the token that it would yield."""
    session, target = somebody.session, request.target.signed_on_for
    issue = Issue(
        environment=call.environment,
        client=request.client,
        resource=target.resource,
        scopes=target.scopes,
        grant_type=GRANT_TYPE,
        now=call.now,
        expires_at=int(call.now) + target.resource.settings.token_lifetime,
        lineage=Lineage(None, ()),
        authentication=authentication_of(session, request.policy),
        user=somebody.user,
        requested_scope=format_scope(target.requested),
    )
    return reach_of(issue, request.target)


def is_recent(request: AuthorizationRequest | None, session: Session, flow: Flow) -> bool:
    """Return whether the session's sign-on is recent enough for this request.

    OpenID Connect Core section 3.1.2.1.

    One of somebody else than the request is about never is; otherwise one in the flow itself always is.
    Nothing else tells before from after: `auth_time` is in whole seconds, and clocks jump. Ages count from
    the beginning of the flow, so that reading an agreement slowly does not mean signing on again, and in
    doubt about a part of a second a sign-on is too old.
    """
    if request is None:
        return True
    if request.hinted_user_id not in {None, session.user_id}:
        return False
    if session.id == flow.session_id:
        return True
    if not {"login", "select_account"}.isdisjoint(request.prompt):
        return False
    return request.max_age is None or flow.started_at - session.auth_time < request.max_age


def due_step(situation: Situation) -> tuple[SignOnStep, Step] | None:
    """Find the first step that is not satisfied, and its kind. Raises `ServerError`."""
    return next((each for each in steps_of(situation.policy) if each[0].is_due(each[1], situation)), None)


def steps_of(policy: Policy) -> Sequence[tuple[SignOnStep, Step]]:
    """Return what users go through by a policy: its steps, and those that no policy has to name.

    Signing on, by password, comes first even where a policy forgets it. A temporary password is changed once
    users proved all that the policy has them prove. Where the answer may be anybody's, they are shown in the
    end where it goes. Raises `ServerError`.
    """
    found: list[tuple[SignOnStep, Step]] = []
    for step in policy.steps:
        kind = STEPS.by_name.get(step.type)
        if kind is None:
            raise ServerError(f"the policy {policy.name!r} has a step of the unknown type {step.type!r}")
        found.append((kind, step))
    if not found or not found[0][0].signs_on:
        found.insert(0, (LOGIN, _LOGIN_STEP))
    proving = (at for at, (kind, step) in enumerate(found, 1) if kind.signs_on or kind.reads_factors(step))
    found.insert(max(proving), (NEW_PASSWORD, _NEW_PASSWORD_STEP))
    return (*found, (DESTINATION, _DESTINATION_STEP))


async def proceed(call: EndpointCall, flow: Flow, done: Done | None = None) -> Response:
    """Send the browser to where the flow goes on after a step that was just done in it."""
    if done and done.session:
        flow = replace(flow, session_id=done.session.id)
    if done and done.note:
        kept = (each for each in flow.notes.split("~") if each and not each.startswith(PROVIDER_NOTE))
        flow = replace(flow, notes="~".join(dict.fromkeys([*kept, done.note])))
    return see_other(await address(call, flow, cookies_of(call).browser(call.head) or ""))


async def finish(call: EndpointCall, situation: Situation, flow: Flow) -> Response:
    """Send the browser where it wanted to go. Every step is satisfied, so somebody is signed on."""
    if flow.console_page and situation.signed_on:
        response = see_other(flow.console_page)
        response.headers.add(
            "Set-Cookie", await console.hand_over(call.services, situation.signed_on.session)
        )
        return response
    if situation.request is None or situation.signed_on is None:
        return see_other(f"/{call.environment.id}/my")
    code = await code_of(call, flow)
    return await authorization_response.grant_code(call, situation.request, situation.signed_on, code)


async def repeat(call: EndpointCall, situation: Situation, flow: Flow) -> Response | None:
    """Answer a flow that already yielded its code, as `authorization_response.repeat` does; else `None`."""
    if situation.request is None:
        return None
    code, session = await code_of(call, flow), situation.session
    return await authorization_response.repeat(call, situation.request, code, session)


async def code_of(call: EndpointCall, flow: Flow) -> str:
    """Compute the one authorization code of a flow.

    It is not drawn, so that whoever asks again, in parallel, after a crash or because the answer got lost,
    gets the same one.
    """
    return await _seal(call, "code", flow.id)
