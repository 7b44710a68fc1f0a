import dataclasses
import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from deputize.gateway.secrets import formats
from deputize.kernel import families
from deputize.kernel.errors import ConfigurationError
from deputize.secrets.secret import GenericSecret, SecretFormat, SecretStore, generic_secret
from support.gateway import built, instance_for
from support.oauth_filters import oauth_heap

ENVIRONMENT = {"RESOURCE_SECRET_ID": "czNjcmV0", "PEM_PASSWORD": "aG9yc2U="}


def store_of(kind, config=None, directory=None, *objects):
    instance = (
        instance_for(directory, environment=ENVIRONMENT)
        if directory
        else instance_for(environment=ENVIRONMENT)
    )
    return built(SecretStore, {"type": kind, "config": config or {}}, oauth_heap(*objects, instance=instance))


def test_the_use_cases_store_reads_base64_from_the_environment():
    assert generic_secret(store_of("SystemAndEnvSecretStore"), "resource.secret.id").value == b"s3cret"


def test_formats_by_name_and_by_mapping():
    store = store_of(
        "SystemAndEnvSecretStore",
        {"format": "PLAIN", "mappings": [{"secretId": "pem.password", "format": "BASE64"}]},
    )
    assert generic_secret(store, "resource.secret.id").value == b"czNjcmV0"
    assert generic_secret(store, "pem.password").value == b"horse"


@pytest.mark.parametrize("absolute", [True, False])
def test_files_in_a_directory(tmp_path, absolute):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/a.txt").write_text("s3cret\n")
    directory = str(tmp_path / "secrets") if absolute else "secrets"
    store = store_of(
        "FileSystemSecretStore", {"format": "PLAIN", "directory": directory, "suffix": ".txt"}, tmp_path
    )
    assert generic_secret(store, "a").value == b"s3cret"


@pytest.mark.parametrize(
    ("config", "pointer", "reason"),
    [
        ({"directory": "nowhere"}, "directory", "is not a directory"),
        ({"directory": ".", "suffix": "/../x"}, "suffix", "no '/'"),
        ({"directory": ".", "format": "JSON"}, "format", "no heap object"),
        (
            {"directory": ".", "mappings": [{"secretId": "a", "format": "X"}]},
            "mappings/0/format",
            "no heap object",
        ),
        ({}, "directory", "required"),
    ],
)
def test_configuration_that_cannot_work(tmp_path, config, pointer, reason):
    with pytest.raises(ConfigurationError, match=f"/handler/config/{pointer}: .*{reason}"):
        store_of("FileSystemSecretStore", config, tmp_path)


def test_written_secrets_are_checked_and_warned_about():
    assert (
        generic_secret(store_of("Base64EncodedSecretStore", {"secrets": {"a": "czNjcmV0"}}), "a").value
        == b"s3cret"
    )
    with pytest.raises(ConfigurationError, match="secrets/a: the value is not Base64"):
        store_of("Base64EncodedSecretStore", {"secrets": {"a": "?"}})


def test_a_provider_of_several_stores():
    inline = {"type": "Base64EncodedSecretStore", "config": {"secrets": {"only.here": "aGVyZQ=="}}}
    store = store_of(
        "SecretsProvider",
        {"stores": ["env", inline]},
        None,
        {"name": "env", "type": "SystemAndEnvSecretStore"},
    )
    assert generic_secret(store, "only.here").value == b"here"
    assert generic_secret(store, "resource.secret.id").value == b"s3cret"


def test_pem_asks_another_store_for_the_password():
    heap = oauth_heap(
        {"name": "env", "type": "SystemAndEnvSecretStore"}, instance=instance_for(environment=ENVIRONMENT)
    )
    config = {"decryptionSecretId": "pem.password", "secretsProvider": "env"}
    assert built(SecretFormat, {"type": "PemPropertyFormat", "config": config}, heap).password() == b"horse"
    assert built(SecretFormat, {"type": "PemPropertyFormat"}, heap).password is None
    with pytest.raises(ConfigurationError, match="belong together"):
        built(SecretFormat, {"type": "PemPropertyFormat", "config": {"secretsProvider": "env"}}, heap)


class ReversedFormat:
    name = "REVERSED"

    def decode(self, stored):
        return GenericSecret(stored[::-1])


def test_a_format_of_another_package_is_named_like_our_own(monkeypatch):
    entry = EntryPoint("reversed", "strangers:REVERSED", "deputize.secret_formats")
    monkeypatch.setitem(sys.modules, "strangers", SimpleNamespace(REVERSED=ReversedFormat()))
    monkeypatch.setattr(families, "entry_points", lambda group: [entry] if group == entry.group else [])
    monkeypatch.setattr(formats, "FORMATS", dataclasses.replace(formats.FORMATS))
    store = store_of("SystemAndEnvSecretStore", {"format": "REVERSED"})
    assert generic_secret(store, "resource.secret.id").value == b"czNjcmV0"[::-1]
