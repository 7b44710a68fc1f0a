"""What PingGateway has and this gateway has not, why, and what to use instead.

`deputize gateway check`, the errors of a start, and the compatibility page all read these tables. They are by
the names that configuration uses.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Absence(NamedTuple):
    """Why a type is not there, and what takes its place."""

    reason: str
    """A clause that follows the type's name."""
    instead: str
    """What to do, as an imperative."""


_BROWSER_SESSION: Final = "signs people on with a session cookie, which is nothing that agents can use"
_USE_OAUTH: Final = (
    "let clients sign people on with authorization code and PKCE, and check their tokens with an "
    "OAuth2ResourceServerFilter"
)
_SESSION: Final = "keeps sessions of browsers, and nothing here has a session"
_STATELESS: Final = "remove it, and have each request carry a token"
_LEGACY_LOGIN: Final = "replays people's passwords to an application"
_SAML: Final = "speaks SAML 2.0"
_BRIDGE: Final = (
    "have an OpenID provider bridge SAML, and check its tokens with an OAuth2ResourceServerFilter"
)
_GROOVY: Final = "runs a Groovy script with everything the gateway may do"
_EXTENSION: Final = "or write a filter in Python (docs/howto/extend.md)"
_AM: Final = "asks PingAM by interfaces of its own"
_POLICY: Final = "asks a policy service by an interface of its own"
_DECIDE: Final = "decide with the policies of an McpToolAuthorizationFilter, which also asks by AuthZEN"
_RISK: Final = "asks PingOne Protect for a risk"
_REMOVED: Final = "was removed from PingGateway, too"
_DROP: Final = "remove it"

