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
from typing import TypeAlias

from deputize.oauth.dpop import ProofNonces
from deputize.oauth.ports import ServerKeys

Derive: TypeAlias = Callable[[str, int], str]
"""Takes the id of a grant and a generation; returns the refresh token value."""


async def seal(server_keys: ServerKeys, environment_id: str, purpose: str, *parts: str) -> str:
    """Compute 256 bits, URL-safe, from `parts` with the environment's server key.

    `purpose` keeps a seal from being good for anything else, and the parts are told apart, so `("a", "bc")`
    is not `("ab", "c")`.
    """
    key = await server_keys.server_key(environment_id, "sign-on")
    return _mac(key, json.dumps([purpose, *parts]))


class RefreshTokenValues:
    """Derives refresh token values with one key an environment, read from the store once."""

    def __init__(self, server_keys: ServerKeys) -> None:
        self._server_keys = server_keys
        self._by_environment: dict[str, Derive] = {}

    async def of(self, environment_id: str) -> Derive:
        """Return the derivation of that environment."""
        derive = self._by_environment.get(environment_id)
        if derive is None:
            key = await self._server_keys.server_key(environment_id, "refresh-token")
            derive = self._by_environment[environment_id] = partial(derive_refresh_token, key)
        return derive


class NoncesOfEnvironments:
    """Makes the nonces for proofs of possession with one key an environment, read from the store once."""

    def __init__(self, server_keys: ServerKeys) -> None:
        self._server_keys = server_keys
        self._by_environment: dict[str, ProofNonces] = {}

    async def of(self, environment_id: str) -> ProofNonces:
        """Return the nonces of that environment."""
        nonces = self._by_environment.get(environment_id)
        if nonces is None:
            key = await self._server_keys.server_key(environment_id, "dpop-nonce")
            nonces = self._by_environment[environment_id] = ProofNonces(key)
        return nonces


def derive_refresh_token(key: bytes, grant_id: str, generation: int) -> str:
    """Compute the refresh token value of a grant's generation: 256 bits, URL-safe."""
    return _mac(key, f"{grant_id} {generation}")


def _mac(key: bytes, text: str) -> str:
    return urlsafe_b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).rstrip(b"=").decode()
