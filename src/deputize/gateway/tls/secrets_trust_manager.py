"""`SecretsTrustManager`: the authorities the gateway believes."""

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.tls.managers import TrustManager, find_key


class SecretsTrustManager:
    """Believes the certificates that a secret store has under one id."""

    class Config(Settings):
        """The id of the authorities' certificates."""

        verification_secret_id: str
        """Id of the secret that holds the authorities' certificates."""
        secrets_provider: Reference
        """The store that has it."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> TrustManager:
        """Find the certificates."""
        secret_id = config.verification_secret_id
        key = find_key(config.secrets_provider, secret_id, context, "verificationSecretId")
        return TrustManager(key.certificates_pem)
