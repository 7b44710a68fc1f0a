"""`SecretsKeyManager`: the gateway's own key and certificates."""

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.tls.managers import KeyManager, find_key


class SecretsKeyManager:
    """Takes a key and its certificate chain from a secret store, when it is built.

    A restart reads them again.
    """

    class Config(Settings):
        """The id under which the store has both."""

        signing_secret_id: str
        """Id of the secret that holds the private key and its certificate chain."""
        secrets_provider: Reference
        """The store that has it."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> KeyManager:
        """Find the key; it needs a certificate."""
        key = find_key(config.secrets_provider, config.signing_secret_id, context, "signingSecretId")
        if key.private_key is None or not key.certificates:
            missing = "certificate" if key.private_key else "private key"
            raise context.error(
                "signingSecretId",
                f"the secret {config.signing_secret_id!r} holds no {missing}",
                "put the private key and its certificate chain into one PEM file",
            )
        return KeyManager(key)
