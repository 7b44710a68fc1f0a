import ssl
from types import SimpleNamespace

import pytest

from deputize.gateway.secrets import SECRET_OBJECTS
from deputize.gateway.tls import TLS_OBJECTS
from deputize.gateway.tls.client_options import ClientTls
from deputize.gateway.tls.server_options import ServerTls
from deputize.http import tls
from deputize.kernel.errors import ConfigurationError
from support.certificates import self_signed
from support.gateway import built, heap_of, instance_for, registry_for

TYPES = {kind.__name__: kind for kind in (*SECRET_OBJECTS, *TLS_OBJECTS)}


@pytest.fixture(scope="module")
def pem_pair():
    return self_signed("localhost")


@pytest.fixture
def heap(tmp_path, pem_pair):
    private, certificate = pem_pair
    for name, text in (("both", private + certificate), ("key", private), ("certificate", certificate)):
        (tmp_path / f"{name}.pem").write_bytes(text)
    mappings = [
        {"secretId": name, "format": {"type": "PemPropertyFormat"}} for name in ("both", "key", "certificate")
    ]
    store = {"name": "store", "type": "FileSystemSecretStore"}
    store["config"] = {"directory": str(tmp_path), "format": "PLAIN", "suffix": ".pem", "mappings": mappings}
    return heap_of(store, registry=registry_for(instance_for(tmp_path), TYPES))


def keys(secret="both"):
    return {"type": "SecretsKeyManager", "config": {"signingSecretId": secret, "secretsProvider": "store"}}


def server(heap, **config):
    return built(
        ServerTls, {"type": "ServerTlsOptions", "config": {"keyManager": keys(), **config}}, heap
    ).context


def client(heap, **config):
    return built(ClientTls, {"type": "ClientTlsOptions", "config": config}, heap).context


def test_of_tls_1_2_only_authenticated_encryption_with_forward_secrecy_is_spoken(heap):
    for context in (server(heap), tls.client_context()):
        spoken = [each["name"] for each in context.get_ciphers() if each["protocol"] == "TLSv1.2"]
        assert spoken
        assert all("GCM" in name or "CHACHA20" in name for name in spoken)
        assert all(name.startswith(("ECDHE-", "DHE-")) for name in spoken)


def test_a_server_speaks_tls_1_2_and_later(heap):
    assert server(heap).minimum_version is ssl.TLSVersion.TLSv1_2
    assert server(heap, sslEnabledProtocols="TLSv1.3").minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(
    ("secret", "reason"),
    [("key", "holds no certificate"), ("certificate", "holds no private key"), ("lost", "does not exist")],
)
def test_a_server_needs_key_and_certificate(heap, secret, reason):
    with pytest.raises(ConfigurationError, match=reason) as raised:
        server(heap, keyManager=keys(secret))
    assert raised.value.position.pointer == "/handler/config/keyManager/config/signingSecretId"


@pytest.mark.parametrize(
    "config", [{"keyManager": {"type": "TrustAllManager"}}, {"sslEnabledProtocols": ["SSLv3"]}]
)
def test_other_configuration_is_refused(heap, config):
    with pytest.raises(ConfigurationError):
        server(heap, **config)


def test_a_client_verifies_by_default(heap):
    context = client(heap)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_client_may_believe_a_secret_store_and_show_a_certificate(heap):
    trust = {
        "type": "SecretsTrustManager",
        "config": {"verificationSecretId": "certificate", "secretsProvider": "store"},
    }
    context = client(heap, trustManager=trust, keyManager=keys())
    assert [each["subject"][0][0][1] for each in context.get_ca_certs()] == ["localhost"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"trustManager": {"type": "TrustAllManager"}}, SimpleNamespace(verify=ssl.CERT_NONE, host=False)),
        ({"hostnameVerifier": "ALLOW_ALL"}, SimpleNamespace(verify=ssl.CERT_REQUIRED, host=False)),
    ],
)
def test_not_verifying_is_possible_and_warned_about(heap, config, expected):
    context = client(heap, **config)
    assert (context.verify_mode, context.check_hostname) == (expected.verify, expected.host)
    assert len(heap.deployment.warnings) == 1


def trusting(secret="certificate"):
    config = {"verificationSecretId": secret, "secretsProvider": "store"}
    return {"type": "SecretsTrustManager", "config": config}


@pytest.mark.parametrize(
    ("asked", "mode"),
    [("NONE", ssl.CERT_NONE), ("REQUEST", ssl.CERT_OPTIONAL), ("REQUIRED", ssl.CERT_REQUIRED)],
)
def test_clients_are_asked_for_certificates_of_named_authorities(heap, asked, mode):
    context = server(heap, clientAuth=asked, trustManager=trusting())
    assert context.verify_mode is mode
    assert len(context.get_ca_certs()) == (asked != "NONE")
    assert server(heap).verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize("trust", [{}, {"trustManager": {"type": "TrustAllManager"}}])
def test_certificates_of_nobody_in_particular_are_not_asked_for(heap, trust):
    with pytest.raises(ConfigurationError, match="whose certificates") as raised:
        server(heap, clientAuth="REQUEST", **trust)
    assert raised.value.position.pointer == "/handler/config/trustManager"
