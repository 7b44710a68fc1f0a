"""`private_key_jwt`: an assertion that the client signed with its private key (RFC 7523 sections 2.2 and 3).

Nothing that is worth stealing leaves the client: an assertion is for this environment alone, lives shortly,
and counts once.
"""

from collections.abc import Mapping
from typing import Final

from deputize.jose import (
    ForeignToken,
    IssuerKey,
    KeyInvalid,
    TokenInvalid,
    choose_keys,
    parse_foreign_token,
    read_key,
    read_key_set,
    verify_with,
)
from deputize.kernel.digests import digest
from deputize.kernel.values import JsonObject
from deputize.oauth.client_auth.authentication import (
    ClientAuthMethod,
    ClientAuthPorts,
    Credentials,
    registered_agent,
)
from deputize.oauth.errors import InvalidClient
from deputize.oauth.ports import ClientDocuments
from deputize.oauth.records.directory import Agent, Environment

NAME: Final = "private_key_jwt"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS: Final = ("ES256", "ES384", "PS256", "RS256", "EdDSA", "Ed25519")
"""What assertions may be signed with."""
MAX_ASSERTION: Final = 16 * 1024
"""Characters."""
MAX_LIFETIME: Final = 3600.0
"""Seconds that an assertion may have left; libraries that take long ones take an hour."""
LEEWAY: Final = 60.0
"""Seconds by which the client's clock may be fast, and the clocks of this authority's servers differ."""
MAX_JTI: Final = 256
"""Characters."""
MAX_KEYS: Final = 16
"""Keys that may be registered of an agent."""
_TYPES: Final = frozenset({None, "JWT", "jwt", "client-authentication+jwt"})
"""Header `typ`: JWTs that are for something else say so (RFC 8725 section 3.11)."""


def find_credentials(_authorization: str | None, parameters: Mapping[str, str]) -> Credentials | None:
    """The assertion in the form, and the client that it is about; `None` without one of this type."""
    assertion = parameters.get("client_assertion")
    if assertion is None or parameters.get("client_assertion_type") != ASSERTION_TYPE:
        return None
    try:
        subject = _parse(assertion).jws.claims().get("sub")
    except TokenInvalid as invalid:
        raise InvalidClient(f"by {NAME}: {invalid.reason}") from invalid
    if not isinstance(subject, str):
        raise InvalidClient(f"by {NAME}: sub is no text")
    return Credentials(subject, assertion, NAME)


async def authenticate(
    environment: Environment, credentials: Credentials, ports: ClientAuthPorts, now: float
) -> Agent:
    """The agent whose key signed the assertion, which nobody presented before.

    Raises `InvalidClient`, and `TemporarilyUnavailable` where its keys cannot be fetched now.
    """
    agent = registered_agent(environment, credentials.client_id, NAME)
    try:
        claims = await _verify(_parse(credentials.secret), environment, agent, ports.documents)
    except (TokenInvalid, KeyInvalid) as invalid:
        raise InvalidClient(f"{agent.name!r} by {NAME}: {invalid}") from invalid
    refusal = claims_refusal(claims, agent.id, environment.issuer, now)
    if refusal:
        raise InvalidClient(f"{agent.name!r} by {NAME}: {refusal}")
    # Remembered last, so that only who has the key makes the store remember anything.
    once = digest(f"{agent.id}\n{claims['jti']}")
    if not await ports.one_time_ids.use(environment.id, NAME, once, _number(claims, "exp", now) + LEEWAY):
        raise InvalidClient(f"{agent.name!r} by {NAME}: the assertion was presented before")
    return agent


def claims_refusal(claims: JsonObject, client_id: str, issuer: str, now: float) -> str | None:
    """The private reason why an assertion with these claims does not prove `client_id`, or `None`.

    It has one audience: the issuer, or the token endpoint as older libraries say. One that is for somebody
    else as well could be passed on.
    """
    audience, jti = claims.get("aud"), claims.get("jti")
    audiences = audience if isinstance(audience, list | tuple) else (audience,)
    expires_at = _number(claims, "exp", 0.0)
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        return "iss and sub are not both the client's id"
    if len(audiences) != 1 or audiences[0] not in (issuer, f"{issuer}/token"):
        return f"its only audience has to be {issuer}"
    if not now < expires_at <= now + MAX_LIFETIME + LEEWAY:
        return f"exp is no instant within the next {MAX_LIFETIME:.0f} seconds"
    if not all(_number(claims, name, now) <= now + LEEWAY for name in ("nbf", "iat") if name in claims):
        return "nbf or iat is no instant in the past"
    if not isinstance(jti, str) or not 1 <= len(jti) <= MAX_JTI:
        return f"jti is no text of 1 to {MAX_JTI} characters"
    return None


def key_set_flaw(jwks: JsonObject) -> str | None:
    """What is wrong with a JWK set that an administrator registers, or `None`.

    It has 1 to `MAX_KEYS` keys, all of them public and for an algorithm of `ALGORITHMS`, and each `kid` once.
    """
    keys = jwks.get("keys")
    if not isinstance(keys, list | tuple) or not 1 <= len(keys) <= MAX_KEYS:
        return f"needs a list keys of 1 to {MAX_KEYS} public keys"
    kids: set[str] = set()
    for index, jwk in enumerate(keys):
        try:
            key = read_key(jwk if isinstance(jwk, Mapping) else {})
        except KeyInvalid as error:
            return f"keys/{index}: {error}"
        if key.algorithms.isdisjoint(ALGORITHMS):
            return f"keys/{index}: the JWK is for none of {', '.join(ALGORITHMS)}"
        if key.kid in kids or (key.kid is None and len(keys) > 1):
            return f"keys/{index}: several keys need a kid each, and each another"
        kids.add(key.kid or "")
    return None


def _parse(assertion: str) -> ForeignToken:
    if len(assertion) > MAX_ASSERTION:
        raise TokenInvalid("the assertion is too long")
    token = parse_foreign_token(assertion)
    if token.typ not in _TYPES:
        raise TokenInvalid("its type is that of another kind of token")
    return token


def _number(claims: JsonObject, name: str, default: float) -> float:
    """The instant in the claim; infinite where it is none."""
    value = claims.get(name, default)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else float("inf")


async def _verify(
    token: ForeignToken, environment: Environment, agent: Agent, documents: ClientDocuments
) -> JsonObject:
    """The claims that a key of the agent signed. Raises `TokenInvalid`, and what `ClientDocuments` raises."""
    published_at = agent.settings.jwks_uri
    if published_at is None:
        return verify_with(token, choose_keys(token, _registered_keys(environment, agent), ALGORITHMS))
    try:
        return verify_with(token, choose_keys(token, await documents.keys_of(published_at), ALGORITHMS))
    except TokenInvalid:  # perhaps by a key that was published since
        newer = await documents.keys_of(published_at, newer=True)
        return verify_with(token, choose_keys(token, newer, ALGORITHMS))


def _registered_keys(environment: Environment, agent: Agent) -> tuple[IssuerKey, ...]:
    """The keys that are registered for the agent, parsed once a snapshot."""
    question = (NAME, agent.id)
    if question not in environment.remembered:
        environment.remembered.remember(question, read_key_set(agent.settings.jwks or {"keys": []}))
    return environment.remembered[question]


METHOD: Final = ClientAuthMethod(NAME, find_credentials, authenticate)
