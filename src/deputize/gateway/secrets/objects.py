"""Secret stores, providers and formats as heap objects (gateway-config reference, sections 6.2 and 6.3)."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

from deputize.gateway.config.settings import Duration, Reference, Settings
from deputize.gateway.loading.context import BuildContext, HeapType
from deputize.secrets import secret
from deputize.secrets.formats.base64 import Base64Format
from deputize.secrets.formats.pem import PemFormat
from deputize.secrets.formats.plain import PlainFormat
from deputize.secrets.secret import SecretError, SecretFormat, SecretStore, generic_secret
from deputize.secrets.stores import base64_encoded, file_system, system_and_env

_NAMED_FORMATS: Final[dict[str, SecretFormat]] = {"BASE64": Base64Format(), "PLAIN": PlainFormat()}


class Mapping(Settings):
    """The format of one secret, which goes before the store's."""

    secret_id: str
    """The secret meant."""
    format: Reference
    """How this one is written."""


class SystemAndEnvSecretStore:
    """Secrets in environment variables."""

    class Config(Settings):
        """`leaseExpiry` has no effect: a process's environment does not change."""

        format: Reference = "BASE64"
        """How the values are written: `BASE64`, `PLAIN`, or a format object."""
        mappings: tuple[Mapping, ...] = ()
        """Secrets that are written in another format."""
        lease_expiry: Duration = 300.0
        """Accepted, without effect."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> SecretStore:
        """A store over the environment the gateway was started with."""
        formats = _mapped_formats(config.mappings, context)
        return system_and_env.SystemAndEnvSecretStore(
            context.instance.environment, _format(config.format, context, "format"), formats
        )


class FileSystemSecretStore:
    """Secrets in files of one directory."""

    class Config(Settings):
        """`leaseExpiry` and `autoRefresh` have no effect: a changed file is always read again."""

        directory: str
        """The folder; a relative one is taken from the instance folder. It must exist."""
        format: Reference = "BASE64"
        """How the files are written: `BASE64`, `PLAIN`, or a format object."""
        suffix: str = ""
        """What follows the secret's id in the file's name, such as `.pem`."""
        mappings: tuple[Mapping, ...] = ()
        """Secrets that are written in another format."""
        lease_expiry: Duration = 300.0
        """Accepted, without effect."""
        auto_refresh: dict[str, Any] | None = None
        """Accepted, without effect."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> SecretStore:
        """A store over a directory, which has to exist.

        A relative one is taken from the instance directory.
        """
        directory = context.instance.directory / Path(config.directory)
        if not directory.is_dir():
            raise context.error(
                "directory",
                f"{directory} is not a directory",
                "create it, or name the directory that holds the secrets",
            )
        if "/" in config.suffix:
            raise context.error("suffix", "a suffix is the end of a file's name and holds no '/'")
        formats = _mapped_formats(config.mappings, context)
        return file_system.FileSystemSecretStore(
            directory, config.suffix, _format(config.format, context, "format"), formats
        )


class Base64EncodedSecretStore:
    """Secrets in the configuration itself."""

    class Config(Settings):
        """Secret id to Base64 text."""

        secrets: dict[str, str]
        """Secret id to the secret in Base64."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> SecretStore:
        """A store of what is written here; every secret is read once, so that a bad one is found now."""
        context.warn(
            "secrets", "these secrets are readable by everyone who reads this file", "use it for tests only"
        )
        store = base64_encoded.Base64EncodedSecretStore(config.secrets)
        for secret_id in config.secrets:
            _check(store, secret_id, context)
        return store


class SecretsProvider:
    """Several stores, asked in order."""

    class Config(Settings):
        """At least one store."""

        stores: tuple[Reference, ...]
        """The stores, in the order they are asked; the first that has the secret wins."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> SecretStore:
        """A store that asks the others."""
        return secret.SecretsProvider(
            tuple(
                context.refer(each, SecretStore, f"stores/{index}")
                for index, each in enumerate(config.stores)
            )
        )


class PemPropertyFormat:
    """PEM keys and certificates."""

    class Config(Settings):
        """Both, or none: they give the password of an encrypted private key."""

        decryption_secret_id: str | None = None
        """Id of the secret that is the private key's password."""
        secrets_provider: Reference | None = None
        """The store that has it."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> SecretFormat:
        """The format; the password is asked for when an encrypted key is met."""
        if (config.decryption_secret_id is None) != (config.secrets_provider is None):
            raise context.error(
                "", "decryptionSecretId and secretsProvider belong together", "give both or none"
            )
        if config.decryption_secret_id is None or config.secrets_provider is None:
            return PemFormat()
        store = context.refer(config.secrets_provider, SecretStore, "secretsProvider")
        return PemFormat(partial(_password, store, config.decryption_secret_id))


def _format(reference: Reference, context: BuildContext, key: str) -> SecretFormat:
    named = _NAMED_FORMATS.get(reference) if isinstance(reference, str) else None
    return named or context.refer(reference, SecretFormat, key)


def _mapped_formats(mappings: Iterable[Mapping], context: BuildContext) -> dict[str, SecretFormat]:
    return {
        each.secret_id: _format(each.format, context, f"mappings/{index}/format")
        for index, each in enumerate(mappings)
    }


def _check(store: SecretStore, secret_id: str, context: BuildContext) -> None:
    try:
        store.find(secret_id)
    except SecretError as error:
        raise context.error(f"secrets/{secret_id}", f"the value {error.reason}") from error


def _password(store: SecretStore, secret_id: str) -> bytes:
    return generic_secret(store, secret_id).value


SECRET_OBJECTS: tuple[HeapType, ...] = (
    SystemAndEnvSecretStore,
    FileSystemSecretStore,
    Base64EncodedSecretStore,
    SecretsProvider,
    PemPropertyFormat,
)
