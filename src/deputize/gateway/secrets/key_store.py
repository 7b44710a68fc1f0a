"""`KeyStoreSecretStore`: keys and certificates in a PKCS #12 file (gateway-config reference 6.2)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from deputize.gateway.config.settings import Duration, OneOrMore, Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.kernel.errors import ConfigurationError
from deputize.secrets.formats.pkcs12 import JavaStore, read_pkcs12
from deputize.secrets.secret import CryptoKey, FormatError, SecretError, SecretStore, generic_secret

_LIMIT: Final = 1024 * 1024
_PKCS12: Final = frozenset({"PKCS12", "P12"})


class AliasMapping(Settings):
    """The aliases under which the store has one secret."""

    secret_id: str
    """The secret meant."""
    aliases: OneOrMore[str]
    """The aliases; the first that the store has is used."""


class KeyStoreSecretStore:
    """Keys and certificates in a file in PKCS #12, which is read when it is loaded, and when it has changed.

    It may hold one private key with its chain, and any number of certificates. Stores in formats of Java
    (JKS, JCEKS) are not read; the error shows the command that makes a PKCS #12 file of one.
    """

    class Config(Settings):
        """The file, its password, and which secret is which entry."""

        file: str
        """The file, of 1 MiB at most; a relative path is taken from the instance folder."""
        store_type: str = "PKCS12"
        """`PKCS12`."""
        store_password_secret_id: str
        """Id of the secret that is the file's password."""
        entry_password_secret_id: str | None = None
        """Accepted, without effect: entries of a PKCS #12 file have the file's password."""
        secrets_provider: Reference
        """The store that has the password."""
        mappings: OneOrMore[AliasMapping]
        """Secret ids to aliases."""
        lease_expiry: Duration = 300.0
        """Accepted, without effect."""
        auto_refresh: dict[str, Any] | None = None
        """Accepted, without effect: a changed file is always read again."""

    def __init__(self, config: Config, path: Path, passwords: SecretStore) -> None:
        self._aliases = {
            each.secret_id: [alias.lower() for alias in each.aliases] for each in config.mappings
        }
        self._path = path
        self._password_id = config.store_password_secret_id
        self._passwords = passwords
        self._version: tuple[int, int, int] | None = None
        self._entries: Mapping[str, CryptoKey] = {}

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Read the file, and look for all aliases."""
        path = context.instance.directory / config.file
        if config.store_type.upper() not in _PKCS12:
            raise _java_store(config.store_type, path, "storeType", context)
        passwords = context.refer(config.secrets_provider, SecretStore, "secretsProvider")
        store = cls(config, path, passwords)
        try:
            for mapping in config.mappings:
                store.find(mapping.secret_id)
        except SecretError as error:
            if isinstance(error.__cause__, JavaStore):
                raise _java_store("JKS", path, "file", context) from error
            raise context.error("file", str(error)) from error
        return store

    def find(self, secret_id: str) -> CryptoKey | None:
        """Return the entry mapped to the id; reads the file where it has changed. Raises `SecretError`."""
        aliases = self._aliases.get(secret_id)
        if aliases is None:
            return None
        self._read(secret_id)
        for alias in aliases:
            if alias in self._entries:
                return self._entries[alias]
        held = ", ".join(map(repr, sorted(self._entries))) or "nothing"
        raise self._error(secret_id, f"has no entry {' or '.join(map(repr, aliases))}; it has {held}")

    def place(self, secret_id: str) -> str:
        """The file, and the aliases that are looked for in it."""
        return f"file {self._path}, alias {' or '.join(self._aliases.get(secret_id, ['(not mapped)']))}"

    def _read(self, secret_id: str) -> None:
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            if version == self._version:
                return
            with self._path.open("rb") as file:
                stored = file.read(_LIMIT + 1)
        except OSError as error:
            raise self._error(secret_id, f"cannot be read: {error.strerror}") from error
        if len(stored) > _LIMIT:
            raise self._error(secret_id, f"is larger than {_LIMIT} bytes")
        try:
            entries = read_pkcs12(stored, generic_secret(self._passwords, self._password_id).value)
        except FormatError as error:
            raise self._error(secret_id, str(error)) from error
        self._entries, self._version = entries, version

    def _error(self, secret_id: str, reason: str) -> SecretError:
        return SecretError(type(self).__name__, secret_id, f"file {self._path}", reason)


def _java_store(kind: str, path: Path, key: str, context: BuildContext) -> ConfigurationError:
    made = path.with_suffix(".p12")
    command = f"keytool -importkeystore -srckeystore {path} -destkeystore {made} -deststoretype PKCS12"
    return context.error(
        key, f"a key store of type {kind} is not supported", f"make a PKCS #12 file: {command}"
    )
