"""Signing keys, the key ring with its rotation, and JWTs signed and verified with it.

The only package that imports joserfc.
"""

from deputize.jose.key_ring import KeyRing, new_key_ring, outlived_at, retire, rotate, without_outlived
from deputize.jose.keys import ALGORITHMS, DEFAULT_ALGORITHM, KeyInvalid, SigningKey, generate_key
from deputize.jose.tokens import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, TokenInvalid, Verifier, sign, verify

__all__ = [
    "ACCESS_TOKEN_TYPE",
    "ALGORITHMS",
    "DEFAULT_ALGORITHM",
    "ID_TOKEN_TYPE",
    "KeyInvalid",
    "KeyRing",
    "SigningKey",
    "TokenInvalid",
    "Verifier",
    "generate_key",
    "new_key_ring",
    "outlived_at",
    "retire",
    "rotate",
    "sign",
    "verify",
    "without_outlived",
]
