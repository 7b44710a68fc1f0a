"""`ServerTlsOptions`: how a connector speaks TLS."""

import ssl
from dataclasses import dataclass

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.tls.managers import KeyManager, Protocols, limit_protocols
from deputize.http import tls
from deputize.http.tls import TlsError


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How a connector speaks TLS."""

    context: ssl.SSLContext


class ServerTlsOptions:
    """How a connector speaks TLS; its `tls` refers to this."""

    class Config(Settings):
        """The key and the protocols: TLS 1.2 and later, or only TLS 1.3 if `sslEnabledProtocols` says so."""

        key_manager: Reference
        """Gives the server's key and certificate."""
        ssl_enabled_protocols: Protocols = ("TLSv1.2", "TLSv1.3")
        """The TLS versions that are spoken."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> ServerTls:
        """Make the TLS context of the key manager's key."""
        key = context.refer(config.key_manager, KeyManager, "keyManager").key
        try:
            server = tls.server_context(key.certificates_pem, key.private_key_pem)
        except TlsError as error:
            raise context.error("keyManager", str(error)) from error
        limit_protocols(server, config.ssl_enabled_protocols)
        return ServerTls(server)
