"""Every type of the original is there, or is said not to be, with the reason and what takes its place."""

import pytest

from deputize.gateway.catalogue import HEAP_TYPES
from deputize.gateway.config.compatibility import ABSENT, DIFFERENCES

LISTED = """
Router Chain ReverseProxyHandler ClientHandler StaticResponseHandler DispatchHandler SequenceHandler
JwkSetHandler ResourceHandler WelcomeHandler ScriptableHandler SamlFederationHandler
DesKeyGenHandler Delegate McpAuditFilter McpProtectionFilter McpValidationFilter
MCPServerFeaturesFilter OAuth2ResourceServerFilter HttpBasicAuthenticationClientFilter
OAuth2TokenExchangeFilter ClientSecretBasicAuthenticationFilter ClientSecretPostAuthenticationFilter
PrivateKeyJwtClientAuthenticationFilter EncryptedPrivateKeyJwtClientAuthenticationFilter
ClientCredentialsOAuth2ClientFilter ScriptableResourceAccess ResourceOwnerOAuth2ClientFilter
AuthorizationCodeOAuth2ClientFilter GrantSwapJwtAssertionOAuth2ClientFilter UmaFilter
TokenIntrospectionAccessTokenResolver StatelessAccessTokenResolver CacheAccessTokenResolver
ConfirmationKeyVerifierAccessTokenResolver ScriptableAccessTokenResolver OpenAmAccessTokenResolver
UriPathRewriteFilter ThrottlingFilter MappedThrottlingPolicy DefaultRateThrottlingPolicy
ScriptableThrottlingPolicy HeaderFilter CorsFilter ConditionEnforcementFilter ConditionalFilter
SwitchFilter AllowOnlyFilter CircuitBreakerFilter AssignmentFilter JwtValidationFilter
JwtBuilderFilter LocationHeaderFilter ForwardedRequestFilter SetCookieUpdateFilter CsrfFilter
TransactionIdOutboundFilter ChainOfFilters PingAuthorizeFilter ScriptableFilter CookieFilter
StaticRequestFilter EntityExtractFilter FragmentFilter DataPreservationFilter DateHeaderFilter
FileAttributesFilter SqlAttributesFilter PasswordReplayFilter HttpBasicAuthFilter
PolicyEnforcementFilter SingleSignOnFilter CrossDomainSingleSignOnFilter UserProfileFilter
SessionInfoFilter TokenTransformationFilter IdTokenValidationFilter FapiInteractionIdFilter
OpenApiValidationFilter CertificateThumbprintFilter PingOneApiAccessManagementFilter
SystemAndEnvSecretStore FileSystemSecretStore PemPropertyFormat SecretsKeyManager SecretsProvider
JwkSetSecretStore Base64EncodedSecretStore KeyStoreSecretStore SecretsTrustManager JwkPropertyFormat
SecretKeyPropertyFormat HsmSecretStore CachingJwkSetService KeyManager TrustManager KeyStore
TrustAllManager ServerTlsOptions ClientTlsOptions AuditService NoOpAuditService
InMemorySessionManager ScheduledExecutorService TemporaryStorage JwtSessionManager JwtSession
JdbcDataSource AmService PingOneService BaseUriDecorator CaptureDecorator TimerDecorator
TracingDecorator
"""
ORIGINAL = LISTED.split()


@pytest.mark.parametrize("name", ORIGINAL)
def test_each_type_of_the_original_is_there_or_said_not_to_be(name):
    assert (name in HEAP_TYPES.by_name) != (name in ABSENT)


def test_nothing_is_said_of_types_that_are_otherwise():
    assert set(ABSENT) & set(HEAP_TYPES.by_name) == set()
    assert set(DIFFERENCES) - set(HEAP_TYPES.by_name) == set()


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_what_takes_the_place_of_a_type_is_there(name):
    told = f"{ABSENT[name].reason} {ABSENT[name].instead}"
    named = {word.strip(",.;()") for word in told.split() if word[0].isupper()}
    types = {
        word
        for word in named
        if word.endswith(("Filter", "Handler", "Resolver", "Store", "Policy", "Manager"))
    }
    assert types <= set(HEAP_TYPES.by_name)
