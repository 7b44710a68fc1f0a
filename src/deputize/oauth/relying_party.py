"""What an OpenID provider's word has to be to count here, where this environment is its client.

OpenID Connect Core section 3.1, OpenID Connect Discovery, RFC 9207, RFC 9700 section 4.4.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from deputize.kernel.digests import same
from deputize.kernel.errors import DeputizeError
from deputize.kernel.strict_json import loads
from deputize.kernel.uris import UriError
from deputize.kernel.values import JsonObject, JsonValue, is_number
from deputize.oauth.assertions import LEEWAY
from deputize.oauth.document_urls import parse_document_url
from deputize.oauth.errors import ServerError
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.settings import IdentityProvider

MAX_METADATA: Final = 64 * 1024
"""Bytes of a provider's metadata, and of what its token endpoint answers."""
MAX_SUBJECT: Final = 255
"""Characters of a `sub` (OpenID Connect Core section 2)."""
_WELL_KNOWN: Final = "/.well-known/openid-configuration"


class ProviderInvalid(DeputizeError):
    """What a provider says does not count. The text is for the log."""


class ProviderMetadata(NamedTuple):
    """What a client needs to know of a provider."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    says_issuer: bool
    """Whether its authorization responses name it (RFC 9207)."""
    takes_basic: bool
    """Whether clients may send their secret in `Authorization`; else in the form."""


class Expected(NamedTuple):
    """What the ID token of one sign-on has to say."""

    issuer: str
    client_id: str
    nonce: str
    begun_at: float
    """When the user was sent to the provider, in seconds since the epoch."""
    is_fresh: bool
    """Whether the user had to sign on there anew."""


def find_provider(environment: Environment, name: str) -> IdentityProvider:
    """Return the environment's provider of that name. Raises `ServerError`."""
    for provider in environment.settings.identity_providers:
        if provider.name == name:
            return provider
    raise ServerError(f"a policy names the identity provider {name!r}, which is gone")


def metadata_url(issuer: str) -> str:
    """Where an issuer's metadata is (OpenID Connect Discovery section 4)."""
    return issuer.removesuffix("/") + _WELL_KNOWN


def read_metadata(url: str, content: bytes) -> ProviderMetadata:
    """Read what `url` says, which has to be of an issuer that the URL is made from (section 4.3).

    Raises `JsonError` and `ProviderInvalid`.
    """
    document = loads(content, max_size=MAX_METADATA, max_depth=8)
    if not isinstance(document, Mapping):
        raise ProviderInvalid("its metadata is no object")
    issuer = document.get("issuer")
    if not isinstance(issuer, str) or metadata_url(issuer) != url:
        raise ProviderInvalid("its metadata is of another issuer")
    methods = document.get("token_endpoint_auth_methods_supported", ("client_secret_basic",))
    return ProviderMetadata(
        issuer,
        _endpoint(document, "authorization_endpoint"),
        _endpoint(document, "token_endpoint"),
        _endpoint(document, "jwks_uri"),
        document.get("authorization_response_iss_parameter_supported") is True,
        isinstance(methods, list | tuple) and "client_secret_basic" in methods,
    )


def _endpoint(document: JsonObject, name: str) -> str:
    url = document.get(name)
    try:
        parse_document_url(url if isinstance(url, str) else "")
    except UriError as error:
        raise ProviderInvalid(f"{name} of its metadata: {error}") from error
    return str(url)


def response_refusal(parameters: Mapping[str, str], issuer: str, *, says_issuer: bool) -> str | None:
    """The private reason why an authorization response is not the issuer's, or `None`.

    A response that names an issuer is that one's; a provider that says so names itself in each (RFC 9207
    section 2.4).
    """
    named = parameters.get("iss")
    if named is None:
        return "the response does not say whose it is, as this provider's do" if says_issuer else None
    return None if named == issuer else "the response is another provider's"


def id_token_refusal(claims: JsonObject, expected: Expected, now: float) -> str | None:
    """The private reason why an ID token that the provider signed does not count, or `None`.

    OpenID Connect Core section 3.1.3.7. It is for this client alone, unless it says by `azp` that this client
    got it; it was made since the user was sent there, and answers that sign-on by its nonce.
    """
    audience, party = claims.get("aud"), claims.get("azp")
    audiences = audience if isinstance(audience, list | tuple) else (audience,)
    subject, nonce = claims.get("sub"), claims.get("nonce")
    since, until = expected.begun_at - LEEWAY, now + LEEWAY
    is_alone = party is None and len(audiences) == 1
    is_fresh = not expected.is_fresh or since <= _instant(claims, "auth_time") <= until
    rules = (
        (claims.get("iss") == expected.issuer, "iss is another issuer"),
        (expected.client_id in audiences, "aud is another client"),
        (is_alone or party == expected.client_id, "azp is not this client, and aud not this client alone"),
        (isinstance(nonce, str) and same(nonce, expected.nonce), "nonce is not the one that was sent"),
        (_instant(claims, "exp") > now - LEEWAY, "it has expired"),
        (since <= _instant(claims, "iat") <= until, "iat is no instant since the user was sent there"),
        ("nbf" not in claims or 0 <= _instant(claims, "nbf") <= until, "nbf is no instant in the past"),
        (is_fresh, "auth_time does not say that the user signed on anew"),
        (_is_subject(subject), f"sub is no text of 1 to {MAX_SUBJECT} characters"),
    )
    return next((reason for holds, reason in rules if not holds), None)


def _is_subject(subject: JsonValue) -> bool:
    return isinstance(subject, str) and 1 <= len(subject) <= MAX_SUBJECT and subject.isprintable()


def _instant(claims: JsonObject, name: str) -> float:
    """The instant in the claim; one long ago where it is none."""
    value = claims.get(name)
    return float(value) if is_number(value) else -1.0
