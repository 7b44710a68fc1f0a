"""Secret stores and what belongs to them as heap objects (gateway-config reference, sections 6.2 and 6.3)."""

from deputize.gateway.loading.context import HeapType
from deputize.gateway.secrets.base64_encoded import Base64EncodedSecretStore
from deputize.gateway.secrets.file_system import FileSystemSecretStore
from deputize.gateway.secrets.jwk_set import JwkSetSecretStore
from deputize.gateway.secrets.key_store import KeyStoreSecretStore
from deputize.gateway.secrets.pem_property_format import PemPropertyFormat
from deputize.gateway.secrets.provider import SecretsProvider
from deputize.gateway.secrets.system_and_env import SystemAndEnvSecretStore

SECRET_OBJECTS: tuple[HeapType, ...] = (
    SystemAndEnvSecretStore,
    FileSystemSecretStore,
    Base64EncodedSecretStore,
    JwkSetSecretStore,
    KeyStoreSecretStore,
    SecretsProvider,
    PemPropertyFormat,
)
