"""Wire errors: what a client is told, and what the log is told.

`description` is public and never helps an attacker; `detail` is private and says precisely what was wrong.
Codes: RFC 6749 sections 4.1.2.1 and 5.2, RFC 8707 section 2, RFC 6750 section 3.1, RFC 9449 sections 5 and 8,
OpenID Connect Core section 3.1.2.6.
"""

from typing import ClassVar

from deputize.kernel.errors import DeputizeError


class OAuthError(DeputizeError):
    """Root of the wire errors."""

    code: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400
    public: ClassVar[str] = "The request cannot be answered"

    def __init__(self, detail: str, description: str | None = None) -> None:
        """`detail` is for the log; `description` replaces the public text where saying more is safe."""
        self.detail = detail
        self.description = description or self.public
        super().__init__(f"{self.code}: {detail}")


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated or malformed: the client's program is wrong, so it is told what."""

    code = "invalid_request"
    public = "The request is malformed"

    def __init__(self, description: str) -> None:
        super().__init__(description, description)


class InvalidClientMetadata(OAuthError):
    """What a client says of itself is missing, malformed or contradictory (RFC 7591 section 3.2.2)."""

    code = "invalid_client_metadata"

    def __init__(self, description: str) -> None:
        super().__init__(description, description)


class InvalidRedirectUri(InvalidClientMetadata):
    """A redirect URI that a client wants to register may not be one (RFC 7591 section 3.2.2)."""

    code = "invalid_redirect_uri"


class InvalidClient(OAuthError):
    """Client authentication failed, for whatever reason."""

    code = "invalid_client"
    status = 401
    public = "Client authentication failed"

    def __init__(self, detail: str, description: str | None = None, claimed: str | None = None) -> None:
        """`claimed` is the id of the client that the sender claims to be, where there is such a client."""
        super().__init__(detail, description)
        self.claimed = claimed


class InvalidSoftwareStatement(OAuthError):
    """A software statement is not to be believed (RFC 7591 section 3.2.2). One text for every reason."""

    code = "invalid_software_statement"
    public = "The software statement is invalid, expired, or not signed by its issuer"


class UnapprovedSoftwareStatement(OAuthError):
    """A software statement is of somebody whose word is not taken here (RFC 7591 section 3.2.2)."""

    code = "unapproved_software_statement"
    public = "The software statement is not of an issuer whose statements are taken here"


class TooManyRegistrations(OAuthError):
    """Clients register too often, or there is no room for one more."""

    code = "temporarily_unavailable"
    status = 429
    public = "Too many clients register here; try again later"


class InvalidClientDocument(InvalidClient):
    """The metadata document that a client's id is the URL of is not taken. Nobody outside learns why."""

    status = 400
    public = "The client is unknown, or its metadata document cannot be used"


class InvalidGrant(OAuthError):
    """A code, refresh token, subject token or actor token is not acceptable. One text for every reason."""

    code = "invalid_grant"
    public = "The grant is invalid, expired, revoked, or not this client's"


class ExchangeRefused(OAuthError):
    """A subject token or an actor token is not acceptable; RFC 8693 section 2.2.2 names the code.

    One text for every reason.
    """

    code = "invalid_request"
    public = (
        "The subject token or the actor token is invalid, expired, revoked, or not acceptable for "
        "this request"
    )


class UnauthorizedClient(OAuthError):
    """The client may not use this grant type."""

    code = "unauthorized_client"
    public = "The client is not authorized to use this grant type"


class UnsupportedGrantType(OAuthError):
    """Nobody may use this grant type."""

    code = "unsupported_grant_type"
    public = "The grant type is not supported"


class UnsupportedResponseType(OAuthError):
    """Only `code` is supported."""

    code = "unsupported_response_type"
    public = "The response type is not supported"


class InvalidScope(OAuthError):
    """The scope is unknown, not granted, or of several resources."""

    code = "invalid_scope"
    public = "The requested scope is invalid, unknown, or not granted"


class InvalidTarget(OAuthError):
    """The `resource` or `audience` is unknown, or cannot be had this way (RFC 8707 section 2)."""

    code = "invalid_target"
    public = "The requested resource is invalid, unknown, or not available to this request"


class AccessDenied(OAuthError):
    """The user, or a policy, said no."""

    code = "access_denied"
    public = "The request was denied"


class LoginRequired(OAuthError):
    """`prompt=none`, but the user has to sign on."""

    code = "login_required"
    public = "The user has to sign on"


class ConsentRequired(OAuthError):
    """`prompt=none`, but the user has to be asked for consent."""

    code = "consent_required"
    public = "The user has to consent"


class InteractionRequired(OAuthError):
    """`prompt=none`, but the user has to be shown a page for another reason than sign-on or consent."""

    code = "interaction_required"
    public = "The user has to be shown a page"


class RequestNotSupported(OAuthError):
    """The `request` parameter is not supported."""

    code = "request_not_supported"
    public = "Request objects are not supported"


class RequestUriNotSupported(OAuthError):
    """The `request_uri` parameter is not supported."""

    code = "request_uri_not_supported"
    public = "Request objects are not supported"


class InvalidRequestUri(OAuthError):
    """The `request_uri` is none that the client was given lately. One text for every reason."""

    code = "invalid_request_uri"
    public = "The request_uri is invalid or expired, or was given to another client"


class InvalidToken(OAuthError):
    """The access token presented to one of the authority's own endpoints is not acceptable."""

    code = "invalid_token"
    status = 401
    public = "The access token is invalid, expired or revoked"


class InsufficientScope(OAuthError):
    """The access token presented to one of the authority's own endpoints lacks the scope."""

    code = "insufficient_scope"
    status = 403
    public = "The access token lacks the required scope"


class InvalidDPoPProof(OAuthError):
    """The DPoP proof is missing, malformed, out of time, used, or not of this request (RFC 9449 section 5).

    One text for every reason.
    """

    code = "invalid_dpop_proof"
    public = "The DPoP proof is missing, invalid, out of time or used, or is not one of this request"


class UseDPoPNonce(OAuthError):
    """The DPoP proof has to hold the nonce that the answer gives (RFC 9449 section 8)."""

    code = "use_dpop_nonce"
    public = "The DPoP proof has to hold the nonce in the field DPoP-Nonce of this answer"


class TemporarilyUnavailable(OAuthError):
    """Something that the answer rests on does not answer now; the same request may succeed later."""

    code = "temporarily_unavailable"
    status = 503
    public = "The request cannot be answered now; try again later"


class ServerError(OAuthError):
    """The configuration does not allow an answer; the log says why."""

    status = 500
    public = "The authority is not configured to answer this request"
