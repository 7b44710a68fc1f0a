"""Proof Key for Code Exchange, S256 only.

`plain` would protect nothing that TLS does not (RFC 7636, OAuth 2.1 section 7.5).
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from typing import Final

from deputize.kernel.digests import same

METHOD: Final = "S256"
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def is_challenge(text: str) -> bool:
    """Whether `text` can be an S256 challenge: the base64url of 32 bytes."""
    return _CHALLENGE.fullmatch(text) is not None


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def verifies(verifier: str, challenge: str) -> bool:
    """Whether `verifier` is well formed and its challenge is `challenge`, compared in constant time."""
    return _VERIFIER.fullmatch(verifier) is not None and same(challenge_of(verifier), challenge)
