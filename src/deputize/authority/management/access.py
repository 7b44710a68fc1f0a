"""Who asks: the bearer of a token for the management API, or an administrator signed on to the console."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from starlette.requests import Request

from deputize.authority.administration import Operator
from deputize.authority.administration.administrators import ROLES
from deputize.authority.console.session import (
    administrators,
    cookie_name,
    csrf_token,
    find_administrator,
)
from deputize.authority.directory.objects import Role
from deputize.authority.management.problems import RequestRefused
from deputize.authority.proofs import check_possession
from deputize.authority.services import Services
from deputize.jose import TokenInvalid
from deputize.kernel.digests import same
from deputize.kernel.values import JsonObject
from deputize.oauth.dpop import bound_key
from deputize.oauth.errors import InsufficientScope, InvalidToken
from deputize.oauth.introspection import find_live_token
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.store import User
from deputize.oauth.resources import parse_scope

CSRF_HEADER: Final = "X-CSRF-Token"
"""Has to come with a console's session: no other site can set it, nor read what it has to be."""
_OWN_SITES: Final = frozenset({None, "same-origin", "none"})


@dataclass(frozen=True, slots=True)
class TokenCall:
    """A request with a token, as `proofs.ProvenCall`."""

    services: Services
    environment: Environment
    method: str
    proofs: Sequence[str]
    now: float


async def operator_of(services: Services, request: Request) -> Operator:
    """Return who asks, with at least one role.

    Raises `InvalidToken`, `InvalidDPoPProof`, `UseDPoPNonce`, `InsufficientScope` for a token that opens
    nothing, and `RequestRefused` for a session that another site may have sent.
    """
    cookie = request.cookies.get(cookie_name(services))
    if cookie is not None and "authorization" not in request.headers:
        return await _operator_of_session(services, request, cookie)
    environment, now = administrators(services), services.clock.now()
    presented = request.headers.getlist("authorization")
    if len(presented) != 1:
        raise InvalidToken("no access token was presented" if not presented else "there are several")
    scheme, _, token = presented[0].partition(" ")
    scheme, token = scheme.lower(), token.strip()
    if scheme not in {"bearer", "dpop"} or environment is None:
        raise InvalidToken("no access token was presented, or there are no administrators")
    found = await find_live_token(environment, token, services.store.token_states, services.verifier, now)
    if isinstance(found, TokenInvalid):
        raise InvalidToken(found.reason)
    proofs = request.headers.getlist("dpop")
    call = TokenCall(services, environment, request.state.method, proofs, now)
    target = f"{services.base_url}{request.scope['raw_path'].decode('ascii')}"
    await check_possession(call, target, scheme, token, bound_key(found.claims))
    audience = found.claims.get("aud")
    if not isinstance(audience, list) or f"{services.base_url}/v1" not in audience:
        raise InvalidToken("the token is for another resource")
    operator = _operator(environment, found.claims, found.state.user)
    if not operator.roles:
        raise InsufficientScope(f"the token opens nothing to {operator.name!r}")
    return operator


def _operator(environment: Environment, claims: JsonObject, user: User | None) -> Operator:
    """Return whom a token is about: a user with what both the token and they may, or an agent of its own."""
    scope, holder = claims.get("scope"), claims.get("client_id")
    scopes = set(parse_scope(scope if isinstance(scope, str) else None))
    roles: frozenset[Role] = frozenset(role for role in ROLES if role in scopes)
    if user is None:
        agent = environment.agents.get(str(holder))
        return Operator("agent", str(holder), agent.name if agent else str(holder), roles)
    own = cast("frozenset[Role]", frozenset(user.roles.split()))
    return Operator("user", user.id, user.username, roles & own, str(holder))


async def _operator_of_session(services: Services, request: Request, cookie: str) -> Operator:
    administrator = await find_administrator(services, cookie)
    if administrator is None:
        raise InvalidToken("the console's session ended, or is nobody's")
    given = request.headers.get(CSRF_HEADER, "")
    if request.headers.get("sec-fetch-site") not in _OWN_SITES or not same(
        given, await csrf_token(services, administrator)
    ):
        raise RequestRefused(403, f"a session counts only with {CSRF_HEADER}, as its pages have it")
    if not administrator.operator.roles:
        raise RequestRefused(403, "the user has no role")
    return administrator.operator
