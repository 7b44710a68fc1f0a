"""TLS of both sides, and where keys and authorities come from (gateway-config reference, section 6.4)."""

from deputize.gateway.loading.context import HeapType
from deputize.gateway.tls.client_options import ClientTlsOptions
from deputize.gateway.tls.secrets_key_manager import SecretsKeyManager
from deputize.gateway.tls.secrets_trust_manager import SecretsTrustManager
from deputize.gateway.tls.server_options import ServerTlsOptions
from deputize.gateway.tls.trust_all_manager import TrustAllManager

TLS_OBJECTS: tuple[HeapType, ...] = (
    ServerTlsOptions,
    ClientTlsOptions,
    SecretsKeyManager,
    SecretsTrustManager,
    TrustAllManager,
)
