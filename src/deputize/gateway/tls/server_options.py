"""`ServerTlsOptions`: how a connector speaks TLS."""

import ssl
from dataclasses import dataclass
from typing import Literal

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.tls.managers import KeyManager, Protocols, TrustManager, limit_protocols
from deputize.http import tls
from deputize.http.tls import TlsError


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How a connector speaks TLS."""

    context: ssl.SSLContext


class ServerTlsOptions:
    """How a connector speaks TLS; its `tls` refers to this."""

    class Config(Settings):
        """The key, the protocols, and whether clients show certificates.

        TLS 1.2 and later is spoken, or only TLS 1.3 if `sslEnabledProtocols` says so. A certificate that a
        client shows has to be issued by one of the `trustManager`'s authorities, or be one of them: TLS ends
        here where it is not. What a certificate is good for then is that tokens may be bound to it (RFC 8705
        section 3).
        """

        key_manager: Reference
        """Gives the server's key and certificate."""
        trust_manager: Reference | None = None
        """Whose certificates clients may show."""
        client_auth: Literal["NONE", "REQUEST", "REQUIRED"] = "NONE"
        """Whether clients are asked for a certificate, or have to show one."""
        ssl_enabled_protocols: Protocols = ("TLSv1.2", "TLSv1.3")
        """The TLS versions that are spoken."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> ServerTls:
        """Make the TLS context of the key manager's key."""
        key = context.refer(config.key_manager, KeyManager, "keyManager").key
        trust = context.refer_if_set(config.trust_manager, TrustManager, "trustManager")
        asks = config.client_auth != "NONE"
        if asks and (trust is None or trust.authorities is None):
            reason = f"clientAuth is {config.client_auth}, but nothing says whose certificates are believed"
            raise context.error("trustManager", reason, "name a SecretsTrustManager")
        try:
            server = tls.server_context(
                key.certificates_pem,
                key.private_key_pem,
                client_ca_pem=trust.authorities if trust and asks else None,
                client_required=config.client_auth == "REQUIRED",
            )
        except TlsError as error:
            raise context.error("keyManager", str(error)) from error
        limit_protocols(server, config.ssl_enabled_protocols)
        return ServerTls(server)
