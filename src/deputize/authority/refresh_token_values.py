"""Refresh token values.

Derived, so that a repeated request gets the same successor although only digests are stored.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from functools import partial
from typing import Protocol

from deputize.oauth.ports import ServerKeys

_PURPOSE = "refresh-token"


class Derive(Protocol):
    """(grant id, generation) to the value of that generation."""

    def __call__(self, grant_id: str, generation: int, /) -> str:
        """256 bits, URL-safe."""
        ...


class RefreshTokenValues:
    """Derives the values with one key an environment, read from the store once."""

    def __init__(self, server_keys: ServerKeys) -> None:
        self._server_keys = server_keys
        self._by_environment: dict[str, Derive] = {}

    async def of(self, environment_id: str) -> Derive:
        """The derivation of that environment."""
        derive = self._by_environment.get(environment_id)
        if derive is None:
            key = await self._server_keys.server_key(environment_id, _PURPOSE)
            derive = self._by_environment[environment_id] = partial(_derive, key)
        return derive


def _derive(key: bytes, grant_id: str, generation: int) -> str:
    value = hmac.digest(key, f"{grant_id} {generation}".encode(), hashlib.sha256)
    return urlsafe_b64encode(value).rstrip(b"=").decode()
