"""TLS contexts: TLS 1.2 or later without CBC, HTTP/1.1 by ALPN, keys in memory where ssl allows it."""

import os
import ssl
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deputize.kernel.errors import DeputizeError

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"
"""The suites of TLS 1.2 with forward secrecy and authenticated encryption.

CBC is left out (RFC 9325 section 4.2). TLS 1.3 has no others.
"""


class TlsError(DeputizeError):
    """A certificate, key or certificate authority cannot be used."""


def server_context(
    certificate_pem: bytes,
    key_pem: bytes,
    *,
    client_ca_pem: bytes | None = None,
    client_required: bool = True,
) -> ssl.SSLContext:
    """Build the context of a listener from the certificate chain, leaf first, and its private key.

    With `client_ca_pem`, clients must show a certificate issued by these authorities, or may, if it is not
    `client_required`. Raises `TlsError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    _load_chain(context, certificate_pem, key_pem)
    if client_ca_pem is not None:
        _trust(context, client_ca_pem)
        context.verify_mode = ssl.CERT_REQUIRED if client_required else ssl.CERT_OPTIONAL
    return context


def client_context(
    ca_pem: bytes | None = None,
    *,
    trust_all: bool = False,
    check_hostname: bool = True,
    certificate_pem: bytes | None = None,
    key_pem: bytes | None = None,
) -> ssl.SSLContext:
    """Build the context of a client that trusts `ca_pem`, else the system's authorities.

    `trust_all` verifies nothing and is for tests. `certificate_pem` and `key_pem` identify the client to
    servers that ask. Raises `TlsError`.
    """
    context = (
        ssl.create_default_context()
        if ca_pem is None and not trust_all
        else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    _harden(context)
    context.check_hostname = check_hostname and not trust_all
    context.verify_mode = ssl.CERT_NONE if trust_all else ssl.CERT_REQUIRED
    if ca_pem is not None:
        _trust(context, ca_pem)
    if certificate_pem is not None and key_pem is not None:
        _load_chain(context, certificate_pem, key_pem)
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])


def _trust(context: ssl.SSLContext, ca_pem: bytes) -> None:
    try:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise TlsError(f"the certificate authorities cannot be read: {error}") from error


def _load_chain(context: ssl.SSLContext, certificate_pem: bytes, key_pem: bytes) -> None:
    try:
        with _private_file(certificate_pem.rstrip() + b"\n" + key_pem) as path:
            context.load_cert_chain(path, password="")
    except (ssl.SSLError, ValueError, OSError) as error:
        raise TlsError(f"the certificate and its private key cannot be used together: {error}") from error


@contextmanager
def _private_file(content: bytes) -> Generator[Path]:
    """Write `content` to a file that nobody else may open, and remove it right after use.

    The ssl module reads private keys from files only.
    """
    descriptor, name = tempfile.mkstemp(prefix="deputize-")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        yield path
    finally:
        path.unlink()
