"""The sessions that sign-ons lead to, and what each was proved with."""

from collections.abc import Mapping
from dataclasses import replace

from deputize.authority.services import Services
from deputize.authority.signon.browser import remember_user
from deputize.authority.signon.step import NewSession, SignedOn, Situation
from deputize.kernel.digests import digest
from deputize.oauth.factors import PASSWORD
from deputize.oauth.records.store import Session, User


async def sign_on(
    user: User, factor: str, situation: Situation, services: Services, proved_at: float | None = None
) -> NewSession:
    """Sign the user on, who proved `factor`: just now, or `proved_at` somewhere else.

    A session of theirs that counts for the request gets that factor as well. Otherwise what was proved before
    is forgotten. The session is the browser's own under a new cookie if that is the same user's, else a new
    one. A kept session, also one that lapsed, goes on to be what the tokens that came from it rest on, so
    that signing off ends them all. One of somebody else who is signed on in this browser ends.
    """
    somebody = situation.signed_on
    if somebody and somebody.user.id == user.id and situation.is_recent:
        added = await add_factor(somebody, factor, situation, services)
        if added:
            return added
    sessions, cookie = services.store.sessions, services.new_token()
    instant = situation.now if proved_at is None else min(proved_at, situation.now)
    session = _new_session(user, cookie, {factor: int(instant)}, situation, services)
    session = replace(session, auth_time=int(instant))
    if situation.session and situation.session.user_id == user.id:
        renewed = replace(session, id=situation.session.id)
        if await sessions.renew_session(renewed):
            return await _give(user, renewed, cookie, factor, situation, services)
    elif somebody:
        await services.sign_off(somebody.session, situation.now)
    await sessions.add_session(session)
    return await _give(user, session, cookie, factor, situation, services)


async def begin_term(user: User, situation: Situation, services: Services) -> NewSession:
    """Begin another session for who is signed on, and just began a new term by changing the password.

    It has the factors of the one before, which ended with the term it was of.
    """
    cookie, proved = services.new_token(), {PASSWORD: int(situation.now)}
    factors = {**situation.somebody.session.factors, **proved}
    session = _new_session(user, cookie, factors, situation, services)
    await services.store.sessions.add_session(session)
    return await _give(user, session, cookie, PASSWORD, situation, services)


def _new_session(
    user: User, cookie: str, factors: Mapping[str, int], situation: Situation, services: Services
) -> Session:
    now = situation.now
    return Session(
        id=services.new_id(),
        environment_id=user.environment_id,
        user_id=user.id,
        cookie_digest=digest(cookie),
        auth_time=int(now),
        expires_at=now + situation.environment.settings.session_lifetime,
        user_term=user.term,
        created_at=now,
        last_used_at=now,
        factors=factors,
    )


async def add_factor(
    somebody: SignedOn, factor: str, situation: Situation, services: Services
) -> NewSession | None:
    """Note that who is signed on proved `factor` too, and give the session another cookie.

    `None` where the session is no longer as it was read: ended, of an earlier term, or in other hands.
    """
    session, cookie = somebody.session, services.new_token()
    stronger = replace(
        session,
        cookie_digest=digest(cookie),
        last_used_at=situation.now,
        factors={**session.factors, factor: int(situation.now)},
    )
    if not await services.store.sessions.renew_session(stronger, session.cookie_digest):
        return None
    return await _give(somebody.user, stronger, cookie, factor, situation, services)


async def _give(
    user: User, session: Session, cookie: str, factor: str, situation: Situation, services: Services
) -> NewSession:
    """Record the sign-on, and make what the browser gets of it."""
    services.record(
        "signed on",
        user.environment_id,
        user_id=user.id,
        username=user.username,
        client_id=situation.request.client.id if situation.request else None,
        session_id=session.id,
        factor=factor,
    )
    known = await remember_user(services, user.environment_id, situation.known_users, user.id)
    return NewSession(session.id, cookie, known)
