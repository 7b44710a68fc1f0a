import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from deputize.gateway.handlers import HANDLERS
from deputize.gateway.secrets import SECRET_OBJECTS
from deputize.gateway.tls import TLS_OBJECTS
from deputize.gateway.tls.server_options import ServerTls
from deputize.http.plans import Handler
from deputize.kernel.errors import ConfigurationError
from deputize.secrets.secret import SecretError, SecretStore
from support.certificates import self_signed
from support.gateway import built, heap_of, instance_for, registry_for

TYPES = {kind.__name__: kind for kind in (*SECRET_OBJECTS, *TLS_OBJECTS, *HANDLERS)}


def store_of(key, certificate, others=(), password=b"hush"):
    return pkcs12.serialize_key_and_certificates(
        b"Own",
        load_pem_private_key(key, None),
        x509.load_pem_x509_certificate(certificate),
        [
            pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(each), name.encode())
            for name, each in others
        ],
        BestAvailableEncryption(password),
    )


@pytest.fixture(scope="module")
def own():
    return self_signed("localhost")


@pytest.fixture(scope="module")
def authority():
    return self_signed("authority")[1]


@pytest.fixture
def folder(tmp_path, own, authority):
    (tmp_path / "keys.p12").write_bytes(store_of(*own, [("Trusted", authority)]))
    return tmp_path


def members(**more):
    passwords = {
        "type": "Base64EncodedSecretStore",
        "config": {"secrets": {"pass": "aHVzaA==", "wrong": "eA=="}},
    }
    mappings = [
        {"secretId": "key", "aliases": ["absent", "OWN"]},
        {"secretId": "authorities", "aliases": "trusted"},
    ]
    config = {
        "file": "keys.p12",
        "storePasswordSecretId": "pass",
        "secretsProvider": passwords,
        "mappings": mappings,
        **more,
    }
    return {"name": "store", "type": "KeyStoreSecretStore", "config": config}


def heap(folder, **more):
    return heap_of(members(**more), registry=registry_for(instance_for(folder), TYPES))


def test_keys_and_certificates_are_found_by_their_aliases(folder, own, authority):
    store = built(SecretStore, "store", heap(folder))
    key = store.find("key")
    assert (key.private_key_pem, key.certificates_pem) == own
    trusted = store.find("authorities")
    assert (trusted.private_key, trusted.certificates_pem) == (None, authority)
    assert store.find("unmapped") is None
    assert store.place("key") == f"file {folder / 'keys.p12'}, alias absent or own"


def test_a_changed_file_is_read_again(folder, own):
    store = built(SecretStore, "store", heap(folder))
    other = self_signed("other")
    (folder / "keys.p12").write_bytes(store_of(*other))
    os.utime(folder / "keys.p12", ns=(1, 1))
    assert store.find("key").certificates_pem == other[1]
    with pytest.raises(SecretError, match="has no entry 'trusted'; it has 'own'"):
        store.find("authorities")


@pytest.mark.parametrize(
    ("more", "reason", "key"),
    [
        ({"storePasswordSecretId": "wrong"}, "its password is another one", "file"),
        ({"storePasswordSecretId": "absent"}, "secret 'absent'", "file"),
        ({"file": "absent.p12"}, "No such file", "file"),
        (
            {"mappings": {"secretId": "a", "aliases": "b"}},
            "has no entry 'b'; it has 'own', 'trusted'",
            "file",
        ),
        ({"storeType": "JKS"}, "keytool -importkeystore -srckeystore", "storeType"),
        ({"file": "java.jks"}, "keytool -importkeystore -srckeystore", "file"),
    ],
)
def test_what_cannot_be_read_is_refused_at_load(folder, more, reason, key):
    (folder / "java.jks").write_bytes(b"\xfe\xed\xfe\xed\x00\x00\x00\x02")
    with pytest.raises(ConfigurationError) as raised:
        built(SecretStore, "store", heap(folder, **more))
    assert reason in str(raised.value)
    assert raised.value.position.pointer == f"/heap/0/config/{key}"
    assert "hush" not in str(raised.value)


def test_listeners_and_clients_take_keys_of_a_store(folder):
    """Also where older files have managers: beside the other settings of the client."""
    kept = heap(folder)
    key = {"type": "SecretsKeyManager", "config": {"signingSecretId": "key", "secretsProvider": "store"}}
    trust = {
        "type": "SecretsTrustManager",
        "config": {"verificationSecretId": "authorities", "secretsProvider": "store"},
    }
    assert built(ServerTls, {"type": "ServerTlsOptions", "config": {"keyManager": key}}, kept).context
    for kind in ("ClientHandler", "ReverseProxyHandler"):
        handler = built(Handler, {"type": kind, "config": {"trustManager": trust, "keyManager": key}}, kept)
        assert handler is not None
    both = {"trustManager": trust, "tls": {"type": "ClientTlsOptions"}}
    with pytest.raises(ConfigurationError, match="tls says already") as raised:
        built(Handler, {"type": "ClientHandler", "config": both}, kept)
    assert raised.value.position.pointer == "/handler/config/trustManager"
