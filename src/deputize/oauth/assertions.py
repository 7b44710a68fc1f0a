"""Assertions: JWTs in which somebody else says who a client, a user or a program is (RFC 7521, RFC 7523).

Whoever signed one is known before it is believed: a client by its registered keys, a trusted issuer by its
own. Which algorithms count, what the header's `typ` may be and whom the assertion is for is ours to say.
"""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from deputize.jose import (
    ForeignToken,
    TokenInvalid,
    choose_keys,
    parse_foreign_token,
    read_key_set,
    verify_with,
)
from deputize.kernel.digests import digest
from deputize.kernel.values import JsonObject, is_number
from deputize.oauth.errors import InvalidClient
from deputize.oauth.ports import ClientDocuments, OneTimeIds, Users
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.settings import Signer, TrustedIssuer
from deputize.oauth.records.store import User

ID_JAG_TYPE: Final = "oauth-id-jag+jwt"
"""Header `typ` of identity assertions (draft-ietf-oauth-identity-assertion-authz-grant)."""
ID_JAG: Final = "urn:ietf:params:oauth:token-type:id-jag"
"""Their token type identifier (RFC 8693 section 3)."""
ID_JAG_PROFILE: Final = "urn:ietf:params:oauth:grant-profile:id-jag"
"""What an authorization server that takes them says in its metadata."""
ALGORITHMS: Final = ("ES256", "ES384", "PS256", "RS256", "EdDSA", "Ed25519")
"""What assertions may be signed with; a trusted issuer names those that it uses."""
PLAIN_TYPES: Final = frozenset({None, "JWT", "jwt"})
"""Header `typ` of JWTs that do not say what they are for (RFC 8725 section 3.11)."""
MAX_ASSERTION: Final = 16 * 1024
"""Characters."""
MAX_LIFETIME: Final = 3600.0
"""Seconds that an assertion may have left; libraries that take long ones take an hour."""
LEEWAY: Final = 60.0
"""Seconds by which the signer's clock may be fast, and the clocks of this authority's servers differ."""
MAX_JTI: Final = 256
"""Characters."""


class UnknownIssuer(TokenInvalid):
    """An assertion is of somebody whose word is not taken."""


class Asserted(NamedTuple):
    """An assertion that its issuer signed; what it says is still to be judged."""

    issuer: TrustedIssuer
    claims: JsonObject


def parse_assertion(assertion: str, types: Collection[str | None]) -> ForeignToken:
    """Take apart an assertion whose header's `typ` is one of `types`. Raises `TokenInvalid`."""
    if len(assertion) > MAX_ASSERTION:
        raise TokenInvalid("the assertion is too long")
    token = parse_foreign_token(assertion)
    if token.typ not in types:
        raise TokenInvalid("its type is that of another kind of token")
    return token


async def verify_issued(
    assertion: str,
    types: Collection[str | None],
    issuers: Iterable[TrustedIssuer],
    environment: Environment,
    documents: ClientDocuments,
) -> Asserted:
    """The assertion as one of `issuers` signed it: the one that its `iss` names.

    Raises `UnknownIssuer` and `TokenInvalid`, and `TemporarilyUnavailable` where keys cannot be fetched now.
    """
    token = parse_assertion(assertion, types)
    named = token.jws.claims().get("iss")
    issuer = next((each for each in issuers if each.issuer == named), None)
    if issuer is None or named == environment.issuer:
        raise UnknownIssuer("its iss is no issuer that is trusted here")
    owner = ("issuer", issuer.issuer)
    return Asserted(
        issuer, await verify_signature(token, issuer, issuer.algorithms, environment, owner, documents)
    )


async def verify_signature(
    token: ForeignToken,
    signer: Signer,
    algorithms: Collection[str],
    environment: Environment,
    owner: tuple[str, str],
    documents: ClientDocuments,
) -> JsonObject:
    """The claims that a key of `signer` signed; `owner` tells it apart from others of the environment.

    Raises `TokenInvalid`, and `TemporarilyUnavailable` where its keys cannot be fetched now.
    """
    if token.algorithm not in algorithms:
        raise TokenInvalid(f"the signature does not verify: the algorithm is none of {', '.join(algorithms)}")
    if signer.jwks_uri is None:
        question = ("keys", *owner)
        if question not in environment.remembered:
            environment.remembered.remember(question, read_key_set(signer.jwks or {"keys": []}))
        return verify_with(token, choose_keys(token, environment.remembered[question], algorithms))
    try:
        keys = await documents.keys_of(signer.jwks_uri)
        try:
            return verify_with(token, choose_keys(token, keys, algorithms))
        except TokenInvalid:  # perhaps by a key that was published since
            keys = await documents.keys_of(signer.jwks_uri, newer=True)
            return verify_with(token, choose_keys(token, keys, algorithms))
    except InvalidClient as unusable:
        raise TokenInvalid(unusable.detail) from unusable


async def users_of_subject(
    users: Users, environment_id: str, attribute: str, subject: str
) -> tuple[User, ...]:
    """The users whose `attribute` (`id`, `username` or a custom one) is what somebody else calls them."""
    match attribute:
        case "id":
            found = await users.find_user_by_id(environment_id, subject)
        case "username":
            found = await users.find_user(environment_id, subject)
        case name:
            return await users.find_users_by_attribute(environment_id, name, subject)
    return () if found is None else (found,)


def claims_refusal(
    claims: JsonObject, audiences: Collection[str], now: float, *, counts_once: bool = True
) -> str | None:
    """The private reason why an assertion with these claims is not for here and now, or `None`.

    It has one audience, which is one of `audiences`: one that is for somebody else as well could be passed
    on. It ends within `MAX_LIFETIME`, and is not from the future. One that counts once has a `jti`.
    """
    audience, jti = claims.get("aud"), claims.get("jti")
    named = audience if isinstance(audience, list | tuple) else (audience,)
    if len(named) != 1 or named[0] not in audiences:
        return f"its only audience has to be {next(iter(audiences))}"
    if not now < number_of(claims, "exp", 0.0) <= now + MAX_LIFETIME + LEEWAY:
        return f"exp is no instant within the next {MAX_LIFETIME:.0f} seconds"
    if not all(number_of(claims, name, now) <= now + LEEWAY for name in ("nbf", "iat") if name in claims):
        return "nbf or iat is no instant in the past"
    if counts_once and (not isinstance(jti, str) or not 1 <= len(jti) <= MAX_JTI):
        return f"jti is no text of 1 to {MAX_JTI} characters"
    return None


async def use_up(
    claims: JsonObject, purpose: str, environment: Environment, one_time_ids: OneTimeIds, now: float
) -> bool:
    """Whether nobody presented the assertion before, whose claims were not refused.

    Asked last, so that only who has the key makes the store remember anything.
    """
    once = digest(f"{claims['iss']}\n{claims['jti']}")
    kept_until = number_of(claims, "exp", now) + LEEWAY
    return await one_time_ids.use(environment.id, purpose, once, kept_until)


def number_of(claims: JsonObject, name: str, default: float) -> float:
    """The instant in the claim; infinite where it is none."""
    value = claims.get(name, default)
    return value if is_number(value) else float("inf")
