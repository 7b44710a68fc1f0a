"""TLS objects of both sides, and where their keys and authorities come from (gateway-config reference
6.4).
"""

import ssl
from dataclasses import dataclass
from typing import Literal

from deputize.gateway.config.settings import OneOrMore, Reference, Settings
from deputize.gateway.loading.context import BuildContext, HeapType
from deputize.http import tls
from deputize.http.tls import TlsError
from deputize.secrets.secret import CryptoKey, SecretError, SecretStore, crypto_key

Protocols = OneOrMore[Literal["TLSv1.2", "TLSv1.3"]]


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How a connector speaks TLS."""

    context: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How a client handler speaks TLS."""

    context: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class KeyManager:
    """The key with which the gateway proves who it is, and its certificate chain."""

    key: CryptoKey


@dataclass(frozen=True, slots=True)
class TrustManager:
    """The authorities whose certificates are believed, as PEM; `None` believes everything."""

    authorities: bytes | None


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
        key = _key(config.secrets_provider, config.signing_secret_id, context, "signingSecretId")
        if key.private_key is None or not key.certificates:
            missing = "certificate" if key.private_key else "private key"
            fix = "put the private key and its certificate chain into one PEM file"
            raise context.error(
                "signingSecretId", f"the secret {config.signing_secret_id!r} holds no {missing}", fix
            )
        return KeyManager(key)


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
        return TrustManager(
            _key(
                config.secrets_provider, config.verification_secret_id, context, "verificationSecretId"
            ).certificates_pem
        )


class TrustAllManager:
    """Believes every certificate: for tests."""

    class Config(Settings):
        """Nothing to configure."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> TrustManager:  # noqa: ARG003 - every heap type is built alike
        """Warn: whoever stands in between can read and change everything."""
        context.warn(
            "", "TrustAllManager believes every certificate", "use a SecretsTrustManager outside of tests"
        )
        return TrustManager(None)


class ServerTlsOptions:
    """What a connector's `tls` refers to."""

    class Config(Settings):
        """TLS 1.2 is the least that is spoken; `sslEnabledProtocols` of only TLSv1.3 raises that."""

        key_manager: Reference
        """Gives the server's key and certificate."""
        ssl_enabled_protocols: Protocols = ("TLSv1.2", "TLSv1.3")
        """The TLS versions that are spoken."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> ServerTls:
        """Make the context of the key manager's key."""
        key = context.refer(config.key_manager, KeyManager, "keyManager").key
        try:
            return ServerTls(
                _limited(
                    tls.server_context(key.certificates_pem, key.private_key_pem),
                    config.ssl_enabled_protocols,
                )
            )
        except TlsError as error:
            raise context.error("keyManager", str(error)) from error


class ClientTlsOptions:
    """What a client handler's `tls` refers to."""

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
        """Make the context; accepting certificates of other hosts is warned about."""
        key = context.refer(config.key_manager, KeyManager, "keyManager").key if config.key_manager else None
        trust = (
            context.refer(config.trust_manager, TrustManager, "trustManager")
            if config.trust_manager
            else None
        )
        if config.hostname_verifier == "ALLOW_ALL":
            context.warn(
                "hostnameVerifier", "certificates of other hosts are accepted", "use STRICT outside of tests"
            )
        try:
            ssl_context = tls.client_context(
                trust.authorities if trust else None,
                trust_all=trust is not None and trust.authorities is None,
                check_hostname=config.hostname_verifier == "STRICT",
                certificate_pem=key.certificates_pem if key else None,
                key_pem=key.private_key_pem if key else None,
            )
        except TlsError as error:
            raise context.error("trustManager", str(error)) from error
        return ClientTls(_limited(ssl_context, config.ssl_enabled_protocols))


def _limited(context: ssl.SSLContext, protocols: tuple[str, ...]) -> ssl.SSLContext:
    if "TLSv1.2" not in protocols:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _key(provider: Reference, secret_id: str, context: BuildContext, key: str) -> CryptoKey:
    try:
        return crypto_key(context.refer(provider, SecretStore, "secretsProvider"), secret_id)
    except SecretError as error:
        raise context.error(key, str(error)) from error


TLS_OBJECTS: tuple[HeapType, ...] = (
    ServerTlsOptions,
    ClientTlsOptions,
    SecretsKeyManager,
    SecretsTrustManager,
    TrustAllManager,
)
