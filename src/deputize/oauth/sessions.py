"""How long a sign-on signs its user on again without a page.

It says nothing about grants: they live to limits of their own.
"""

from deputize.oauth.records.directory import Environment
from deputize.oauth.records.store import Session


def is_live(session: Session, environment: Environment, now: float) -> bool:
    """Whether the session was not ended and did not lapse.

    The environment's limits of today count, so that shortening them shortens sessions under way.
    """
    lapses_at = min(
        session.expires_at,
        session.auth_time + environment.session_lifetime,
        session.last_used_at + environment.session_idle_lifetime,
    )
    return session.ended_at is None and now < lapses_at
