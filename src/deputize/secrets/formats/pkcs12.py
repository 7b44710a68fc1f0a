"""Key stores in PKCS #12 (RFC 7292): a private key with its chain, and certificates, by their aliases."""

from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, load_pkcs12

from deputize.secrets.secret import CryptoKey, FormatError

_JAVA_STORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
"""How files in the formats JKS and JCEKS begin."""


class JavaStore(FormatError):
    """The stored bytes are a key store in a format that only Java reads."""


def read_pkcs12(stored: bytes, password: bytes) -> Mapping[str, CryptoKey]:
    """Return what the store holds by alias, in lower case as Java compares them; one without a name is "".

    Raises `FormatError`.
    """
    if stored.startswith(_JAVA_STORES):
        raise JavaStore("is in a format of Java (JKS or JCEKS)")
    try:
        store = load_pkcs12(stored, password)
    except ValueError as error:
        raise FormatError("is no PKCS #12 store, or its password is another one") from error
    found = {_alias(each): _key(None, [each.certificate]) for each in store.additional_certs}
    if store.key is not None:
        chain = [] if store.cert is None else [store.cert.certificate]
        chain += _issuers(chain, [each.certificate for each in store.additional_certs])
        found["" if store.cert is None else _alias(store.cert)] = _key(store.key, chain)
    return found


def _alias(certificate: PKCS12Certificate) -> str:
    return (certificate.friendly_name or b"").decode("utf-8", "replace").lower()


def _issuers(chain: list[x509.Certificate], others: list[x509.Certificate]) -> list[x509.Certificate]:
    """Return the issuers of the last of `chain` that are among `others`, in order."""
    issuers: list[x509.Certificate] = []
    left = [*others]
    last = chain[-1] if chain else None
    while last is not None and last.issuer != last.subject:
        issuer = next((each for each in left if each.subject == last.issuer), None)
        if issuer is None:
            break
        left.remove(issuer)
        issuers.append(issuer)
        last = issuer
    return issuers


def _key(key: PrivateKeyTypes | None, certificates: list[x509.Certificate]) -> CryptoKey:
    pem = b"" if key is None else key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
    return CryptoKey(key, pem, tuple(certificates), chain)
