"""What a client says of itself: the registered members of client metadata, read strictly.

RFC 7591 section 2, OpenID Connect Dynamic Client Registration section 2, RP-Initiated and Back-Channel
Logout, RFC 9126 section 6, RFC 9449 section 5.2. The same members come in a registration request and in a
client ID metadata document; members that mean nothing here are ignored, as they must be (RFC 7591 section 2).
Each has a bound, and nothing of it is verified: it is a client's word.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    model_validator,
)

from deputize.jose import PRIVATE_MEMBERS
from deputize.kernel.strict_json import JsonError, loads
from deputize.kernel.uris import UriError, parse_origin
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.client_auth import private_key_jwt
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.client_auth.private_key_jwt import MAX_KEYS
from deputize.oauth.document_urls import parse_document_url
from deputize.oauth.errors import InvalidClientMetadata, InvalidRedirectUri
from deputize.oauth.records.settings import Name
from deputize.oauth.redirect_uris import is_on_device, registration_refusal

MAX_BYTES: Final = 10 * 1024
"""Of a metadata document; the draft recommends that at least 5 KB are read (section 8.7)."""
MAX_URIS: Final = 32
MAX_LENGTH: Final = 2048
MAX_DEPTH: Final = 8
_REASONS: Final = {
    "string_pattern_mismatch": "has characters that may not stand there",
    "tuple_type": "is not an array",
}
"""What a client's developer is told instead of pydantic's words."""
ASYMMETRIC_METHODS: Final = (private_key_jwt.NAME, PUBLIC)
"""How a client without a shared secret authenticates, best first."""


def _check_url(url: str) -> str:
    try:
        parse_document_url(url)
    except UriError as error:
        raise ValueError(str(error)) from error
    return url


def _check_redirect_uri(uri: str) -> str:
    refusal = registration_refusal(uri)
    if refusal is not None:
        raise ValueError(f"a URI {refusal}")
    return uri


def _check_web_page(url: str) -> str:
    try:
        parse_origin(url)
    except UriError as error:
        raise ValueError("not an absolute http or https URL") from error
    return url


def _check_jwks(key_set: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse what is no set of 1 to `MAX_KEYS` public keys (RFC 7517 section 5)."""
    keys: JsonValue = key_set.get("keys")
    if not isinstance(keys, list | tuple) or not 1 <= len(keys) <= MAX_KEYS:
        raise ValueError(f"not a JWK Set with 1 to {MAX_KEYS} keys")
    public = tuple(key for key in keys if isinstance(key, Mapping) and isinstance(key.get("kty"), str))
    if len(public) < len(keys):
        raise ValueError("a key is not a JWK with a kty")
    if any(key["kty"] == "oct" or PRIVATE_MEMBERS & key.keys() for key in public):
        raise ValueError("a key is secret: only public keys may be published")
    return key_set


Text: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_LENGTH, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Word: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
Words: TypeAlias = Annotated[tuple[Word, ...], Field(max_length=16)]
Url: TypeAlias = Annotated[str, AfterValidator(_check_url)]
"""By the rules of `document_urls`."""
WebPage: TypeAlias = Annotated[Text, AfterValidator(_check_web_page)]
RedirectUris: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(_check_redirect_uri)], ...], Field(max_length=MAX_URIS)
]


