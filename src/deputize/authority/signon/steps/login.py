"""The Login step: a name and a password, unless the browser's session is good enough."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

from deputize.audit.records import timestamp_text
from deputize.authority.passwords import TooBusy
from deputize.authority.services import Services
from deputize.authority.signon.browser import browser_known_as, remember_user
from deputize.authority.signon.pages import Language, Problem
from deputize.authority.signon.step import Again, Done, NewSession, Outcome, SignOnStep, Situation
from deputize.kernel.digests import digest
from deputize.oauth.errors import LoginRequired
from deputize.oauth.ports import Throttle
from deputize.oauth.records.directory import Step
from deputize.oauth.records.store import Session, User
from deputize.oauth.usernames import MAX_LENGTH, canonical

MAX_TYPED = 1024
"""Characters of a name that are looked at: its canonical form may be shorter."""
NETWORK = Throttle(free=6, first_wait=900, longest_wait=900, memory=900)
"""How often the password of one name may be guessed from one network."""
NAME = Throttle(free=30, first_wait=1, longest_wait=300, memory=3600)
"""The same from all networks together: attackers who have many wait longer and longer.

One network alone does not get so far.
"""
KNOWN_BROWSER = Throttle(free=6, first_wait=900, longest_wait=900, memory=900)
"""The same in a browser where that user signed on before, which waits for nobody else's failures."""


def is_due(_step: Step, situation: Situation) -> bool:
    """Return whether nobody is signed on here, or not recently enough."""
    return situation.signed_on is None or not situation.is_recent


def page_values(_step: Step, situation: Situation, again: Again) -> Mapping[str, object]:
    """Fill the name in where the user or the agent already gave it."""
    hint = situation.request.login_hint or "" if situation.request else ""
    return {
        "agent_name": situation.agent_name,
        "stranger": situation.stranger,
        "username": again.typed or hint[:MAX_LENGTH],
    }


async def submit(
    _step: Step, situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Sign the user on, or say in the same words and time that this did not work, whatever the reason."""
    username = canonical(form.get("username", "")[:MAX_TYPED])[:MAX_LENGTH]
    password = form.get("password", "")
    missing = [name for name, typed in (("username", username), ("password", password)) if not typed]
    if missing:
        return Again([Problem(language.text(f"login.enter_{name}"), name) for name in missing], username)
    user = await services.store.users.find_user(situation.environment.id, username)
    failures, environment_id = services.store.sign_on_failures, situation.environment.id
    # Whom the attempt is about. What is no user's name may be a password typed in the wrong place, and is not
    # written.
    who = {
        "user_id": user.id if user else None,
        "username": user.username if user else None,
        "unknown_username_digest": None if user else digest(username)[:16],
        "client_id": situation.request.client.id if situation.request else None,
    }
    network = network_of(situation.address)
    counts_for = await choose_throttles(user, network, situation, services)
    if locked_until := await failures.begin_attempt(environment_id, username, counts_for, situation.now):
        services.record(
            "sign-on refused",
            environment_id,
            "too many failures",
            **who,
            waits_until=timestamp_text(locked_until),
        )
        minutes = ceil((locked_until - situation.now) / 60)
        return Again([Problem(language.text("login.locked", minutes=minutes))], username, 429)
    try:
        accepted = await services.passwords.verify(user.password_hash if user else "", password, network)
    except TooBusy as error:
        await failures.take_back_attempt(environment_id, username, counts_for)
        services.record("sign-on refused", environment_id, str(error), **who)
        return Again([Problem(language.text("login.busy"))], username, 503)
    if user is None or not accepted or not user.enabled:
        reason = (
            "the name is unknown"
            if user is None
            else "the user is disabled"
            if accepted
            else "the password is wrong"
        )
        services.record("sign-on refused", environment_id, reason, **who)
        return Again([Problem(language.text("login.failed"), "username")], username)
    await failures.forget_attempts(environment_id, username, counts_for)
    if situation.request and situation.request.hinted_user_id not in {None, user.id}:
        services.record("sign-on refused", environment_id, "the request is about another user", **who)
        problem = language.text("login.somebody_else", agent=situation.agent_name)
        return Again([Problem(problem, "username")], username)
    session, cookie = await make_session(user, situation, services)
    services.record("signed on", environment_id, **who, session_id=session.id)
    known = await remember_user(services, environment_id, situation.known_users, user.id)
    return Done(NewSession(session.id, cookie, known))


async def choose_throttles(
    user: User | None, network: str, situation: Situation, services: Services
) -> Mapping[str, Throttle]:
    """Choose what an attempt counts for. Where the user signed on before, nobody else's failures count."""
    if user:
        known_as = await browser_known_as(services, situation.environment.id, situation.known_users, user.id)
        if known_as:
            return {f"browser {known_as}": KNOWN_BROWSER}
    return {"": NAME, f"network {network}": NETWORK}


def network_of(address: str | None) -> str:
    """Return what counts as one source.

    That is an IPv4 address, or the 64 bits of an IPv6 address that whoever has it chooses from at will.
    """
    try:
        ip = ip_address(address or "")
    except ValueError:
        return ""
    is_version_6 = isinstance(ip, IPv6Address) and not ip.ipv4_mapped
    return str(ip_network((ip, 64), strict=False)) if is_version_6 else str(ip)


async def make_session(user: User, situation: Situation, services: Services) -> tuple[Session, str]:
    """Make the session of this sign-on, and its cookie.

    It is the browser's own under a new cookie if that is the same user's, else a new one. A kept session,
    also one that lapsed, goes on to be what the tokens that came from it rest on, so that signing off ends
    them all. One of somebody else who is signed on in this browser ends.
    """
    now, sessions, cookie = situation.now, services.store.sessions, services.new_token()
    session = Session(
        id=services.new_id(),
        environment_id=user.environment_id,
        user_id=user.id,
        cookie_digest=digest(cookie),
        auth_time=int(now),
        expires_at=now + situation.environment.settings.session_lifetime,
        user_term=user.term,
        created_at=now,
        last_used_at=now,
    )
    if situation.session and situation.session.user_id == user.id:
        renewed = replace(session, id=situation.session.id)
        if await sessions.renew_session(renewed):
            return renewed, cookie
    elif somebody := situation.signed_on:
        await services.sign_off(somebody.session, now)
    await sessions.add_session(session)
    return session, cookie


LOGIN = SignOnStep(
    "LOGIN",
    "login",
    "deputize.authority.signon.steps",
    is_due,
    page_values,
    submit,
    unprompted_error=LoginRequired,
)
