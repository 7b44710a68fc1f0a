"""`ConfirmationKeyVerifierAccessTokenResolver`: for tokens that are bound to the client's certificate."""

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.resolvers.resolution import AccessTokenResolver


class ConfirmationKeyVerifierAccessTokenResolver:
    """Stands for its `delegate`."""

    class Config(Settings):
        """Written in front of a resolver for tokens that are bound to a certificate (RFC 8705 section 3).

        The `OAuth2ResourceServerFilter` itself checks what each token is bound to, wherever that was found
        out, so a cache may stand in front of this object or behind it, and without it tokens are checked the
        same. A token passes with `cnf.x5t#S256` if the client showed that certificate in TLS, which takes
        `clientAuth` of the connector's `ServerTlsOptions`, and no proxy that ends TLS in front of the
        gateway; with `cnf.jkt` if it comes with a proof (`dpop` of the filter); without `cnf`; and with no
        other `cnf`.
        """

        delegate: Reference
        """The resolver that is asked about tokens."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> AccessTokenResolver:
        """Find the delegate."""
        return context.refer(config.delegate, AccessTokenResolver, "delegate")
