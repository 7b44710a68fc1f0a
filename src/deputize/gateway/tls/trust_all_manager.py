"""`TrustAllManager`: no check of certificates at all."""

from deputize.gateway.config.settings import Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.tls.managers import TrustManager


class TrustAllManager:
    """Believes every certificate: for tests."""

    class Config(Settings):
        """It has no settings."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> TrustManager:
        """Warn: whoever is in between can read and change everything."""
        context.warn(
            "", "TrustAllManager believes every certificate", "use a SecretsTrustManager outside of tests"
        )
        return TrustManager(None)
