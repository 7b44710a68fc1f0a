"""Why the authority refused a request, as the page *Why* and `deputize why` say it of a record.

A record's reason says precisely what was wrong. Its cause is found by words of the reason, else by the wire
code that the client was told, else by the name of the event: `find_cause` knows one for everything refused.
"""

from collections.abc import Mapping
from typing import Final

from deputize.diagnosis import causes
from deputize.diagnosis.cause import Cause, Setting

PASSWORD_WRONG: Final = Cause(
    "password_wrong",
    "the password is wrong",
    "{user} exists, and typed another password",
    "let the user try again, or set a new password on the user's page; after too many failures, deputize "
    "users unlock {user} --environment {environment}",
    Setting("user", "password"),
)
USERNAME_UNKNOWN: Final = Cause(
    "username_unknown",
    "no user has the name that was typed",
    "{reason}; it is not recorded, as it may be a password in the wrong place",
    "let the user type the username as Directory → Users lists it; each environment has its own users",
    Setting("user", "username"),
)
TOO_MANY_FAILURES: Final = Cause(
    "too_many_failures",
    "the user has to wait after too many failures",
    "{reason}",
    "wait until the time in the record, or let the user in at once: deputize users unlock {user} "
    "--environment {environment}",
    Setting("user", "password"),
)
SECRET_WRONG: Final = Cause(
    "secret_wrong",
    "the client secret is wrong",
    "{agent} exists, and the secret that was sent is none of its own",
    "copy the secret again, without blanks or a line end; where it is lost, draw a new one on the page "
    "Secrets (deputize secrets rotate). In a Basic header special characters are form-encoded (RFC 6749 "
    "section 2.3.1)",
    Setting("agent", "secret"),
)
REDIRECT_URI_NOT_REGISTERED: Final = Cause(
    "redirect_uri_not_registered",
    "the redirect URI is not registered",
    "the agent {agent} sent {redirect_uri}, and has {registered}. {difference}",
    "register the one that was sent, or have the agent send one that is registered, character by character; "
    "only the port of a loopback address may differ",
    Setting("agent", "redirect_uris"),
)
CLIENT_AUTHENTICATION: Final = Cause(
    "client_authentication",
    "client authentication fails",
    "{reason}",
    "have the client prove itself as client_auth of the agent says, and in that way only",
    Setting("agent", "client_auth"),
)
DOCUMENT_UNUSABLE: Final = Cause(
    "document_unusable",
    "the client's metadata document is not taken",
    "{reason}",
    "correct the document, or take documents of its host: hosts of registration",
    Setting("environment", "registration"),
)
REQUEST_MALFORMED: Final = Cause(
    "request_malformed",
    "the request is malformed",
    "{reason}",
    "correct the client's program: the reason names what it sends wrongly, or does not send",
    Setting("client", "the request"),
)
REQUEST_TOO_LARGE: Final = Cause(
    "request_too_large",
    "the request is too long, or has too many parameters",
    "{reason}",
    "have the client send less: fewer scopes, a shorter state, or push the request (RFC 9126)",
    Setting("client", "the request"),
)
PKCE_MISSING: Final = Cause(
    "pkce_missing",
    "PKCE is missing, or not S256",
    "{reason}",
    "have the client send code_challenge with code_challenge_method=S256, and the fitting code_verifier with "
    "the code (RFC 7636)",
    Setting("client", "code_challenge"),
)
PUSHED_REQUEST_REQUIRED: Final = Cause(
    "pushed_request_required",
    "the agent has to push its authorization requests",
    "{reason}",
    "have the client push them (RFC 9126), or do not require it: require_pushed_authorization_requests",
    Setting("agent", "require_pushed_authorization_requests"),
)
PUSHED_REQUEST_UNKNOWN: Final = Cause(
    "pushed_request_unknown",
    "the pushed authorization request is unknown or too old",
    "{reason}",
    "have the client push the request anew for each sign-on, and use its request_uri at once",
    Setting("client", "request_uri"),
)
REQUEST_OBJECT: Final = Cause(
    "request_object",
    "request objects are not supported",
    "{reason}",
    "have the client send plain parameters, or push them (RFC 9126)",
    Setting("client", "request, request_uri"),
)
RESPONSE_TYPE_UNSUPPORTED: Final = Cause(
    "response_type_unsupported",
    "the response type is not supported",
    "{reason}",
    "have the client send response_type=code: the authorization code with PKCE is the only way",
    Setting("client", "response_type"),
)
PROMPT_NONE: Final = Cause(
    "prompt_none",
    "the user would have to be asked, and the agent asked not to",
    "{reason}",
    "send the user again without prompt=none",
    Setting("client", "prompt"),
)
DECLINED: Final = Cause(
    "declined",
    "the user said no",
    "{reason}",
    "nothing is wrong: the user may sign on again, and agree",
    Setting("user", "consents"),
)
GRANT_TYPE_UNSUPPORTED: Final = Cause(
    "grant_type_unsupported",
    "the grant type is not supported",
    "{reason}",
    "have the client use one of grant_types_supported in the authority's metadata; passwords are not taken",
    Setting("client", "grant_type"),
)
CLIENT_NOT_AUTHORIZED: Final = Cause(
    "client_not_authorized",
    "the agent may not do this",
    "{reason}",
    "give it the grant, where it is to have it; what proves nothing about itself has fewer than others",
    Setting("agent", "grants"),
)
CODE_REFUSED: Final = Cause(
    "code_refused",
    "the authorization code is not taken",
    "{reason}",
    "have the client redeem each code once, at once, and with the redirect_uri and the code_verifier of its "
    "authorization request; then let the user sign on again",
    Setting("client", "code"),
)
REFRESH_TOKEN_REFUSED: Final = Cause(
    "refresh_token_refused",
    "the refresh token is not taken",
    "{reason}",
    "have the client keep the refresh token that it got last, and use no other; then let the user sign on "
    "again. How long it lives: refresh_token_idle and refresh_token_lifetime of the agent",
    Setting("agent", "refresh_token_lifetime"),
)
TOKEN_NOT_TAKEN: Final = Cause(
    "token_not_taken",
    "a token that was presented is not taken",
    "{reason}",
    "present an access token of this environment that is in time; what has ended comes back with a new "
    "sign-on only",
    Setting("client", "subject_token, actor_token"),
)
ASSERTION_REFUSED: Final = Cause(
    "assertion_refused",
    "the assertion is not taken",
    "{reason}",
    "compare what it says with the trusted issuer: its audience, its keys, its lifetime, and how it names "
    "users",
    Setting("environment", "trusted_issuers"),
)
GRANT_REFUSED: Final = Cause(
    "grant_refused",
    "what was presented gives no right to a token",
    "{reason}",
    "mend what the reason names, or let the user sign on again",
    Setting("user", "sessions, consents"),
)
SCOPE_REFUSED: Final = Cause(
    "scope_refused",
    "the scopes are not available to this request",
    "{reason}",
    "ask for scopes of one resource that the agent was granted",
    Setting("agent", "scopes"),
)
RESOURCE_REFUSED: Final = Cause(
    "resource_refused",
    "the resource is not available to this request",
    "{reason}",
    "name one resource that the agent was granted, by its audience, and in the way that it allows",
    Setting("agent", "scopes"),
)
PROOF_REFUSED: Final = Cause(
    "proof_refused",
    "the DPoP proof is missing or not taken",
    "{reason}",
    "have the client make a new proof for each request, with the key that its token is bound to and the "
    "clock set right (RFC 9449); whether an agent has to prove a key, its setting says",
    Setting("agent", "dpop_bound_access_tokens"),
)
NONCE_DEMANDED: Final = Cause(
    "nonce_demanded",
    "the DPoP proof needs a new nonce",
    "{reason}",
    "nothing is wrong where the client asks again with the nonce of the answer; otherwise teach it that, or "
    "do not demand nonces: require_dpop_nonce",
    Setting("environment", "require_dpop_nonce"),
)
ACCESS_TOKEN_REFUSED: Final = Cause(
    "access_token_refused",
    "the access token is not taken",
    "{reason}",
    "present one that this endpoint takes, in time and not revoked",
    Setting("client", "Authorization"),
)
ACCESS_TOKEN_SCOPE: Final = Cause(
    "access_token_scope",
    "the access token lacks a scope",
    "{reason}",
    "have the client ask for the scope when the user signs on",
    Setting("client", "scope"),
)
REGISTRATION_CLOSED: Final = Cause(
    "registration_closed",
    "the client may not register, or not change what it registered",
    "{reason}",
    "give it an invitation (an initial access token), or let clients register by themselves; who has one, "
    "sends it as a bearer token",
    Setting("environment", "registration"),
)
METADATA_REFUSED: Final = Cause(
    "metadata_refused",
    "what the client says of itself is not taken",
    "{reason}",
    "correct what it registers with; which grants and scopes it may have, the template of registration says",
    Setting("environment", "registration"),
)
STATEMENT_REFUSED: Final = Cause(
    "statement_refused",
    "the software statement is not taken",
    "{reason}",
    "let its issuer sign a new one, or take statements of its issuer: software_statements of registration",
    Setting("environment", "registration"),
)
TOO_MUCH_AT_ONCE: Final = Cause(
    "too_much_at_once",
    "too much is asked for at once, or what the answer rests on does not answer",
    "{reason}",
    "let the client come again later; where registrations are used up, remove agents or raise max_agents of "
    "registration",
    Setting("environment", "registration"),
)
SETTINGS_INCOMPLETE: Final = Cause(
    "settings_incomplete",
    "the authority is not configured to answer",
    "{reason}",
    "mend the setting that the reason names",
    Setting("environment", ""),
)
SIGN_ON_OF_ANOTHER: Final = Cause(
    "sign_on_of_another",
    "somebody else signed on than the agent asked for",
    "{reason}",
    "let the user sign on whom the agent asks for, or have it send neither login_hint nor id_token_hint",
    Setting("client", "id_token_hint"),
)
SECOND_FACTOR_REFUSED: Final = Cause(
    "second_factor_refused",
    "the passkey or the code is not taken",
    "{reason}",
    "let the user try again; where it is lost, reset the user's second factors",
    Setting("user", "factors"),
)
PROVIDER_FAILED: Final = Cause(
    "provider_failed",
    "the identity provider did not confirm who it is",
    "{reason}",
    "compare issuer, client id and secret of the identity provider with what it has",
    Setting("environment", "identity_providers"),
)
PASSWORD_NOT_CHANGED: Final = Cause(
    "password_not_changed",
    "the password was not changed",
    "{reason}",
    "let the user give the current password, and a new one that the rules for passwords allow",
    Setting("environment", "password_policy"),
)
ACTING_REFUSED: Final = Cause(
    "acting_refused",
    "the agent may not act for the user",
    "{reason}",
    "compare the mapping of may_act, which names who may act, with that of act, which says who does; the "
    "agent presents its own actor token",
    Setting("resource", "attributes"),
)
TOKEN_OF_ANOTHER_RESOURCE: Final = Cause(
    "token_of_another_resource",
    "the token is for another resource than the one that asks",
    "{reason}",
    "set audience of the resource at the authority to the gateway's resourceId, and RESOURCE_ID to the id of "
    "that resource",
    Setting("resource", "audience"),
)
INACTIVE: Final = Cause(
    "inactive",
    "introspection says that the token is not active",
    "{reason}",
    "a token ends with its time, and with what it rests on; who asks has to be the resource that it is for",
    Setting("resource", "audience"),
)
RECORDS_REFUSED: Final = Cause(
    "records_refused",
    "records that the gateway delivered were not stored",
    "{reason}",
    "compare the clock of the gateway, and its resource with that of the tokens it reports about",
    Setting("resource", "audience"),
)
CALL_REFUSED: Final = Cause(
    "call_refused",
    "the gateway refused the call",
    "{reason}",
    "compare what the reason names with the filters of the route",
    Setting("gateway", "config/routes/*.json"),
)
POLICY_DENIED: Final = Cause(
    "policy_denied",
    "a policy does not allow the call",
    "{reason}",
    "compare the call with the rule that the reason names: a limit, a budget of the day, or a Cedar rule of "
    "the route's McpToolPolicies",
    Setting("gateway", "config/routes/*.json"),
)
LOGOUT_NOTICE_FAILED: Final = Cause(
    "logout_notice_failed",
    "the agent was not told that a session ended",
    "{reason}",
    "correct backchannel_logout_uri of the agent, or mend what answers there",
    Setting("agent", "backchannel_logout_uri"),
)
CHANGE_REFUSED: Final = Cause(
    "change_refused",
    "the change was refused, and nothing was changed",
    "{reason}",
    "correct what the reason names, and make the change again",
    Setting("environment", ""),
)
REFUSED: Final = Cause(
    "refused",
    "it was refused",
    "{reason}",
    "the log has more under the record's transaction",
    Setting("client", "the request"),
)

