"""Encrypted texts that clients keep for us, and can neither read nor change nor use for another purpose."""

import base64
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deputize.kernel.ids import random_bytes

MIN_SECRET: Final = 32
"""The fewest bytes of a secret that sealing keys are derived from."""
_NONCE = 12


class TextSeal:
    """Seals and opens short texts with AES-256-GCM under keys derived by HKDF-SHA-256 (RFC 5869)."""

    def __init__(self, secrets: Callable[[], Sequence[bytes]]) -> None:
        """Use what `secrets` returns, each of `MIN_SECRET` bytes or more: the first seals, all open."""
        self._secrets = secrets

    def seal(self, text: str, binding: bytes) -> str:
        """Encrypt `text`, which is ASCII, so that it only opens with the same `binding`.

        Returns visible ASCII, about 4/3 as long plus 38 characters.
        """
        nonce = random_bytes(_NONCE)
        sealed = _cipher(self._secrets()[0]).encrypt(nonce, text.encode("ascii"), binding)
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode("ascii")

    def open(self, sealed: str, binding: bytes) -> str | None:
        """Decrypt what `seal` made for `binding` under a secret still in force; `None` for anything else."""
        try:
            data = base64.b64decode(sealed + "=" * (-len(sealed) % 4), b"-_", validate=True)
        except ValueError:
            return None
        if base64.urlsafe_b64encode(data).rstrip(b"=") != sealed.encode("ascii", "replace"):
            return None
        for secret in self._secrets():
            try:
                return _cipher(secret).decrypt(data[:_NONCE], data[_NONCE:], binding).decode("ascii")
            except (InvalidTag, ValueError):
                continue
        return None


@lru_cache(maxsize=16)
def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"deputize sealed text 1").derive(secret))
