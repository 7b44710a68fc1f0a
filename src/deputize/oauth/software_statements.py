"""Software statements: what somebody whose word is taken says of software, signed (RFC 7591 section 2.3).

A statement is no secret: every copy of the software may hold it. So it says itself where users are sent back
to, and what the client adds to it without a signature is only how this copy authenticates and what it uses.
"""

from typing import Final, NamedTuple

from deputize.jose import TokenInvalid
from deputize.kernel.values import JsonObject, JsonValue, is_number
from deputize.oauth.assertions import PLAIN_TYPES, UnknownIssuer, verify_issued
from deputize.oauth.client_metadata import ClientMetadata
from deputize.oauth.errors import InvalidSoftwareStatement, UnapprovedSoftwareStatement
from deputize.oauth.ports import ClientDocuments
from deputize.oauth.records.directory import Environment

MAX_STATEMENT: Final = 8 * 1024
"""Characters."""
UNSIGNED: Final = frozenset(
    {
        "grant_types",
        "response_types",
        "scope",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        "jwks",
        "id_token_signed_response_alg",
        "require_pushed_authorization_requests",
        "dpop_bound_access_tokens",
    }
)
"""What a client may say beside its statement; all else counts only where the statement says it."""


class Stated(NamedTuple):
    """What a statement says."""

    issuer: str
    members: JsonObject
    """Client metadata: what the statement says, and what the client may add."""


async def read_statement(
    members: JsonObject, environment: Environment, documents: ClientDocuments, now: float
) -> Stated:
    """What the `software_statement` in the members of a registration request says.

    Raises `InvalidSoftwareStatement` and `UnapprovedSoftwareStatement`, and `TemporarilyUnavailable` where
    the issuer's keys cannot be fetched now.
    """
    named = environment.registration.settings.software_statements if environment.registration else ()
    issuers = [each for each in environment.settings.trusted_issuers if each.issuer in named]
    statement = members.get("software_statement")
    if not isinstance(statement, str) or len(statement) > MAX_STATEMENT:
        raise InvalidSoftwareStatement("there is none, or it is too long")
    try:
        issuer, claims = await verify_issued(statement, PLAIN_TYPES, issuers, environment, documents)
    except UnknownIssuer as error:
        raise UnapprovedSoftwareStatement("its iss is none of the issuers of software_statements") from error
    except TokenInvalid as error:
        raise InvalidSoftwareStatement(error.reason) from error
    for name, is_past in (("exp", True), ("nbf", False)):
        instant = claims.get(name, None)
        if instant is None:
            continue
        if not is_number(instant):
            raise InvalidSoftwareStatement(f"{name} is not a number")
        if (now >= instant) if is_past else (now < instant):
            raise InvalidSoftwareStatement("it has expired" if is_past else "it is not valid yet")
    if not claims.get("redirect_uris"):
        raise InvalidSoftwareStatement("it does not say where users are sent back to: redirect_uris")
    known = ClientMetadata.model_fields.keys() - {"software_statement"}
    said: dict[str, JsonValue] = {name: members[name] for name in UNSIGNED if name in members}
    said |= {name: claims[name] for name in known if name in claims}
    return Stated(issuer.issuer, said)