BY_WORDS: Final[tuple[tuple[str, Cause], ...]] = (
    ("policy_denied", POLICY_DENIED),
    ("approval_needed", POLICY_DENIED),
    ("the password is wrong", PASSWORD_WRONG),
    ("the name is unknown", USERNAME_UNKNOWN),
    ("too many failures", TOO_MANY_FAILURES),
    ("too many wrong codes", TOO_MANY_FAILURES),
    ("the user is disabled", causes.USER_DISABLED),
    ("the request is about another user", SIGN_ON_OF_ANOTHER),
    ("somebody else is signed on", SIGN_ON_OF_ANOTHER),
    ("passkey", SECOND_FACTOR_REFUSED),
    ("the code is wrong, too old", SECOND_FACTOR_REFUSED),
    ("the secret is wrong", SECRET_WRONG),
    ("there is no such client", causes.CLIENT_UNKNOWN),
    ("The client is unknown", causes.CLIENT_UNKNOWN),
    ("is disabled", causes.AGENT_DISABLED),
    ("is past its end", causes.AGENT_EXPIRED),
    ("a host that the environment does not admit", DOCUMENT_UNUSABLE),
    ("metadata document", DOCUMENT_UNUSABLE),
    ("redirect_uri is not registered", REDIRECT_URI_NOT_REGISTERED),
    ("on the authority's own host", causes.REDIRECT_ON_AUTHORITY),
    ("code_challenge_method must be S256", PKCE_MISSING),
    ("has to push its authorization requests", PUSHED_REQUEST_REQUIRED),
    ("may not use ", causes.GRANT_NOT_GRANTED),
    ("were not granted", causes.SCOPE_NOT_GRANTED),
    ("is not a granted resource", causes.AUDIENCE_UNKNOWN),
    ("is configured as required", causes.REQUIRED_CLAIM_MISSING),
    ("a token for it comes of a user's sign-on", causes.DELEGATION_REQUIRED),
    ("nobody acts for the user", causes.ACTOR_REQUIRED),
    ("does not cover", causes.CONSENT_DOES_NOT_COVER),
    ("is dead:", causes.GRANT_ENDED),
    ("the token is for another resource", TOKEN_OF_ANOTHER_RESOURCE),
    ("not active", INACTIVE),
    ("the assertion of ", ASSERTION_REFUSED),
    ("the assertion is ", ASSERTION_REFUSED),
    ("requires delegation", ACTING_REFUSED),
    ("does not allow impersonation", ACTING_REFUSED),
    ("the mapping yields", ACTING_REFUSED),
    ("the issued token would", ACTING_REFUSED),
    ("may_act.sub", ACTING_REFUSED),
    ("the act ", ACTING_REFUSED),
    ("the actor token", ACTING_REFUSED),
    ("the subject token", ACTING_REFUSED),
    ("does not tell what it rests on", TOKEN_NOT_TAKEN),
    (" is invalid: ", TOKEN_NOT_TAKEN),
    ("the ID token is another client's", TOKEN_NOT_TAKEN),
    ("refresh token", REFRESH_TOKEN_REFUSED),
    ("such code", CODE_REFUSED),
    ("the code has expired", CODE_REFUSED),
    ("the code was redeemed before", CODE_REFUSED),
    ("code_verifier does not match", CODE_REFUSED),
    ("redirect_uri is not the one of", CODE_REFUSED),
    ("initial access token", REGISTRATION_CLOSED),
    ("registration access token", REGISTRATION_CLOSED),
    ("may register", REGISTRATION_CLOSED),
    ("request is too large", REQUEST_TOO_LARGE),
    ("request is too long", REQUEST_TOO_LARGE),
    ("A parameter is too long", REQUEST_TOO_LARGE),
    ("too many parameters", REQUEST_TOO_LARGE),
)
"""Words of a recorded reason, and the cause that they stand for; the first that is in it counts."""

