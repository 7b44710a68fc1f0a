"""Filters, in the order a reader wants; each is one file."""

from deputize.gateway.filters.allow_only import AllowOnlyFilter
from deputize.gateway.filters.assignment import AssignmentFilter
from deputize.gateway.filters.certificate_thumbprint import CertificateThumbprintFilter
from deputize.gateway.filters.chain_of_filters import ChainOfFilters
from deputize.gateway.filters.circuit_breaker import CircuitBreakerFilter
from deputize.gateway.filters.client_credentials_oauth2_client import ClientCredentialsOAuth2ClientFilter
from deputize.gateway.filters.client_secret_authentication import (
    ClientSecretBasicAuthenticationFilter,
    ClientSecretPostAuthenticationFilter,
)
from deputize.gateway.filters.condition_enforcement import ConditionEnforcementFilter
from deputize.gateway.filters.conditional import ConditionalFilter
from deputize.gateway.filters.cors import CorsFilter
from deputize.gateway.filters.entity_extract import EntityExtractFilter
from deputize.gateway.filters.file_attributes import FileAttributesFilter
from deputize.gateway.filters.forwarded_request import ForwardedRequestFilter
from deputize.gateway.filters.header import HeaderFilter
from deputize.gateway.filters.http_basic_authentication_client import HttpBasicAuthenticationClientFilter
from deputize.gateway.filters.jwt_builder import JwtBuilderFilter
from deputize.gateway.filters.location_header import LocationHeaderFilter
from deputize.gateway.filters.mcp_audit import McpAuditFilter
from deputize.gateway.filters.mcp_protection import McpProtectionFilter
from deputize.gateway.filters.mcp_tool_authorization import McpToolAuthorizationFilter
from deputize.gateway.filters.mcp_validation import McpValidationFilter
from deputize.gateway.filters.oauth2_resource_server import OAuth2ResourceServerFilter
from deputize.gateway.filters.oauth2_token_exchange import OAuth2TokenExchangeFilter
from deputize.gateway.filters.static_request import StaticRequestFilter
from deputize.gateway.filters.switch import SwitchFilter
from deputize.gateway.filters.throttling import ThrottlingFilter
from deputize.gateway.filters.transaction_id_outbound import TransactionIdOutboundFilter
from deputize.gateway.filters.uri_path_rewrite import UriPathRewriteFilter
from deputize.gateway.loading.context import HeapType

FILTERS: tuple[HeapType, ...] = (
    McpAuditFilter,
    McpProtectionFilter,
    McpValidationFilter,
    McpToolAuthorizationFilter,
    OAuth2ResourceServerFilter,
    OAuth2TokenExchangeFilter,
    ClientCredentialsOAuth2ClientFilter,
    CertificateThumbprintFilter,
    JwtBuilderFilter,
    UriPathRewriteFilter,
    HeaderFilter,
    LocationHeaderFilter,
    AssignmentFilter,
    EntityExtractFilter,
    FileAttributesFilter,
    StaticRequestFilter,
    ForwardedRequestFilter,
    ConditionEnforcementFilter,
    ConditionalFilter,
    SwitchFilter,
    ChainOfFilters,
    AllowOnlyFilter,
    CircuitBreakerFilter,
    ThrottlingFilter,
    CorsFilter,
    HttpBasicAuthenticationClientFilter,
    ClientSecretBasicAuthenticationFilter,
    ClientSecretPostAuthenticationFilter,
    TransactionIdOutboundFilter,
)