ABSENT: Final[Mapping[str, Absence]] = {
    # People's sessions in browsers.
    "SingleSignOnFilter": Absence(_BROWSER_SESSION, _USE_OAUTH),
    "CrossDomainSingleSignOnFilter": Absence(_BROWSER_SESSION, _USE_OAUTH),
    "AuthorizationCodeOAuth2ClientFilter": Absence(_BROWSER_SESSION, _USE_OAUTH),
    "OAuth2ClientFilter": Absence(_BROWSER_SESSION, _USE_OAUTH),
    "ClientRegistration": Absence("belongs to filters that sign people on with a session cookie", _USE_OAUTH),
    "Issuer": Absence("belongs to filters that sign people on with a session cookie", _USE_OAUTH),
    "SamlFederationHandler": Absence(_SAML, _BRIDGE),
    "SamlFederationFilter": Absence(_SAML, _BRIDGE),
    "TokenTransformationFilter": Absence("turns ID tokens into SAML assertions", _BRIDGE),
    "PasswordReplayFilter": Absence(_LEGACY_LOGIN, "have the application accept tokens"),
    "CapturedUserPasswordFilter": Absence(_LEGACY_LOGIN, "have the application accept tokens"),
    "CryptoHeaderFilter": Absence(_LEGACY_LOGIN, "have the application accept tokens"),
    "DesKeyGenHandler": Absence(_LEGACY_LOGIN, "have the application accept tokens"),
    "HttpBasicAuthFilter": Absence(
        "answers a server's Basic challenge by sending the request again",
        "send the credential at once with an HttpBasicAuthenticationClientFilter",
    ),
    "JwtSession": Absence(_SESSION, _STATELESS),
    "JwtSessionManager": Absence(_SESSION, _STATELESS),
    "InMemorySessionManager": Absence(_SESSION, _STATELESS),
    "CookieFilter": Absence("keeps a server's cookies in the session of a browser", _STATELESS),
    "FragmentFilter": Absence("keeps a part of the URI while a browser signs on", _USE_OAUTH),
    "DataPreservationFilter": Absence("keeps a form while a browser signs on", _USE_OAUTH),
    "CsrfFilter": Absence(
        "protects sessions of browsers, and nothing here has a session",
        "remove it where tokens come in headers",
    ),
    "SessionInfoFilter": Absence(_AM, "read claims as ${contexts.oauth2.accessToken.info}"),
    "UserProfileFilter": Absence(_AM, "have the authority put the attributes into claims, and read those"),
    # Decisions elsewhere.
    "AmService": Absence(_AM, "name the endpoint in a TokenIntrospectionAccessTokenResolver"),
    "OpenAmAccessTokenResolver": Absence(_AM, "use a TokenIntrospectionAccessTokenResolver"),
    "PolicyEnforcementFilter": Absence(_AM, _DECIDE),
    "UmaFilter": Absence("protects resources by UMA 2.0", _DECIDE),
    "UmaService": Absence("protects resources by UMA 2.0", _DECIDE),
    "PingAuthorizeFilter": Absence(_POLICY, _DECIDE),
    "PingOneApiAccessManagementFilter": Absence(_POLICY, _DECIDE),
    "PingOneService": Absence(_POLICY, _DECIDE),
    "PingOneProtectEvaluationFilter": Absence(_RISK, "have the authority ask when it issues tokens"),
    "PingOneProtectFeedbackSuccessFilter": Absence(_RISK, "have the authority ask when it issues tokens"),
    "PingOneProtectFeedbackFailureFilter": Absence(_RISK, "have the authority ask when it issues tokens"),
    "PingOneProtectThreatLevelRoutingHandler": Absence(_RISK, "have the authority ask when it issues tokens"),
    # Scripts.
    "ScriptableFilter": Absence(
        _GROOVY,
        "use a HeaderFilter, AssignmentFilter, ConditionEnforcementFilter, EntityExtractFilter or "
        f"JwtBuilderFilter, {_EXTENSION}",
    ),
    "ScriptableHandler": Absence(
        _GROOVY,
        "use a StaticResponseHandler, DispatchHandler or SequenceHandler, or write a handler in Python",
    ),
    "ScriptableThrottlingPolicy": Absence(_GROOVY, "use a MappedThrottlingPolicy"),
    "ScriptableAccessTokenResolver": Absence(
        _GROOVY, "use a TokenIntrospectionAccessTokenResolver or StatelessAccessTokenResolver"
    ),
    "ScriptableResourceAccess": Absence(_GROOVY, "write the scopes as runtime expressions"),
    "ScriptableJwtValidatorCustomizer": Absence(_GROOVY, "use a ConditionEnforcementFilter behind the check"),
    "ScriptableIdentityAssertionPlugin": Absence(_GROOVY, "have the authority accept identity assertions"),
    # Other ways to get or check tokens.
    "ResourceOwnerOAuth2ClientFilter": Absence(
        "sends people's passwords, which OAuth 2.1 has dropped", "use a ClientCredentialsOAuth2ClientFilter"
    ),
    "GrantSwapJwtAssertionOAuth2ClientFilter": Absence(
        "gets a token for an assertion that it makes", "use an OAuth2TokenExchangeFilter"
    ),
    "PrivateKeyJwtClientAuthenticationFilter": Absence(
        "is not made yet",
        "use a ClientSecretBasicAuthenticationFilter, or client certificates by ClientTlsOptions",
    ),
    "EncryptedPrivateKeyJwtClientAuthenticationFilter": Absence(
        "encrypts what is signed already", "use client certificates by ClientTlsOptions"
    ),
    "JwtValidationFilter": Absence(
        "checks JWTs that are no access tokens", "check access tokens with a StatelessAccessTokenResolver"
    ),
    "IdTokenValidationFilter": Absence(
        "takes ID tokens, which are for clients, as proof at an API", "have clients send access tokens"
    ),
    "JwkSetHandler": Absence("is not made yet", "publish the keys with a StaticResponseHandler"),
    "FapiInteractionIdFilter": Absence("is not made yet", "use a TransactionIdOutboundFilter"),
    # Browsers and files.
    "SetCookieUpdateFilter": Absence("is not made yet", "change the cookies where they are set"),
    "ResourceHandler": Absence("serves files, which web servers do better", "forward to a web server"),
    "WelcomeHandler": Absence("shows the product's page", "use a StaticResponseHandler"),
    "SqlAttributesFilter": Absence(
        "queries a database for each request", "have the authority put the attributes into claims"
    ),
    "JdbcDataSource": Absence("belongs to filters that query databases", _DROP),
    "OpenApiValidationFilter": Absence("is not made yet", "have the API check what it is sent"),
    # Secrets, TLS, Java.
    "HsmSecretStore": Absence("reads keys of hardware by Java's PKCS #11", "use a KeyStoreSecretStore"),
    "JwkPropertyFormat": Absence("is not made yet", "store the key as PEM, with a PemPropertyFormat"),
    "SecretKeyPropertyFormat": Absence(
        "holds symmetric keys", "use asymmetric keys, with a PemPropertyFormat"
    ),
    "CachingJwkSetService": Absence("is not needed: each JwkSetSecretStore has a cache", _DROP),
    "KeyManager": Absence(_REMOVED, "use a SecretsKeyManager"),
    "TrustManager": Absence(_REMOVED, "use a SecretsTrustManager"),
    "KeyStore": Absence(_REMOVED, "use a KeyStoreSecretStore"),
    "SystemProxyOptions": Absence("sends requests through a proxy", "let the gateway reach servers directly"),
    "CustomProxyOptions": Absence("sends requests through a proxy", "let the gateway reach servers directly"),
    # Experiments of OpenIG.
    "MCPServerFeaturesFilter": Absence("allows tools by name alone", "use an McpToolAuthorizationFilter"),
    "MCPFeaturesFilter": Absence("allows tools by name alone", "use an McpToolAuthorizationFilter"),
    "LLMPromptGuardFilter": Absence(
        "guesses at prompts that mean harm", "limit what tools an agent may call"
    ),
    "LLMProxyFilter": Absence("counts tokens of language models", "use a ThrottlingFilter"),
}

