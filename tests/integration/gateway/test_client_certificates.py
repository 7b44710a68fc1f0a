"""Tokens bound to the certificate that a client shows in TLS: connector, resolver and filter together."""

import json
import ssl
from hashlib import sha256

import pytest

from support.certificates import self_signed
from support.gateway import write_json
from support.proofs import text_of
from support.wire import ask


@pytest.fixture
def client_pair():
    return self_signed("client.example.com")


@pytest.fixture
def guarded(instance, certificate, client_pair):
    """An instance whose connector asks for client certificates; its route tells a bound token's fate."""
    store = {
        "type": "FileSystemSecretStore",
        "config": {
            "directory": str(instance / "secrets"),
            "format": "PLAIN",
            "suffix": ".pem",
            "mappings": [
                {"secretId": name, "format": {"type": "PemPropertyFormat"}} for name in ("own", "clients")
            ],
        },
    }
    secrets = instance / "secrets"
    secrets.mkdir()
    (secrets / "own.pem").write_bytes(b"".join(certificate))
    (secrets / "clients.pem").write_bytes(client_pair[1])
    tls = {
        "name": "tls",
        "type": "ServerTlsOptions",
        "config": {
            "keyManager": {
                "type": "SecretsKeyManager",
                "config": {"signingSecretId": "own", "secretsProvider": store},
            },
            "trustManager": {
                "type": "SecretsTrustManager",
                "config": {"verificationSecretId": "clients", "secretsProvider": store},
            },
            "clientAuth": "REQUEST",
        },
    }
    connectors = [{"host": "127.0.0.1", "port": 0, "tls": "tls"}]
    admin = {"host": "127.0.0.1", "port": 0}
    write_json(
        instance / "config" / "admin.json",
        {"adminConnector": admin, "connectors": connectors, "streamingEnabled": True, "heap": [tls]},
    )
    return instance


def context_for(trusted, directory, own=None):
    context = ssl.create_default_context(cadata=trusted.decode())
    if own is not None:
        (directory / "own-client.pem").write_bytes(b"".join(own))
        context.load_cert_chain(directory / "own-client.pem")
    return context


async def test_a_connection_tells_the_certificate_that_its_client_has_proved(
    guarded, started, certificate, client_pair, tmp_path
):
    der = ssl.PEM_cert_to_DER_cert(client_pair[1].decode())
    bound_to = text_of(sha256(der).digest())
    info = {"active": True, "scope": "test", "cnf": {"x5t#S256": bound_to}}
    introspection = {
        "type": "StaticResponseHandler",
        "config": {
            "status": 200,
            "headers": {"Content-Type": ["application/json"]},
            "entity": json.dumps(info),
        },
    }
    resolver = {
        "type": "TokenIntrospectionAccessTokenResolver",
        "config": {"endpoint": "http://authority.example/introspect", "providerHandler": introspection},
    }
    guard = {
        "type": "OAuth2ResourceServerFilter",
        "config": {
            "scopes": ["test"],
            "accessTokenResolver": {
                "type": "CacheAccessTokenResolver",
                "config": {
                    "delegate": {
                        "type": "ConfirmationKeyVerifierAccessTokenResolver",
                        "config": {"delegate": resolver},
                    }
                },
            },
        },
    }
    ok = {"type": "StaticResponseHandler", "config": {"status": 200, "entity": "passed"}}
    write_json(
        guarded / "config" / "routes" / "api.json",
        {"handler": {"type": "Chain", "config": {"filters": [guard], "handler": ok}}},
    )
    gateway = await started(guarded)
    port = gateway.ports[0]
    headers = [("Authorization", "Bearer token")]
    strangers = self_signed("client.example.com")
    for _ in range(2):
        for own, status in ((client_pair, 200), (None, 401)):
            tls = context_for(certificate[1], tmp_path, own)
            answer = await ask(port, headers=headers, host="ig.example.com", tls=tls)
            assert answer.status == status
    tls = context_for(certificate[1], tmp_path, strangers)
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        await ask(port, headers=headers, host="ig.example.com", tls=tls)
