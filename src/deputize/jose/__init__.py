"""Signing keys, the key ring with its rotation, and JWTs signed and verified with it; public keys of others.

The only package that imports joserfc.
"""

from deputize.jose.compact import CompactJws, TokenInvalid, decode_base64url, encode_base64url, parse_compact
from deputize.jose.key_ring import KeyRing, new_key_ring, outlived_at, retire, rotate, without_outlived
from deputize.jose.keys import ALGORITHMS, DEFAULT_ALGORITHM, KeyInvalid, SigningKey, generate_key
from deputize.jose.public_keys import VERIFIABLE_ALGORITHMS, PublicKey, parse_public_key
from deputize.jose.tokens import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, Verifier, sign, verify

__all__ = [
    "ACCESS_TOKEN_TYPE",
    "ALGORITHMS",
    "DEFAULT_ALGORITHM",
    "ID_TOKEN_TYPE",
    "VERIFIABLE_ALGORITHMS",
    "CompactJws",
    "KeyInvalid",
    "KeyRing",
    "PublicKey",
    "SigningKey",
    "TokenInvalid",
    "Verifier",
    "decode_base64url",
    "encode_base64url",
    "generate_key",
    "new_key_ring",
    "outlived_at",
    "parse_compact",
    "parse_public_key",
    "retire",
    "rotate",
    "sign",
    "verify",
    "without_outlived",
]