BY_CODE: Final[Mapping[str, Cause]] = {
    "access_denied": DECLINED,
    "consent_required": PROMPT_NONE,
    "insufficient_scope": ACCESS_TOKEN_SCOPE,
    "interaction_required": PROMPT_NONE,
    "invalid_client": CLIENT_AUTHENTICATION,
    "invalid_client_metadata": METADATA_REFUSED,
    "invalid_dpop_proof": PROOF_REFUSED,
    "invalid_grant": GRANT_REFUSED,
    "invalid_redirect_uri": METADATA_REFUSED,
    "invalid_request": REQUEST_MALFORMED,
    "invalid_request_uri": PUSHED_REQUEST_UNKNOWN,
    "invalid_scope": SCOPE_REFUSED,
    "invalid_software_statement": STATEMENT_REFUSED,
    "invalid_target": RESOURCE_REFUSED,
    "invalid_token": ACCESS_TOKEN_REFUSED,
    "login_required": PROMPT_NONE,
    "request_not_supported": REQUEST_OBJECT,
    "request_uri_not_supported": REQUEST_OBJECT,
    "server_error": SETTINGS_INCOMPLETE,
    "temporarily_unavailable": TOO_MUCH_AT_ONCE,
    "unapproved_software_statement": STATEMENT_REFUSED,
    "unauthorized_client": CLIENT_NOT_AUTHORIZED,
    "unsupported_grant_type": GRANT_TYPE_UNSUPPORTED,
    "unsupported_response_type": RESPONSE_TYPE_UNSUPPORTED,
    "use_dpop_nonce": NONCE_DEMANDED,
}
"""By what the client was told: `OAuthError.code`."""

