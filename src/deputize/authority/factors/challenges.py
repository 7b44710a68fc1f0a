"""Challenges that passkeys sign: each for one page, for five minutes, and once.

Nothing is remembered of a challenge before a passkey has signed it: it is sealed instead, so that nobody
makes the server remember anything by asking for pages.
"""

from typing import Final

from deputize.authority.seals import seal
from deputize.authority.services import Services
from deputize.kernel.digests import digest, same

LIFETIME: Final = 300
"""Seconds from showing the page to the answer."""
_PURPOSE: Final = "passkey"


async def make_challenge(services: Services, environment_id: str, page: str, now: float) -> str:
    """Make a challenge for `page`: what ties it to a flow or a session, which is another one elsewhere."""
    drawn = f"{services.new_token()}.{int(now)}"
    return f"{drawn}.{await _seal(services, environment_id, page, drawn)}"


async def is_due(services: Services, environment_id: str, page: str, challenge: str, now: float) -> bool:
    """Return whether it is a challenge of ours for `page` whose time is not over."""
    drawn, _, sealed = challenge.rpartition(".")
    if not same(sealed, await _seal(services, environment_id, page, drawn)):
        return False
    return 0 <= now - int(drawn.rpartition(".")[2]) < LIFETIME


async def use_up(services: Services, environment_id: str, challenge: str, now: float) -> bool:
    """Return whether nobody answered this challenge before; only for one that a passkey has signed."""
    once, kept_until = digest(challenge), now + LIFETIME
    return await services.store.one_time_ids.use(environment_id, _PURPOSE, once, kept_until)


async def _seal(services: Services, environment_id: str, page: str, drawn: str) -> str:
    return await seal(services.store.server_keys, environment_id, _PURPOSE, page, drawn)
