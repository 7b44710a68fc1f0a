"""The Login step: a name and a password, unless the browser's session is good enough."""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil

from deputize.audit.records import timestamp_text
from deputize.authority.passwords import TooBusy
from deputize.authority.services import Services
from deputize.authority.signon import known_browsers, throttles
from deputize.authority.signon.languages import Language
from deputize.authority.signon.pages import Page, Problem
from deputize.authority.signon.situation import Situation
from deputize.authority.signon.step import Again, Done, NewSession, Outcome, SignOnStep
from deputize.kernel.digests import digest
from deputize.oauth.ports import Throttle
from deputize.oauth.records.directory import Step
from deputize.oauth.records.store import Session, User
from deputize.oauth.usernames import MAX_LENGTH, canonical

MAX_TYPED = 1024
"""Characters of a name that are looked at: its canonical form may be shorter."""


def is_due(_step: Step, situation: Situation) -> bool:
    """Whether nobody is signed on here, or not recently enough."""
    return situation.signed_on is None or not situation.is_recent


def page(_step: Step, situation: Situation, _language: Language, again: Again) -> Page:
    """The form, with the name filled in where the user or the agent already gave it."""
    hint = situation.request.login_hint or "" if situation.request else ""
    values = {"agent_name": situation.agent_name, "username": again.typed or hint[:MAX_LENGTH]}
    return Page("login.html", values, again.problems, again.status)


async def submit(
    _step: Step, situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Sign the user on, or say in the same words and time that this did not work, whatever the reason."""
    username, password = (
        canonical(form.get("username", "")[:MAX_TYPED])[:MAX_LENGTH],
        form.get("password", ""),
    )
    if missing := _missing(username, password, language):
        return Again(missing, username)
    user = await services.store.users.find_user(situation.environment.id, username)
    try:
        return await _check(username, password, user, situation, language, services)
    except TooBusy as error:
        services.record(
            "sign-on refused", situation.environment.id, str(error), **_who(username, user, situation)
        )
        return Again((Problem(language.text("sign_on.busy")),), username, 503)


async def _check(
    username: str,
    password: str,
    user: User | None,
    situation: Situation,
    language: Language,
    services: Services,
) -> Outcome:
    environment_id, failures = situation.environment.id, services.store.sign_on_failures
    counts_for = await _throttles(user, situation, services)
    if locked_until := await failures.begin_attempt(environment_id, username, counts_for, situation.now):
        services.record(
            "sign-on refused",
            environment_id,
            "too many failures",
            **_who(username, user, situation),
            waits_until=timestamp_text(locked_until),
        )
        return _locked(username, locked_until - situation.now, language)
    try:
        accepted = await services.passwords.verify(
            user.password_hash if user else "", password, situation.network
        )
    except TooBusy:
        await failures.take_back_attempt(environment_id, username, counts_for)
        raise
    if user is None or not accepted or not user.enabled:
        reason = (
            "the name is unknown"
            if user is None
            else "the user is disabled"
            if accepted
            else "the password is wrong"
        )
        services.record("sign-on refused", environment_id, reason, **_who(username, user, situation))
        return Again((Problem(language.text("sign_on.failed"), "username"),), username)
    await failures.forget_attempts(environment_id, username, counts_for)
    return await _sign_on(user, situation, services)


async def _throttles(user: User | None, situation: Situation, services: Services) -> Mapping[str, Throttle]:
    """What an attempt counts for. Where the user signed on before, nobody else's failures count."""
    known_as = (
        await known_browsers.known_as(services, situation.environment.id, situation.known_browsers, user.id)
        if user
        else None
    )
    if known_as:
        return {f"browser {known_as}": throttles.KNOWN_BROWSER}
    return {"": throttles.NAME, f"network {situation.network}": throttles.NETWORK}


def _missing(username: str, password: str, language: Language) -> tuple[Problem, ...]:
    typed = (("username", username), ("password", password))
    return tuple(Problem(language.text(f"sign_on.enter_{name}"), name) for name, value in typed if not value)


def _locked(username: str, seconds: float, language: Language) -> Again:
    return Again((Problem(language.text("sign_on.locked", minutes=ceil(seconds / 60))),), username, 429)


def _who(username: str, user: User | None, situation: Situation) -> dict[str, str | None]:
    """Whom an attempt is about.

    What is no user's name may be a password typed in the wrong place, and is not written.
    """
    return {
        "user_id": user.id if user else None,
        "username": user.username if user else None,
        "unknown_username_digest": None if user else digest(username)[:16],
        "client_id": situation.request.client.id if situation.request else None,
    }


async def _sign_on(user: User, situation: Situation, services: Services) -> Outcome:
    cookie = services.new_token()
    session = await _session(user, situation, cookie, services)
    services.record(
        "signed on", situation.environment.id, **_who(user.username, user, situation), session_id=session.id
    )
    known = await known_browsers.remember(
        services, situation.environment.id, situation.known_browsers, user.id
    )
    return Done(NewSession(session.id, cookie, known))


async def _session(user: User, situation: Situation, cookie: str, services: Services) -> Session:
    """The session this sign-on made.

    The browser's own under a new cookie if it is the same user's, else a new one.

    A kept session, also one that lapsed, goes on to be what the tokens that came from it rest on, so that
    signing off ends them all. One of somebody else who is signed on in this browser ends.
    """
    previous, fresh = situation.session, _fresh_session(user, situation, cookie, services)
    if previous and previous.user_id == user.id:
        renewed = replace(fresh, id=previous.id)
        if await services.store.sessions.renew_session(renewed):
            return renewed
    elif somebody := situation.signed_on:
        await services.store.sessions.end_session(somebody.session.id, situation.now)
        services.record(
            "signed off",
            somebody.user.environment_id,
            user_id=somebody.user.id,
            session_id=somebody.session.id,
        )
    await services.store.sessions.add_session(fresh)
    return fresh


def _fresh_session(user: User, situation: Situation, cookie: str, services: Services) -> Session:
    now = situation.now
    return Session(
        id=services.new_id(),
        environment_id=user.environment_id,
        user_id=user.id,
        cookie_digest=digest(cookie),
        auth_time=int(now),
        expires_at=now + situation.environment.session_lifetime,
        user_term=user.term,
        created_at=now,
        last_used_at=now,
    )


LOGIN = SignOnStep("LOGIN", is_due, page, submit)
