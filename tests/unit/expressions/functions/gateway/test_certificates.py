"""Certificates: their thumbprints, and what is none."""

import base64
import hashlib

import pytest

from deputize.expressions.gateway import compile_template

DER = bytes([0x30, 0x82, 0x01, 0x00]) + bytes(256)
SHORT = bytes([0x30, 0x03, 1, 2, 3])


def pem(octets, broken=64):
    text = base64.b64encode(octets).decode()
    lines = "\n".join(text[at : at + broken] for at in range(0, len(text), broken))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


def thumbprint(octets):
    return base64.urlsafe_b64encode(hashlib.sha256(octets).digest()).rstrip(b"=").decode()


def evaluate(source, **bindings):
    return compile_template(source).evaluate(bindings)


@pytest.mark.parametrize("octets", [DER, SHORT])
def test_a_certificate_is_its_thumbprint(octets):
    for text in (pem(octets), pem(octets).replace("\n", " "), f"before {pem(octets)}{pem(b'0')}"):
        assert evaluate("${pemCertificate(t)}", t=text) == {"x5t#S256": thumbprint(octets)}
    assert evaluate("${derCertificate(t)['x5t#S256']}", t=list(octets)) == thumbprint(octets)


@pytest.mark.parametrize(
    "text",
    [None, "", "x", pem(b""), pem(b"123"), pem(DER[:-1]), pem(DER + b"x"), pem(DER).replace("A", "*")],
)
def test_what_is_no_certificate_is_null(text):
    assert evaluate("${pemCertificate(t)}", t=text) is None


@pytest.mark.parametrize("octets", [None, [], [0x30], [0x30, 0xFF, 0, 0], [0x31, 1, 0]])
def test_bytes_that_are_no_certificate_are_null(octets):
    assert evaluate("${derCertificate(t)}", t=octets) is None
