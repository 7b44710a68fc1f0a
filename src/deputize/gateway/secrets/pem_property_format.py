"""`PemPropertyFormat`: secrets that are PEM keys and certificates."""

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.secrets.formats.pem import PemFormat
from deputize.secrets.secret import SecretFormat, SecretStore, generic_secret


class PemPropertyFormat:
    """PEM keys and certificates."""

    class Config(Settings):
        """The password of an encrypted private key: both keys, or none."""

        decryption_secret_id: str | None = None
        """Id of the secret that is the private key's password."""
        secrets_provider: Reference | None = None
        """The store that has it."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> SecretFormat:
        """Make the format; the password is asked for when an encrypted key is met."""
        secret_id, provider = config.decryption_secret_id, config.secrets_provider
        if (secret_id is None) != (provider is None):
            raise context.error(
                "", "decryptionSecretId and secretsProvider belong together", "give both or none"
            )
        if secret_id is None or provider is None:
            return PemFormat()
        store = context.refer(provider, SecretStore, "secretsProvider")
        return PemFormat(lambda: generic_secret(store, secret_id).value)
