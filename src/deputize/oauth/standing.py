"""Whether what a token rests on is still alive: its user, session, consents, client, and the token itself.

A signature and an expiry say that a token was right when it was issued. This says that it still is.
"""

from dataclasses import dataclass
from typing import Final

from deputize.kernel.values import JsonObject
from deputize.oauth.consents import agreement_ids, alive
from deputize.oauth.ports import Standings
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.store import Authentication, Standing

MACHINE_CLAIM: Final = "p1.rid"
"""Stands in tokens that no user is behind (client credentials), and equals their `jti`."""
USER_CLAIM: Final = "p1.userId"


@dataclass(frozen=True, slots=True)
class Basis:
    """What a token rests on, as its claims tell."""

    client_id: str
    jti: str | None
    """ID tokens have none."""
    authentication: Authentication | None
    """`None` when no user is behind it."""


def basis_of(claims: JsonObject) -> Basis | None:
    """What the token with these verified claims rests on; `None` when they do not tell, so that it must not be believed."""
    client_id, jti = claims.get("client_id", claims.get("aud")), claims.get("jti")  # an ID token's aud is its client
    if not isinstance(client_id, str):
        return None
    authentication = None if MACHINE_CLAIM in claims else _authentication(claims)
    if authentication is None and MACHINE_CLAIM not in claims:
        return None
    return Basis(client_id, jti if isinstance(jti, str) else None, authentication)


async def read_standing(standings: Standings, environment: Environment, basis: Basis, *more_jtis: str) -> Standing:
    """The state of everything in `basis`, and the revocations of further tokens, in one read."""
    jtis = [each for each in (basis.jti, *more_jtis) if each]
    who = basis.authentication
    if who is None:
        return await standings.standing(environment.id, None, None, (), jtis)
    policy = environment.policies.get(who.acr)
    return await standings.standing(environment.id, who.user_id, who.session_id, agreement_ids(policy) if policy else (), jtis)


def standing_refusal(environment: Environment, basis: Basis, standing: Standing, now: float) -> str | None:
    """The private reason why a token with this basis is dead, or `None` while it is alive."""
    client = environment.agents.get(basis.client_id)
    if client is None or not client.enabled:
        return f"the client {basis.client_id!r} is gone or disabled"
    if standing.revoked:
        return "a token was revoked"
    return None if basis.authentication is None else _user_refusal(environment, basis.authentication, standing, now)


def _authentication(claims: JsonObject) -> Authentication | None:
    user_id, session_id = claims.get(USER_CLAIM, claims.get("sub")), claims.get("sid")
    acr, auth_time = claims.get("acr"), claims.get("auth_time")
    if isinstance(user_id, str) and isinstance(session_id, str) and isinstance(acr, str) and isinstance(auth_time, int):
        return Authentication(user_id, session_id, auth_time, acr)
    return None


def _user_refusal(environment: Environment, who: Authentication, standing: Standing, now: float) -> str | None:
    user, session, policy = standing.user, standing.session, environment.policies.get(who.acr)
    if user is None or user.id != who.user_id or user.environment_id != environment.id or not user.enabled:
        return "the user is gone or disabled"
    if session is None or session.id != who.session_id or session.user_id != who.user_id:
        return "the session is gone"
    if session.ended_at is not None or now >= session.expires_at:
        return "the session has ended"
    if policy is None:
        return f"the authentication policy {who.acr!r} is gone"
    return None if alive(policy, environment.agreements, standing.consents, now) else "a consent was withdrawn, expired, or is due again"
