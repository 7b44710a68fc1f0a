"""Recovery codes: ten for each user who wants them, each good once, in place of an authenticator app's code.

Only digests are kept, and these are keyed: a code has 80 bits, which is enough for who has to guess online.
"""

from base64 import b32encode
from typing import Final

from deputize.authority.seals import seal
from deputize.authority.services import Services
from deputize.kernel.digests import digest
from deputize.kernel.ids import new_id, random_bytes
from deputize.oauth.records.store import Factor, User

COUNT: Final = 10
_BYTES: Final = 10
_GROUP: Final = 4
_LENGTH: Final = 16


async def replace_codes(services: Services, user: User, now: float) -> tuple[str, ...]:
    """Draw new codes in place of all that the user has; to be shown now, for they are not kept."""
    drawn = [b32encode(random_bytes(_BYTES)).decode("ascii") for _ in range(COUNT)]
    factors = [
        Factor(
            id=new_id(),
            environment_id=user.environment_id,
            user_id=user.id,
            kind="recovery_code",
            key=await _key(services, user.environment_id, user.id, each),
            name="",
            material="",
            counter=0,
            created_at=now,
        )
        for each in drawn
    ]
    await services.store.factors.replace_recovery_codes(user, factors)
    return tuple("-".join(each[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP)) for each in drawn)


def looks_like_one(typed: str) -> bool:
    """Return whether somebody typed what may be a recovery code, rather than the digits of an app."""
    return len(_plain(typed)) == _LENGTH


async def spend_code(services: Services, user: User, typed: str) -> bool:
    """Return whether it is one of the user's codes; it is gone then."""
    key = await _key(services, user.environment_id, user.id, _plain(typed))
    found = await services.store.factors.find_factor(user.environment_id, "recovery_code", key)
    return (
        found is not None and found.user_id == user.id and await services.store.factors.remove_factor(found)
    )


async def _key(services: Services, environment_id: str, user_id: str, code: str) -> str:
    return digest(await seal(services.store.server_keys, environment_id, "recovery code", user_id, code))


def _plain(typed: str) -> str:
    """Return the code without what people put between its groups, and in capitals."""
    return "".join(each for each in typed.upper() if each.isalnum())[: _LENGTH + 1]
