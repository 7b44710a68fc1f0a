"""The stored bytes are PEM blocks (RFC 7468): a private key, certificates, or both."""

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from deputize.secrets.secret import CryptoKey, FormatError


@dataclass(frozen=True, slots=True)
class PemFormat:
    """`password` yields the password of an encrypted key when one is met.

    `None` where no key may be encrypted.
    """

    password: Callable[[], bytes] | None = field(default=None, repr=False)

    def decode(self, stored: bytes) -> CryptoKey:
        """The key and the chain, leaf first; they must belong together. Raises `FormatError`."""
        key = self._key(stored) if b"PRIVATE KEY-----" in stored else None
        certificates = _certificates(stored) if b"-----BEGIN CERTIFICATE-----" in stored else ()
        if key is None and not certificates:
            raise FormatError("holds neither a PEM private key nor a PEM certificate")
        if key is not None and certificates and not _belong_together(key, certificates[0]):
            raise FormatError("holds a private key and a first certificate that do not belong together")
        return CryptoKey(
            key, _pem(key), certificates, b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
        )

    def _key(self, stored: bytes) -> PrivateKeyTypes:
        encrypted = b"ENCRYPTED" in stored
        if encrypted and self.password is None:
            raise FormatError("holds an encrypted private key: set decryptionSecretId and secretsProvider")
        try:
            return load_pem_private_key(stored, self.password() if encrypted and self.password else None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise FormatError(
                "holds a private key that cannot be read" + (" with its password" if encrypted else "")
            ) from error


def _certificates(stored: bytes) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(stored))
    except ValueError as error:
        raise FormatError("holds a certificate that cannot be read") from error


def _belong_together(key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    def encoded(public_key: PrivateKeyTypes | x509.Certificate) -> bytes:
        return public_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    return encoded(key) == encoded(certificate)


def _pem(key: PrivateKeyTypes | None) -> bytes:
    return b"" if key is None else key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
