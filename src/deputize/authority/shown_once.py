"""What a page shows once: secrets on their way from the form that made them to the page behind its redirect.

A page that answers a form with a secret asks to send the form again when it is reloaded, which makes
another secret. So the form leads on, and the browser carries the secret to the next page in a cookie:
encrypted for that page and that session, for a minute, and opened once, whoever keeps a copy. It is in no
address, no log and no history, and this server stores nothing of it but that it was shown.
"""

import json
from typing import Final, NamedTuple

from deputize.authority.services import Services
from deputize.kernel.digests import digest
from deputize.kernel.strict_json import loads
from deputize.kernel.values import JsonObject
from deputize.oauth.records.store import Session
from deputize.secrets.sealing import TextSeal

LIFETIME: Final = 60
"""Seconds from the form to the page."""
MAX_SHOWN: Final = 2600
"""Characters, as JSON in ASCII: sealed, they fit into a cookie."""
_PURPOSE: Final = "shown once"


class ShownPlace(NamedTuple):
    """Where something is shown, and to whom."""

    session: Session
    path: str


def fits(values: JsonObject) -> bool:
    """Return whether a cookie can carry it."""
    return len(json.dumps(values)) <= MAX_SHOWN


async def seal_once(services: Services, place: ShownPlace, values: JsonObject) -> str:
    """Encrypt what is shown at that place."""
    told = json.dumps([services.clock.now() + LIFETIME, values])
    return (await _seal(services, place)).seal(told, _binding(place))


async def open_once(services: Services, place: ShownPlace, sealed: str) -> JsonObject | None:
    """Return what is to be shown at that place; `None` where it is over, or was shown already."""
    told = (await _seal(services, place)).open(sealed, _binding(place)) if sealed else None
    match loads(told.encode(), max_size=4 * MAX_SHOWN) if told else None:
        case [int() | float() as until, {**values}] if services.clock.now() < until:
            ids, where = services.store.one_time_ids, place.session.environment_id
            return values if await ids.use(where, _PURPOSE, digest(sealed), until) else None
        case _:
            return None


async def _seal(services: Services, place: ShownPlace) -> TextSeal:
    key = await services.store.server_keys.server_key(place.session.environment_id, _PURPOSE)
    return TextSeal(lambda: (key,))


def _binding(place: ShownPlace) -> bytes:
    return json.dumps([place.session.id, place.path]).encode()
