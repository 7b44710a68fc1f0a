import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.secrets.formats import FORMATS
from deputize.secrets.formats.base64 import Base64Format
from deputize.secrets.formats.pem import PemFormat
from deputize.secrets.formats.plain import PlainFormat
from deputize.secrets.secret import CryptoKey, FormatError, GenericSecret


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        (b"s3cret", b"s3cret"),
        (b"s3cret\n", b"s3cret"),
        (b"s3cret\r\n", b"s3cret"),
        (b"s3cret\n\n", b"s3cret\n"),
        (b" s ", b" s "),
    ],
)
def test_plain(stored, value):
    assert PlainFormat().decode(stored).value == value


@pytest.mark.parametrize("stored", [b"", b"\n"])
def test_an_empty_plain_secret_is_refused(stored):
    with pytest.raises(FormatError, match="empty"):
        PlainFormat().decode(stored)


@given(st.binary(min_size=1))
def test_base64_leads_back(value):
    assert Base64Format().decode(b" " + base64.b64encode(value) + b"\n").value == value


@pytest.mark.parametrize("stored", [b"", b"not base64!", b"abc", b"YQ==\nYQ==", "ä".encode()])
def test_bad_base64_is_refused_without_quoting_it(stored):
    with pytest.raises(FormatError) as caught:
        Base64Format().decode(stored)
    assert "not base64!" not in str(caught.value)


def test_a_key_with_its_chain(key_pem, certificate_pem, foreign_certificate_pem):
    key = PemFormat().decode(b"# comment\n" + certificate_pem + foreign_certificate_pem + key_pem)
    assert isinstance(key, CryptoKey)
    assert (key.private_key_pem, len(key.certificates), key.certificates_pem) == (
        key_pem,
        2,
        certificate_pem + foreign_certificate_pem,
    )


def test_a_key_or_a_certificate_alone(key_pem, certificate_pem):
    assert PemFormat().decode(key_pem).certificates == ()
    assert PemFormat().decode(certificate_pem).private_key is None


def test_an_encrypted_key_needs_its_password(encrypted_key_pem, key_pem, certificate_pem):
    assert (
        PemFormat(lambda: b"correct horse").decode(encrypted_key_pem + certificate_pem).private_key_pem
        == key_pem
    )
    assert PemFormat(lambda: b"unused").decode(key_pem).private_key_pem == key_pem
    with pytest.raises(FormatError, match="decryptionSecretId"):
        PemFormat().decode(encrypted_key_pem)
    with pytest.raises(FormatError, match="password") as caught:
        PemFormat(lambda: b"wrong").decode(encrypted_key_pem)
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (b"", "neither"),
        (b"hello", "neither"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
    ],
)
def test_bad_pem(stored, reason):
    with pytest.raises(FormatError, match=reason):
        PemFormat().decode(stored)


def test_a_foreign_certificate_first_is_refused(key_pem, foreign_certificate_pem):
    with pytest.raises(FormatError, match="do not belong together"):
        PemFormat().decode(key_pem + foreign_certificate_pem)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(stored):
    for each in (*FORMATS.own, PemFormat()):
        try:
            secret = each.decode(stored)
        except FormatError:
            continue
        assert isinstance(secret, GenericSecret)


def test_a_secret_never_shows_itself(key_pem, certificate_pem):
    assert "s3cret" not in repr(GenericSecret(b"s3cret"))
    assert "PRIVATE" not in repr(PemFormat().decode(key_pem + certificate_pem))