class ClientMetadata(BaseModel):
    """What a client says of itself, under the registered names; absent members are `None` or empty."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True, hide_input_in_errors=True)

    client_name: Name | None = None
    client_uri: WebPage | None = None
    logo_uri: Url | None = None
    """Neither loaded nor shown: pages load nothing from elsewhere."""
    contacts: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    software_id: Text | None = None
    software_version: Text | None = None
    software_statement: Annotated[str, StringConstraints(max_length=16 * 1024)] | None = None
    """A JWT (RFC 7591 section 2.3); not read here."""
    application_type: Literal["web", "native"] | None = None
    redirect_uris: RedirectUris = ()
    post_logout_redirect_uris: RedirectUris = ()
    grant_types: Words = ("authorization_code",)
    response_types: Annotated[tuple[Text, ...], Field(max_length=16)] = ("code",)
    scope: Annotated[str, StringConstraints(max_length=4096)] | None = None
    token_endpoint_auth_method: Word | None = None
    token_endpoint_auth_methods_supported: Words = ()
    """What it could do as well (OpenID Connect RP Metadata Choices)."""
    token_endpoint_auth_signing_alg: Word | None = None
    jwks: Annotated[Mapping[str, Any], AfterValidator(_check_jwks)] | None = None
    """The public keys, as a JWK Set."""
    jwks_uri: Url | None = None
    id_token_signed_response_alg: Word | None = None
    require_pushed_authorization_requests: StrictBool = False
    dpop_bound_access_tokens: StrictBool = False
    backchannel_logout_uri: Url | None = None
    backchannel_logout_session_required: StrictBool = False

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.jwks is not None and self.jwks_uri is not None:
            raise ValueError("jwks and jwks_uri exclude each other")
        if self.token_endpoint_auth_method == private_key_jwt.NAME and not self.has_keys:
            raise ValueError("private_key_jwt needs jwks or jwks_uri")
        if "authorization_code" in self.grant_types and not self.redirect_uris:
            raise ValueError("redirect_uris are needed for authorization_code")
        return self

    def members(self) -> dict[str, JsonValue]:
        """What was said, under the registered names, for `read_metadata` to read again."""
        said = self.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        return {name: value for name, value in said.items() if name != "software_statement"}

    @property
    def has_keys(self) -> bool:
        """Whether there are keys that it can authenticate with."""
        return self.jwks is not None or self.jwks_uri is not None


def read_metadata(members: JsonObject) -> ClientMetadata:
    """Read what a client says of itself; members that are `null` count as absent.

    Raises `InvalidRedirectUri` and `InvalidClientMetadata`, which name the member and never repeat its value.
    """
    try:
        metadata = ClientMetadata.model_validate(
            {name: value for name, value in members.items() if value is not None}
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        member = str(first["loc"][0]) if first["loc"] else ""
        reason = _REASONS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
        kind = InvalidRedirectUri if member == "redirect_uris" else InvalidClientMetadata
        raise kind(f"{member}: {reason}" if member else reason) from None
    if metadata.application_type == "web" and not all(map(_is_of_the_web, metadata.redirect_uris)):
        raise InvalidRedirectUri("redirect_uris: those of a web application are https, on a host of its own")
    return metadata


def _is_of_the_web(uri: str) -> bool:
    """Whether a web application may have this redirect URI (OpenID Connect Registration section 2)."""
    return urlsplit(uri).scheme == "https" and not is_on_device(uri)


def read_document(url: str, content: bytes) -> ClientMetadata:
    """Read the client ID metadata document that came from `url` (its draft, sections 4 and 8.2).

    Its method to authenticate is always one that needs no shared secret: the one it names, or the best of
    those that it could do as well. Raises `InvalidRedirectUri` and `InvalidClientMetadata`.
    """
    try:
        members = loads(content, max_size=MAX_BYTES, max_depth=MAX_DEPTH)
    except JsonError as error:
        raise InvalidClientMetadata(f"the document is not strict JSON: {error}") from error
    if not isinstance(members, Mapping):
        raise InvalidClientMetadata("the document is not a JSON object")
    if members.get("client_id") != url:
        raise InvalidClientMetadata("client_id is not the URL of the document, character by character")
    if any(name.startswith("client_secret") for name in members):
        raise InvalidClientMetadata("a document that everybody can read holds a client_secret")
    metadata = read_metadata(members)
    if not metadata.redirect_uris:
        raise InvalidRedirectUri("redirect_uris: a document has to name them")
    named, offered = metadata.token_endpoint_auth_method, metadata.token_endpoint_auth_methods_supported
    candidates = offered or (PUBLIC,) if named is None else (named, *offered)
    usable = [each for each in ASYMMETRIC_METHODS if each == PUBLIC or metadata.has_keys]
    chosen = next((each for each in candidates if each in usable), None)
    if chosen is None:
        raise InvalidClientMetadata(
            "token_endpoint_auth_method: a document's client authenticates by private_key_jwt, with jwks or "
            "jwks_uri, or by none"
        )
    return metadata.model_copy(update={"token_endpoint_auth_method": chosen})
