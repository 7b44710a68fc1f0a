"""Signing keys, the key ring with its rotation, and JWTs signed and verified with it; public keys of others.

The only package that imports joserfc.
"""

from deputize.jose.compact import CompactJws, TokenInvalid, decode_base64url, encode_base64url, parse_compact
from deputize.jose.key_ring import (
    KeyRing,
    complete_keys,
    new_key_ring,
    outlived_at,
    retire,
    rotate,
    without_outlived,
)
from deputize.jose.key_sets import (
    ForeignToken,
    IssuerKey,
    choose_keys,
    key_of_certificate,
    parse_foreign_token,
    read_key,
    read_key_set,
    verify_with,
)
from deputize.jose.keys import (
    ALGORITHMS,
    ALWAYS_HELD,
    DEFAULT_ALGORITHM,
    ID_TOKEN_ALGORITHM,
    Algorithm,
    KeyInvalid,
    SigningKey,
    generate_key,
    read_signing_key,
)
from deputize.jose.public_keys import PRIVATE_MEMBERS, VERIFIABLE_ALGORITHMS, PublicKey, parse_public_key
from deputize.jose.tokens import (
    ACCESS_TOKEN_TYPE,
    ID_TOKEN_TYPE,
    LOGOUT_TOKEN_TYPE,
    Verifier,
    presented,
    sign,
    sign_with,
    verify,
)

__all__ = [
    "ACCESS_TOKEN_TYPE",
    "ALGORITHMS",
    "ALWAYS_HELD",
    "DEFAULT_ALGORITHM",
    "ID_TOKEN_ALGORITHM",
    "ID_TOKEN_TYPE",
    "LOGOUT_TOKEN_TYPE",
    "PRIVATE_MEMBERS",
    "VERIFIABLE_ALGORITHMS",
    "Algorithm",
    "CompactJws",
    "ForeignToken",
    "IssuerKey",
    "KeyInvalid",
    "KeyRing",
    "PublicKey",
    "SigningKey",
    "TokenInvalid",
    "Verifier",
    "choose_keys",
    "complete_keys",
    "decode_base64url",
    "encode_base64url",
    "generate_key",
    "key_of_certificate",
    "new_key_ring",
    "outlived_at",
    "parse_compact",
    "parse_foreign_token",
    "parse_public_key",
    "presented",
    "read_key",
    "read_key_set",
    "read_signing_key",
    "retire",
    "rotate",
    "sign",
    "sign_with",
    "verify",
    "verify_with",
    "without_outlived",
]
