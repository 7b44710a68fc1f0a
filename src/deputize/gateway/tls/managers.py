"""What key and trust managers give to the TLS options of both sides."""

import ssl
from dataclasses import dataclass
from typing import Literal

from deputize.gateway.config.settings import OneOrMore, Reference
from deputize.gateway.loading.context import BuildContext
from deputize.secrets.secret import CryptoKey, SecretError, SecretStore, crypto_key

Protocols = OneOrMore[Literal["TLSv1.2", "TLSv1.3"]]


@dataclass(frozen=True, slots=True)
class KeyManager:
    """The key with which the gateway proves who it is, and its certificate chain."""

    key: CryptoKey


@dataclass(frozen=True, slots=True)
class TrustManager:
    """The authorities whose certificates are believed, as PEM; `None` believes everything."""

    authorities: bytes | None


def find_key(provider: Reference, secret_id: str, context: BuildContext, key: str) -> CryptoKey:
    """Find what a store has under `secret_id`, configured at `key`. Raises `ConfigurationError`."""
    try:
        return crypto_key(context.refer(provider, SecretStore, "secretsProvider"), secret_id)
    except SecretError as error:
        raise context.error(key, str(error)) from error


def limit_protocols(tls: ssl.SSLContext, protocols: tuple[str, ...]) -> None:
    """Have `tls` speak only `protocols`; its least is TLS 1.2."""
    if "TLSv1.2" not in protocols:
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
