"""The format of PEM blocks (RFC 7468): a private key, certificates, or both."""

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
    """Reads PEM; `password` returns the password of encrypted keys, `None` where no key may be encrypted."""

    password: Callable[[], bytes] | None = field(default=None, repr=False)

    def decode(self, stored: bytes) -> CryptoKey:
        """Read the key and the chain, leaf first; they must belong together. Raises `FormatError`."""
        key: PrivateKeyTypes | None = None
        if b"PRIVATE KEY-----" in stored:
            encrypted = b"ENCRYPTED" in stored
            if encrypted and self.password is None:
                raise FormatError(
                    "holds an encrypted private key: set decryptionSecretId and secretsProvider"
                )
            try:
                key = load_pem_private_key(stored, self.password() if encrypted and self.password else None)
            except (ValueError, TypeError, UnsupportedAlgorithm) as error:
                ending = " with its password" if encrypted else ""
                raise FormatError(f"holds a private key that cannot be read{ending}") from error
        certificates: tuple[x509.Certificate, ...] = ()
        if b"-----BEGIN CERTIFICATE-----" in stored:
            try:
                certificates = tuple(x509.load_pem_x509_certificates(stored))
            except ValueError as error:
                raise FormatError("holds a certificate that cannot be read") from error
        if key is None and not certificates:
            raise FormatError("holds neither a PEM private key nor a PEM certificate")
        if key is not None and certificates and _public_der(key) != _public_der(certificates[0]):
            raise FormatError("holds a private key and a first certificate that do not belong together")
        pem = b"" if key is None else key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
        return CryptoKey(key, pem, certificates, chain)


def _public_der(holder: PrivateKeyTypes | x509.Certificate) -> bytes:
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
