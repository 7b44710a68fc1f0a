"""`ClientTlsOptions`: how a client handler speaks TLS."""

import ssl
from dataclasses import dataclass
from typing import Literal

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.tls.managers import KeyManager, Protocols, TrustManager, limit_protocols
from deputize.http import tls
from deputize.http.tls import TlsError


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How a client handler speaks TLS."""

    context: ssl.SSLContext


class ClientTlsOptions:
    """How a client handler speaks TLS; its `tls` refers to this."""

    class Config(Settings):
        """Without `trustManager` the system's authorities are believed.

        `keyManager` is for servers that ask for a certificate.
        """

        key_manager: Reference | None = None
        """Gives the certificate for servers that ask for one."""
        trust_manager: Reference | None = None
        """Says whose certificates are believed; the system's authorities when absent."""
        hostname_verifier: Literal["STRICT", "ALLOW_ALL"] = "STRICT"
        """Whether the certificate must name the host asked for; `ALLOW_ALL` is for tests."""
        ssl_enabled_protocols: Protocols = ("TLSv1.2", "TLSv1.3")
        """The TLS versions that are spoken."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> ClientTls:
        """Make the TLS context; accepting certificates of other hosts is warned about."""
        own = context.refer_if_set(config.key_manager, KeyManager, "keyManager")
        trust = context.refer_if_set(config.trust_manager, TrustManager, "trustManager")
        if config.hostname_verifier == "ALLOW_ALL":
            context.warn(
                "hostnameVerifier", "certificates of other hosts are accepted", "use STRICT outside of tests"
            )
        made = client_tls(own, trust, context, check_hostname=config.hostname_verifier == "STRICT")
        limit_protocols(made.context, config.ssl_enabled_protocols)
        return made


def client_tls(
    own: KeyManager | None, trust: TrustManager | None, context: BuildContext, *, check_hostname: bool = True
) -> ClientTls:
    """Make the TLS context of a client. Raises `ConfigurationError`."""
    try:
        return ClientTls(
            tls.client_context(
                trust.authorities if trust else None,
                trust_all=trust is not None and trust.authorities is None,
                check_hostname=check_hostname,
                certificate_pem=own.key.certificates_pem if own else None,
                key_pem=own.key.private_key_pem if own else None,
            )
        )
    except TlsError as error:
        raise context.error("trustManager", str(error)) from error
