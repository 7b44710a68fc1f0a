"""Hashes for high-entropy secrets and tokens, and their comparison in constant time.

Only for values that this product generates (256 bits and more): a plain SHA-256 of those cannot be guessed.
Passwords that people choose are hashed with Argon2 in the authority.
"""

import hashlib
import hmac


def digest(secret: str) -> str:
    """Return the hex SHA-256 of a high-entropy secret, as it is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, stored_digest: str) -> bool:
    """Whether `secret` hashes to `stored_digest`, compared in constant time."""
    return hmac.compare_digest(digest(secret), stored_digest)


def same(left: str, right: str) -> bool:
    """Whether two secret texts are equal, compared in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
