"""Who uses the console: an administrator's session, handed over from where it signed on.

The console has a cookie of its own, as over http those of an environment stay within its paths. It names the
session by the digest of the environment's cookie, under a seal that only this database's servers can make:
who has it can use the console, but not sign on, and a session that got another cookie, ended or lapsed, or a
user who was disabled or lost their roles, is nobody from the next request on.
"""

from dataclasses import dataclass
from typing import Final, cast

from deputize.authority.administration.operators import Operator
from deputize.authority.directory.objects import ADMINISTRATORS, Role
from deputize.authority.seals import seal
from deputize.authority.services import Services
from deputize.kernel.digests import digest, same
from deputize.oauth.authorization_request import is_live
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.store import Session, User

CONSOLE_PATH: Final = "/console"
_TOUCH_SECONDS: Final = 30.0
"""As `signon.flow` does: a session's use is written down at most this often."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who is signed on to the console."""

    user: User
    session: Session
    operator: Operator
    cookie: str
    """The console's cookie, which forms are bound to."""


def administrators(services: Services) -> Environment | None:
    """Return the environment whose users may have roles."""
    return next(
        (each for each in services.directory.current.environments.values() if each.name == ADMINISTRATORS),
        None,
    )


def cookie_name(services: Services, name: str = "deputize-console") -> str:
    """Return the name of one of the console's cookies, by default of that which says who is signed on."""
    return f"__Host-{name}" if services.secure else name


def cookie_attributes(services: Services) -> str:
    """Return what a browser is told about a cookie of the console; see `signon.browser.Cookies`."""
    return "HttpOnly; SameSite=lax; " + ("Path=/; Secure" if services.secure else f"Path={CONSOLE_PATH}")


async def hand_over(services: Services, session: Session) -> str:
    """Return the value of `Set-Cookie` that opens the console to this browser, whose session it is."""
    sealed = await _seal(services, session.environment_id, session.cookie_digest)
    return f"{cookie_name(services)}={session.cookie_digest}.{sealed}; {cookie_attributes(services)}"


def take_back(services: Services) -> str:
    """Return the value of `Set-Cookie` that closes the console to this browser.

    The session that the cookie stands for has ended; that a cookie goes tells browsers, too, to show no page
    again that they left it with.
    """
    return f"{cookie_name(services)}=; Max-Age=0; {cookie_attributes(services)}"


async def find_administrator(services: Services, cookie: str) -> Administrator | None:
    """Find whom the console's cookie stands for: an enabled user, in a session that lives.

    Their roles may have been taken; then they see nothing.
    """
    environment, now = administrators(services), services.clock.now()
    cookie_digest, _, sealed = cookie.partition(".")
    if environment is None or not same(sealed, await _seal(services, environment.id, cookie_digest)):
        return None
    session = await services.store.sessions.find_session(environment.id, cookie_digest)
    if session is None or not is_live(session, environment, now):
        return None
    user = await services.store.users.find_user_by_id(environment.id, session.user_id)
    if user is None or not user.enabled or user.term != session.user_term:
        return None
    if session.last_used_at + _TOUCH_SECONDS <= now:
        await services.store.sessions.touch_session(session.id, now)
    roles = cast("frozenset[Role]", frozenset(user.roles.split()))
    return Administrator(user, session, Operator("user", user.id, user.username, roles), cookie)


async def csrf_token(services: Services, administrator: Administrator) -> str:
    """Compute what each form carries as proof that this server showed it in this session."""
    environment_id = administrator.session.environment_id
    return await seal(
        services.store.server_keys, environment_id, "console form", digest(administrator.cookie)
    )


async def _seal(services: Services, environment_id: str, cookie_digest: str) -> str:
    return await seal(services.store.server_keys, environment_id, "console session", cookie_digest)
