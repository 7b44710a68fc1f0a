"""Values that only the servers of an environment can compute, with its server keys.

What a page or an address carries is believed when its seal is right. Refresh tokens are computed too, so that
a repeated request gets the same successor although only digests are stored.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from deputize.kernel.ids import new_segment
from deputize.oauth.lineage import SEAL_LENGTH, Lineage
from deputize.oauth.ports import ServerKeys

MadeT = TypeVar("MadeT")
Derive: TypeAlias = Callable[[str, int], str]
"""Takes the id of a grant and a generation; returns the refresh token value."""
SealLineage: TypeAlias = Callable[[Lineage], str]


async def seal(server_keys: ServerKeys, environment_id: str, purpose: str, *parts: str) -> str:
    """Compute 256 bits, URL-safe, from `parts` with the environment's server key.

    `purpose` keeps a seal from being good for anything else, and the parts are told apart, so `("a", "bc")`
    is not `("ab", "c")`.
    """
    key = await server_keys.server_key(environment_id, "sign-on")
    return _mac(key, json.dumps([purpose, *parts]))


class PerEnvironment(Generic[MadeT]):
    """What is made of one key an environment, which is read from the store once."""

    def __init__(self, server_keys: ServerKeys, purpose: str, make: Callable[[bytes], MadeT]) -> None:
        """`purpose` names the key, so that none serves for two things."""
        self._server_keys = server_keys
        self._purpose = purpose
        self._make = make
        self._made: dict[str, MadeT] = {}

    async def of(self, environment_id: str) -> MadeT:
        """Return that of the environment."""
        made = self._made.get(environment_id)
        if made is None:
            key = await self._server_keys.server_key(environment_id, self._purpose)
            made = self._made[environment_id] = self._make(key)
        return made


def refresh_token_values(server_keys: ServerKeys) -> PerEnvironment[Derive]:
    """Return what derives refresh token values."""
    return PerEnvironment(server_keys, "refresh-token", lambda key: partial(derive_refresh_token, key))


def lineage_seals(server_keys: ServerKeys) -> PerEnvironment[SealLineage]:
    """Return what computes the seal at the end of a `jti`."""
    return PerEnvironment(server_keys, "jti", lambda key: partial(seal_lineage, key))


def seal_lineage(key: bytes, lineage: Lineage) -> str:
    """Compute the seal of a lineage, whatever seal it has."""
    return _mac(key, lineage.id)[:SEAL_LENGTH]


def extend_lineage(seal: SealLineage, lineage: Lineage, agent_term: str, resource_term: str) -> Lineage:
    """Return the lineage of one token more, sealed (`GrantPorts.extend`)."""
    longer = lineage.append(new_segment(agent_term, resource_term))
    return Lineage(longer.grant_id, longer.segments, seal(longer))


def derive_refresh_token(key: bytes, grant_id: str, generation: int) -> str:
    """Compute the refresh token value of a grant's generation: 256 bits, URL-safe."""
    return _mac(key, f"{grant_id} {generation}")


def _mac(key: bytes, text: str) -> str:
    return urlsafe_b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).rstrip(b"=").decode()
