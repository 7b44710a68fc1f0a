import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


def certificate_for(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ig.example.com")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
    )
    return (
        builder.not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=900))
        .sign(key, hashes.SHA256())
    )


@pytest.fixture(scope="session")
def private_key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def key_pem(private_key):
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(scope="session")
def encrypted_key_pem(private_key):
    return private_key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"correct horse")
    )


@pytest.fixture(scope="session")
def certificate_pem(private_key):
    return certificate_for(private_key).public_bytes(Encoding.PEM)


@pytest.fixture(scope="session")
def foreign_certificate_pem():
    return certificate_for(ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.PEM)
