"""ID tokens, logout tokens and user information (OpenID Connect Core sections 2, 3.1.3.6, 5.4)."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Collection
from typing import Final

from deputize.jose import ID_TOKEN_TYPE, LOGOUT_TOKEN_TYPE, sign
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.lineage import Lineage
from deputize.oauth.records.directory import Agent, Environment
from deputize.oauth.records.store import Grant, User

LIFETIME: Final = 3600
"""Seconds."""
LOGOUT_LIFETIME: Final = 120
"""Seconds: what the specification recommends at most."""


def issue_id_token(  # noqa: PLR0913 - all that it is made of
    environment: Environment,
    grant: Grant,
    lineage: Lineage,
    user_claims: JsonObject,
    access_token: str,
    *,
    algorithm: str,
    now: float,
    nonce: str | None = None,
) -> str:
    """An ID token about the sign-on of `grant`, for its client; `user_claims` come from `profile_claims`.

    `algorithm` is the one that the client is registered for.
    """
    who = grant.authentication
    claims: dict[str, JsonValue] = {
        **user_claims,
        "acr": who.acr,
        "at_hash": at_hash(access_token, algorithm),
        "aud": grant.client_id,
        "auth_time": who.auth_time,
        "env": environment.id,
        "exp": int(now) + LIFETIME,
        "iat": int(now),
        "iss": environment.issuer,
        "jti": lineage.jti,
        "org": environment.organization_id,
        "sid": who.session_id,
        "sub": who.user_id,
    }
    if who.amr:
        claims["amr"] = list(who.amr)
    if nonce is not None:
        claims["nonce"] = nonce
    return sign(dict(sorted(claims.items())), environment.keys, ID_TOKEN_TYPE, algorithm)


def issue_logout_token(
    environment: Environment, client: Agent, user_id: str, session_id: str, jti: str, now: float
) -> str:
    """A token that tells `client` that the session ended, signed as its ID tokens are.

    OpenID Connect Back-Channel Logout 1.0 section 2.4.
    """
    claims: dict[str, JsonValue] = {
        "aud": client.id,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        "exp": int(now) + LOGOUT_LIFETIME,
        "iat": int(now),
        "iss": environment.issuer,
        "jti": jti,
        "sid": session_id,
        "sub": user_id,
    }
    algorithm = client.settings.id_token_signed_response_alg
    return sign(claims, environment.keys, LOGOUT_TOKEN_TYPE, algorithm)


def profile_claims(user: User, scopes: Collection[str]) -> JsonObject:
    """The claims about `user` that these OpenID scopes ask for; `sub` is always the user's id."""
    claims: dict[str, JsonValue] = {"sub": user.id}
    if "profile" in scopes:
        names = [name for name in (user.given_name, user.family_name) if name]
        claims.update(
            preferred_username=user.username, given_name=user.given_name, family_name=user.family_name
        )
        claims.update(name=" ".join(names) or None, locale=user.preferred_language)
    if "email" in scopes:
        claims.update(email=user.email)
    return {name: value for name, value in claims.items() if value is not None}


def at_hash(access_token: str, algorithm: str) -> str:
    """The left half of the token's hash, by the hash function of the signature algorithm.

    Ed25519, by either name, signs with SHA-512.
    """
    function = hashlib.sha512 if algorithm in {"EdDSA", "Ed25519"} else hashlib.sha256
    whole = function(access_token.encode("ascii")).digest()
    return urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode()
