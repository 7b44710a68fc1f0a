"""Browsers in which somebody signed on before: others who guess that user's password do not make them wait.

A browser carries one entry a user: a random id, and a seal over it and the user that only this environment's
servers can make. It signs nobody on, and says nothing about which users they are.
"""

from deputize.authority.services import Services
from deputize.authority.signon.seals import seal
from deputize.kernel.digests import same

MAX_ENTRIES = 8
"""Users that one browser is known to; the one who signed on longest ago goes."""
LIFETIME = 365 * 86400


async def known_as(services: Services, environment_id: str, cookie: str, user_id: str) -> str | None:
    """The id under which a browser with that cookie is known to have been the user's; `None` if it is not."""
    for entry in _entries(cookie):
        browser_id, _, sealed = entry.partition(".")
        if same(sealed, await _seal(services, environment_id, user_id, browser_id)):
            return browser_id
    return None


async def remember(services: Services, environment_id: str, cookie: str, user_id: str) -> str:
    """The cookie's next value, now that the user signed on in that browser."""
    browser_id = await known_as(services, environment_id, cookie, user_id) or services.new_id()
    entry = f"{browser_id}.{await _seal(services, environment_id, user_id, browser_id)}"
    return ":".join([entry, *(other for other in _entries(cookie) if other != entry)][:MAX_ENTRIES])


def _entries(cookie: str) -> list[str]:
    return [entry for entry in cookie.split(":")[:MAX_ENTRIES] if entry]


async def _seal(services: Services, environment_id: str, user_id: str, browser_id: str) -> str:
    return await seal(services, environment_id, "known browser", user_id, browser_id)