DIFFERENCES: Final[Mapping[str, str]] = {
    "DateHeaderFilter": "No effect: every answer has a Date.",
    "NoProxyOptions": "No effect: requests never go through a proxy.",
    "ScheduledExecutorService": "No effect.",
    "TemporaryStorage": "No effect: bodies stream.",
    "AllowOnlyFilter": "Rules about the subject of a certificate are refused at load.",
    "AssignmentFilter": "Sessions and entities cannot be assigned to.",
    "AuditService": "Records have more members than the original's; names the original has are kept.",
    "BaseUriDecorator": "A host name with an underscore is refused at load.",
    "CaptureDecorator": "Credentials are hidden whatever is configured; entities are not held back.",
    "CircuitBreakerFilter": "Counts 502, 503 and 504 as failures; an open circuit is 503.",
    "ClientHandler": "Neither proxies, retries, HTTP/2 nor a circuit breaker of its own.",
    "ConfirmationKeyVerifierAccessTokenResolver": "Bound tokens are always checked, with it or without it.",
    "EntityExtractFilter": "The target is an attribute; entities over 1 MiB are refused.",
    "FileAttributesFilter": "The target is an attribute; a changed file is read again.",
    "JwtBuilderFilter": "Signs with asymmetric keys only; does not encrypt.",
    "KeyStoreSecretStore": "PKCS #12 with one private key; not JKS or JCEKS.",
    "LocationHeaderFilter": "Changes only a Location that leads to the server behind.",
    "McpValidationFilter": "Also speaks versions that the original does not.",
    "OAuth2ResourceServerFilter": "The token is not sent on unless `forwardToken` says so.",
    "OAuth2TokenExchangeFilter": "Sets Authorization itself; no `amService`.",
    "ReverseProxyHandler": "Neither WebSocket, proxies, retries, HTTP/2 nor a circuit breaker of its own.",
    "StatelessAccessTokenResolver": "Neither encrypted tokens nor symmetric signatures.",
    "StaticRequestFilter": "`version` has no effect.",
    "ThrottlingFilter": "A partition whose rate alternates keeps a bucket for each rate.",
    "TimerDecorator": "Writes to the log; no metrics.",
    "TracingDecorator": "No effect, and a warning.",
}
"""What a type does otherwise, where that is not what everybody would expect."""