BY_EVENT: Final[Mapping[str, Cause]] = {
    "account not connected": PROVIDER_FAILED,
    "activities refused": RECORDS_REFUSED,
    "command": CHANGE_REFUSED,
    "environment changed": CHANGE_REFUSED,
    "mcp message": CALL_REFUSED,
    "mcp outcome": CALL_REFUSED,
    "logout notice failed": LOGOUT_NOTICE_FAILED,
    "passkey refused": SECOND_FACTOR_REFUSED,
    "password change refused": PASSWORD_NOT_CHANGED,
    "request refused": REFUSED,
    "sign-on refused": causes.SIGN_ON_REFUSED,
    "token inactive": INACTIVE,
}
"""By the name of a record that holds no code."""

SAID_BETTER_BY_STEPS: Final = frozenset(
    {
        ACTING_REFUSED,
        CLIENT_NOT_AUTHORIZED,
        GRANT_REFUSED,
        RESOURCE_REFUSED,
        SCOPE_REFUSED,
        SETTINGS_INCOMPLETE,
        causes.GRANT_ENDED,
    }
)
"""What lies in the settings: where the decision, made again, fails at a step, that step says more."""

REFUSALS: Final = tuple(each for each in tuple(globals().values()) if isinstance(each, Cause))
"""The causes that records alone tell of."""


def find_cause(reason: str, code: str = "", event: str = "") -> Cause:
    """Return what a record's reason stands for."""
    of_words = next((cause for words, cause in BY_WORDS if words in reason), None)
    return of_words or BY_CODE.get(code) or BY_EVENT.get(event) or REFUSED
