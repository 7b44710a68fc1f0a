"""Trips: a browser's way to an identity provider and back.

What a trip has to remember is in a cookie, under a seal that only this environment's servers can make and
open, and that is good in one browser only. So nobody can make the server remember anything by setting out.
That a trip ended is remembered, so that none ends twice. A browser is on one trip at a time: whoever sets out
again, in another tab, comes back from the later one.
"""

from dataclasses import astuple, dataclass
from typing import Any, Final

from deputize.authority.endpoint import EndpointCall
from deputize.authority.signon.browser import cookies_of
from deputize.http.messages import Response
from deputize.kernel.digests import digest
from deputize.kernel.strict_json import dumps, loads
from deputize.oauth.errors import InvalidRequest
from deputize.secrets.sealing import TextSeal

LIFETIME: Final = 600
"""Seconds from setting out to coming back."""
MAX_COOKIE: Final = 3800
"""Characters of a cookie's value that browsers keep beside its name and attributes."""
_PURPOSE: Final = "trip"


@dataclass(frozen=True, slots=True)
class Trip:
    """What a browser's user set out for."""

    state: str
    """What the provider's response has to bring back."""
    nonce: str
    """What its ID token has to say."""
    verifier: str
    """The secret of PKCE (RFC 7636)."""
    provider: str
    """The name of the provider in this environment."""
    issuer: str
    """Whose word counts, also where the environment calls another one by that name meanwhile."""
    begun_at: float
    is_fresh: bool
    """Whether the user has to sign on there anew."""
    flow: str
    """The last segment of the path of the flow that goes on then; empty where an account is connected."""
    query: str
    """The query of the flow's address."""
    session_id: str
    """The session whose user connects an account; empty at a sign-on."""


async def set_out(call: EndpointCall, response: Response, trip: Trip) -> None:
    """Have the browser keep the trip. Raises `InvalidRequest` where that is too much for it."""
    seal, binding = await _seal(call), _binding(call)
    try:
        sealed = seal.seal(dumps(astuple(trip)).decode(), binding)
    except UnicodeEncodeError as error:
        raise InvalidRequest("the request has characters that addresses have not") from error
    if len(sealed) > MAX_COOKIE:
        raise InvalidRequest("the request is too long for a sign-on with an identity provider")
    cookies_of(call).set_trip(response, sealed, LIFETIME)


async def find_trip(call: EndpointCall) -> Trip | None:
    """Return the trip that this browser is on, unless it takes too long."""
    sealed = cookies_of(call).trip(call.head)
    opened = (await _seal(call)).open(sealed, _binding(call)) if sealed else None
    if opened is None:
        return None
    members: Any = loads(opened.encode())
    trip = Trip(*members)
    return trip if call.now - trip.begun_at < LIFETIME else None


async def end_trip(call: EndpointCall, trip: Trip) -> bool:
    """Return whether the trip had not ended before; it has then."""
    once, until = digest(trip.state), trip.begun_at + LIFETIME
    return await call.services.store.one_time_ids.use(call.environment.id, _PURPOSE, once, until)


async def _seal(call: EndpointCall) -> TextSeal:
    key = await call.services.store.server_keys.server_key(call.environment.id, _PURPOSE)
    return TextSeal(lambda: (key,))


def _binding(call: EndpointCall) -> bytes:
    """What ties a trip to a browser: the cookie that ties its pages to it."""
    return (cookies_of(call).browser(call.head) or "").encode()
