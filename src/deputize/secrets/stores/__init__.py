"""Where secrets are kept, in the order a reader wants."""

from deputize.secrets.stores.base64_encoded import Base64EncodedSecretStore
from deputize.secrets.stores.file_system import FileSystemSecretStore
from deputize.secrets.stores.system_and_env import SystemAndEnvSecretStore

STORES = (SystemAndEnvSecretStore, FileSystemSecretStore, Base64EncodedSecretStore)
