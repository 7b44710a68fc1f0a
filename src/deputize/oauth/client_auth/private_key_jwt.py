"""`private_key_jwt`: an assertion that the client signed with its private key (RFC 7523 sections 2.2 and 3).

Nothing that is worth stealing leaves the client: an assertion is for this environment alone, lives shortly,
and counts once.
"""

from collections.abc import Mapping
from typing import Final

from deputize.jose import KeyInvalid, TokenInvalid, read_key
from deputize.kernel.values import JsonObject
from deputize.oauth import assertions
from deputize.oauth.assertions import ALGORITHMS, PLAIN_TYPES, parse_assertion, use_up, verify_signature
from deputize.oauth.client_auth.authentication import (
    ClientAuthMethod,
    ClientAuthPorts,
    Credentials,
    registered_agent,
)
from deputize.oauth.errors import InvalidClient
from deputize.oauth.records.directory import Agent, Environment

NAME: Final = "private_key_jwt"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_KEYS: Final = 16
"""Keys that may be registered of an agent."""
TYPES: Final = PLAIN_TYPES | {"client-authentication+jwt"}
"""Header `typ`: JWTs that are for something else say so (RFC 8725 section 3.11)."""


def find_credentials(_authorization: str | None, parameters: Mapping[str, str]) -> Credentials | None:
    """The assertion in the form, and the client that it is about; `None` without one of a client's own."""
    assertion = parameters.get("client_assertion")
    if assertion is None or parameters.get("client_assertion_type") != ASSERTION_TYPE:
        return None
    try:
        claims = parse_assertion(assertion, TYPES).jws.claims()
    except TokenInvalid as invalid:
        raise InvalidClient(f"by {NAME}: {invalid.reason}") from invalid
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise InvalidClient(f"by {NAME}: sub is no text")
    return Credentials(subject, assertion, NAME) if claims.get("iss") == subject else None


async def authenticate(
    environment: Environment, credentials: Credentials, ports: ClientAuthPorts, now: float
) -> Agent:
    """The agent whose key signed the assertion, which nobody presented before.

    Raises `InvalidClient`, and `TemporarilyUnavailable` where its keys cannot be fetched now.
    """
    agent = registered_agent(environment, credentials.client_id, NAME)
    try:
        token, owner = parse_assertion(credentials.secret, TYPES), ("agent", agent.id)
        claims = await verify_signature(
            token, agent.settings, ALGORITHMS, environment, owner, ports.documents
        )
    except (TokenInvalid, KeyInvalid) as invalid:
        raise InvalidClient(f"{agent.name!r} by {NAME}: {invalid}") from invalid
    refusal = claims_refusal(claims, agent.id, environment.issuer, now)
    if refusal:
        raise InvalidClient(f"{agent.name!r} by {NAME}: {refusal}")
    if not await use_up(claims, NAME, environment, ports.one_time_ids, now):
        raise InvalidClient(f"{agent.name!r} by {NAME}: the assertion was presented before")
    return agent


def claims_refusal(claims: JsonObject, client_id: str, issuer: str, now: float) -> str | None:
    """The private reason why an assertion with these claims does not prove `client_id`, or `None`.

    Its audience is the issuer, or the token endpoint as older libraries say.
    """
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        return "iss and sub are not both the client's id"
    return assertions.claims_refusal(claims, (issuer, f"{issuer}/token"), now)


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


METHOD: Final = ClientAuthMethod(NAME, find_credentials, authenticate)
