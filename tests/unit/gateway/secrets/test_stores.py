import pytest

from deputize.gateway.secrets.base64_encoded import Base64EncodedSecretStore
from deputize.gateway.secrets.file_system import FileSystemSecretStore
from deputize.gateway.secrets.provider import SecretsProvider
from deputize.gateway.secrets.system_and_env import SystemAndEnvSecretStore
from deputize.secrets.formats.base64 import Base64Format
from deputize.secrets.formats.pem import PemFormat
from deputize.secrets.formats.plain import PlainFormat
from deputize.secrets.secret import SecretError, crypto_key, generic_secret
from support.certificates import self_signed

ENVIRONMENT = {"RESOURCE_SECRET_ID": "czNjcmV0", "PLAIN_ONE": "czNjcmV0", "BROKEN": "not base64!"}


def environment_store():
    return SystemAndEnvSecretStore(ENVIRONMENT, Base64Format(), {"plain.one": PlainFormat()})


def file_store(directory, **formats):
    return FileSystemSecretStore(directory, ".txt", PlainFormat(), formats)


def test_an_id_is_a_variable_in_upper_case():
    assert generic_secret(environment_store(), "resource.secret.id").text() == "s3cret"


def test_the_format_of_a_mapping_goes_first():
    assert generic_secret(environment_store(), "plain.one").value == b"czNjcmV0"


def test_an_unreadable_variable_is_named_but_not_quoted():
    with pytest.raises(
        SecretError,
        match="secret 'broken' of SystemAndEnvSecretStore: environment variable BROKEN is not Base64",
    ) as caught:
        environment_store().find("broken")
    assert "not base64!" not in str(caught.value)


def test_a_missing_secret_says_where_it_was_looked_for():
    with pytest.raises(SecretError, match="environment variable NO_SUCH does not exist"):
        generic_secret(environment_store(), "no.such")


def test_one_file_a_secret(tmp_path):
    (tmp_path / "a.b.txt").write_bytes(b"s3cret\n")
    assert generic_secret(file_store(tmp_path), "a.b").value == b"s3cret"


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    store = file_store(tmp_path)
    assert store.find("a") is store.find("a")
    path.write_bytes(b"new!")
    assert generic_secret(store, "a").value == b"new!"
    (tmp_path / "b").write_bytes(b"3rd!")
    (tmp_path / "b").replace(path)
    assert generic_secret(store, "a").value == b"3rd!"
    path.unlink()
    assert store.find("a") is None


@pytest.mark.parametrize("secret_id", ["../a", "a/b", "..", ".hidden", "", "a\x00", "a\\b", "x" * 200, "ä"])
def test_no_id_leads_out_of_the_directory(tmp_path, secret_id):
    (tmp_path / "a.txt").write_bytes(b"outside")
    (tmp_path / "inner").mkdir()
    with pytest.raises(SecretError, match="letters, digits"):
        file_store(tmp_path / "inner").find(secret_id)


def test_links_are_followed(tmp_path):
    (tmp_path / "real").write_bytes(b"s3cret")
    (tmp_path / "a.txt").symlink_to(tmp_path / "real")
    assert generic_secret(file_store(tmp_path), "a").value == b"s3cret"


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(SecretError, match=r"folder\.txt cannot be read: Is a directory"):
        file_store(tmp_path).find("folder")
    (tmp_path / "large.txt").write_bytes(b"x" * (256 * 1024 + 1))
    with pytest.raises(SecretError, match="larger than"):
        file_store(tmp_path).find("large")


def test_keys_and_texts_are_not_mixed_up(tmp_path):
    key_pem, certificate_pem = self_signed("localhost")
    (tmp_path / "tls.txt").write_bytes(key_pem + certificate_pem)
    store = file_store(tmp_path, tls=PemFormat())
    assert crypto_key(store, "tls").private_key_pem == key_pem
    with pytest.raises(SecretError, match="holds a key"):
        generic_secret(store, "tls")
    with pytest.raises(SecretError, match="PemPropertyFormat"):
        crypto_key(file_store(tmp_path), "tls")


def test_written_secrets():
    store = Base64EncodedSecretStore({"a": "czNjcmV0", "b": "?"})
    assert generic_secret(store, "a").value == b"s3cret"
    with pytest.raises(SecretError, match="'b' in secrets is not Base64"):
        store.find("b")


def test_a_provider_asks_in_order(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"from file")
    provider = SecretsProvider((Base64EncodedSecretStore({"a": "Zmlyc3Q="}), file_store(tmp_path)))
    assert generic_secret(provider, "a").value == b"first"
    assert provider.find("b") is None
    assert provider.place("b") == f"'b' in secrets, file {tmp_path / 'b.txt'}"


def test_no_store_shows_a_secret(tmp_path):
    assert "czNjcmV0" not in repr(environment_store())
    assert "czNjcmV0" not in repr(Base64EncodedSecretStore({"a": "czNjcmV0"}))
