"""Certificates, as their thumbprints."""

import base64
import binascii
import hashlib
import re
from typing import Final

from deputize.expressions.functions.function import Function, as_text, of_one
from deputize.expressions.functions.gateway.codecs import read_octets
from deputize.expressions.values import Value, is_absent

CERTIFICATE_THUMBPRINT: Final = "x5t#S256"
"""The member of a certificate: its SHA-256 as tokens have it in `cnf` (RFC 8705 section 3.1)."""
_PEM: Final = re.compile(
    r"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([A-Za-z0-9+/=\s]{1,65536})-----END "
)


def pem_certificate(value: Value) -> Value:
    """The first certificate in a text of PEM; null when there is none.

    Line breaks may be blanks, as in header fields.
    """
    found = None if is_absent(value) else _PEM.search(as_text(value))
    if found is None:
        return None
    try:
        return _certificate(base64.b64decode("".join(found[1].split()), validate=True))
    except binascii.Error:
        return None


def der_certificate(value: Value) -> Value:
    """The certificate in a list of bytes; null when they are none."""
    return None if is_absent(value) else _certificate(read_octets(value))


def _certificate(octets: bytes) -> Value:
    """The certificate with this DER encoding: one sequence, as long as it says (X.690 section 8.1.3)."""
    if len(octets) < 4 or octets[0] != 0x30:
        return None
    many = octets[1] & 0x7F if octets[1] & 0x80 else 0
    length = int.from_bytes(octets[2 : 2 + many]) if many else octets[1]
    if 2 + many + length != len(octets):
        return None
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(octets).digest()).rstrip(b"=").decode("ascii")
    return {CERTIFICATE_THUMBPRINT: thumbprint}


FUNCTIONS: tuple[Function, ...] = (
    of_one("pemCertificate", pem_certificate),
    of_one("derCertificate", der_certificate),
)
