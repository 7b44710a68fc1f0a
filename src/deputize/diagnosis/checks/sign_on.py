"""What the agent gets with a user: the sign-on, the agreement, and the subject token."""

from urllib.parse import parse_qsl

from deputize.diagnosis import causes
from deputize.diagnosis.browser import PageSeen
from deputize.diagnosis.callback import await_callback
from deputize.diagnosis.case import Case
from deputize.diagnosis.checks.check import (
    Check,
    Fine,
    RequestRefusal,
    SignOnRequest,
    answer_to_agent,
    authorization_request,
    explain_refusal,
    refusal_of,
)
from deputize.diagnosis.findings import Found, NotTried
from deputize.oauth.consents import AGREEMENT_STEP

_LOGIN_STEP = "LOGIN"
_MOST_STEPS = 8


async def sign_on(case: Case) -> Fine:
    """Sign the user on through the agent, and redeem the code: the subject token."""
    asked = authorization_request(case, scope=case.options.agent_scope)
    if case.options.browser:
        case.say(f"open this address, sign on, and agree:\n  {asked.url}")
        answer = dict(parse_qsl(await await_callback(case.options.redirect_uri, asked.url)))
    else:
        answer = answer_to_agent(case, await go_through(case, await case.browser.open(asked.url)))
    code = code_in(case, answer, asked)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": case.options.redirect_uri,
        "code_verifier": asked.verifier,
    }
    redeemed = await case.ask_token(form)
    if redeemed.status != 200:
        raise Found(causes.REQUEST_REFUSED, answer=redeemed.tell())
    case.subject = case.take(redeemed)
    case.signed_on_at = case.clock.now()
    return Fine(
        "the user signs on, and the agent gets the subject token",
        case.subject.tell("sub", "acr", "aud", "scope"),
    )


async def go_through(case: Case, page: PageSeen) -> PageSeen:
    """Do the steps of the sign-on as the user, until the browser is sent away.

    Raises `Found` where it does not go on, `NotTried` without a user.
    """
    user = case.options.user
    if user is None:
        raise NotTried("give --user and --password-file, or --browser")
    typed = False
    for _ in range(_MOST_STEPS):
        if page.leaves_for:
            return page
        form = page.form
        step = form.step if form else ""
        refused = None if step else refusal_of(case, page)
        if refused:
            raise explain_refusal(case, refused, scope=case.options.agent_scope, audience="")
        if step == _LOGIN_STEP and not typed:
            typed = True
            page = await case.browser.submit(page, {"username": user.id, "password": user.secret}, "sign-on")
        elif step == _LOGIN_STEP:
            raise Found(causes.SIGN_ON_REFUSED, (f"{page.answer.status} after the password",), user=user.id)
        elif step == AGREEMENT_STEP and case.options.accepts:
            case.consented = True
            page = await case.browser.submit(page, {}, "accept")
        elif step == AGREEMENT_STEP:
            raise await explain_agreement(case, user.id)
        else:
            raise Found(causes.STEP_FOR_PEOPLE, step=step or "something without a form")
    raise Found(causes.REQUEST_REFUSED, answer="the sign-on does not come to an end")


async def explain_agreement(case: Case, user: str) -> Found:
    """Name why the agreement is due: scopes joined those that the user agreed to, or they did not agree."""
    scopes = case.options.agent_scope.split()
    new = [scope for scope in scopes if not await is_agreed_to(case, scope)] if scopes[1:] else scopes
    if len(new) < len(scopes):
        return Found(causes.SCOPES_CHANGE, agent=case.agent.id, scopes=" ".join(new))
    reason = "the page asks for it, and --accept was not given"
    return Found(causes.CONSENT_MISSING, user=user, agent=case.agent.id, reason=reason)


async def is_agreed_to(case: Case, scope: str) -> bool:
    """Whether the agent obtains this scope for the user without a page."""
    asked = authorization_request(case, scope=scope, prompt="none")
    return refusal_of(case, await case.browser.open(asked.url)) is None


def code_in(case: Case, answer: dict[str, str], asked: SignOnRequest) -> str:
    """Return the code of an answer that fits the request (RFC 6749 section 10.12, RFC 9207)."""
    if "error" in answer:
        refused = RequestRefusal(answer["error"], f"{answer['error']}: {answer.get('error_description', '')}")
        raise explain_refusal(case, refused, scope=case.options.agent_scope, audience="")
    if answer.get("state") != asked.state or answer.get("iss", case.options.issuer) != case.options.issuer:
        raise Found(causes.REQUEST_REFUSED, answer="an answer with another state or issuer than asked for")
    return answer.get("code", "")


async def see_prompt(case: Case) -> Fine:
    """See that the sign-on has an agreement for the user to read: `prompt=consent` shows it again."""
    if case.consented:
        return Fine("the user was asked, and agreed")
    if not case.browser.has_session or case.subject is None:
        raise NotTried("a browser of a person does not tell: give --user and --password-file")
    asked = authorization_request(case, scope=case.options.agent_scope, prompt="consent")
    page = await case.browser.open(asked.url)
    if page.form and page.form.step == AGREEMENT_STEP:
        return Fine("the user agreed before, and would be shown it again on request")
    policy = str(case.subject.claims.get("acr", "POLICY"))
    raise Found(
        causes.NO_CONSENT_PROMPT,
        ("prompt=consent leads past every agreement", f"acr = {policy}"),
        policy=policy,
        agent=case.agent.id,
    )


async def ask_again(case: Case) -> Fine:
    """See that the user is not asked again for the same things: `prompt=none` yields a code."""
    if not case.browser.has_session or case.options.user is None:
        raise NotTried("a browser of a person does not tell: give --user and --password-file")
    asked = authorization_request(case, scope=case.options.agent_scope, prompt="none")
    refused = refusal_of(case, await case.browser.open(asked.url))
    if refused is None:
        return Fine("who agreed once is not asked again")
    if refused.error == "consent_required":
        seconds = max(0, round(case.clock.now() - case.signed_on_at))
        raise Found(
            causes.CONSENT_EVERY_TIME,
            (refused.said,),
            user=case.options.user.id,
            reason=f"{seconds} seconds after agreeing",
        )
    raise explain_refusal(case, refused, scope=case.options.agent_scope, audience="")


async def read_may_act(case: Case) -> Fine:
    """See that the subject token says that this agent may act (RFC 8693 section 4.4)."""
    if case.subject is None:
        raise NotTried("there is no subject token")
    claims, evidence = case.subject.claims, case.subject.tell("may_act", "aud", "client_id")
    may_act = claims.get("may_act")
    named = may_act.get("sub") if isinstance(may_act, dict) else None
    if named is None:
        raise Found(causes.MAY_ACT_MISSING, evidence, audience=case.options.agent_audience)
    if named != case.agent.id:
        raise Found(causes.MAY_ACT_NAMES_ANOTHER, evidence, named=str(named), client_id=case.agent.id)
    return Fine("the subject token says that the agent may act", evidence)


CHECKS = (
    Check("sign-on", "A user signs on through the agent", sign_on, ("authorization-request",)),
    Check("consent-prompt", "The user is asked for consent", see_prompt, ("sign-on",)),
    Check("may-act", "The subject token says who may act", read_may_act, ("sign-on",)),
)
LAST_CHECKS = (Check("consent-once", "The user is not asked each time", ask_again, ("consent-prompt",)),)
