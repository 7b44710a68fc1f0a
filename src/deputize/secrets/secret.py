"""Secrets, the protocols of stores and formats, and their errors."""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from deputize.kernel.errors import DeputizeError


@dataclass(frozen=True, slots=True)
class GenericSecret:
    """Bytes such as a password or a client secret."""

    value: bytes = field(repr=False)

    def text(self) -> str:
        """Return the secret as UTF-8 text. Raises `UnicodeDecodeError`."""
        return self.value.decode("utf-8")


@dataclass(frozen=True, slots=True)
class CryptoKey:
    """A private key, certificates, or both; the first certificate belongs to the key."""

    private_key: PrivateKeyTypes | None = field(repr=False)
    private_key_pem: bytes = field(repr=False)
    """PKCS #8 without encryption; empty when there is no key."""
    certificates: tuple[x509.Certificate, ...] = ()
    certificates_pem: bytes = field(default=b"", repr=False)
    """The chain, leaf first."""


Secret = GenericSecret | CryptoKey


class SecretError(DeputizeError):
    """A secret cannot be read. Names the store, the id, where the store looked and why; never the value."""

    def __init__(self, store: str, secret_id: str, location: str, reason: str) -> None:
        """Describe where: `location` is a variable or file name, `reason` a clause without a closing dot."""
        self.store = store
        self.secret_id = secret_id
        self.location = location
        self.reason = reason
        super().__init__(f"secret '{secret_id}' of {store}: {location} {reason}")


class FormatError(DeputizeError):
    """The stored bytes do not have the expected format; the reason never quotes them."""


@runtime_checkable
class SecretFormat(Protocol):
    """Reads stored bytes as a secret."""

    def decode(self, stored: bytes) -> Secret:
        """Read the secret in `stored`. Raises `FormatError`."""
        ...


class NamedFormat(SecretFormat, Protocol):
    """A format without settings of its own, which configuration refers to by `name`."""

    name: ClassVar[str]
    """The name in configuration, such as `PLAIN`."""


@runtime_checkable
class SecretStore(Protocol):
    """Finds secrets by id."""

    def find(self, secret_id: str) -> Secret | None:
        """Return the secret with that id; `None` when this store has none.

        Raises `SecretError` when it has one that it cannot read.
        """
        ...

    def place(self, secret_id: str) -> str:
        """Return where this store looks for `secret_id`, for error messages."""
        ...


def generic_secret(store: SecretStore, secret_id: str) -> GenericSecret:
    """Return the bytes stored under `secret_id`. Raises `SecretError`."""
    secret = _find(store, secret_id)
    if isinstance(secret, GenericSecret):
        return secret
    reason = "holds a key, not a password or other text"
    raise SecretError(type(store).__name__, secret_id, store.place(secret_id), reason)


def crypto_key(store: SecretStore, secret_id: str) -> CryptoKey:
    """Return the key or certificates stored under `secret_id`. Raises `SecretError`."""
    secret = _find(store, secret_id)
    if isinstance(secret, CryptoKey):
        return secret
    reason = "is not read as a key: give its mapping a PemPropertyFormat"
    raise SecretError(type(store).__name__, secret_id, store.place(secret_id), reason)


def _find(store: SecretStore, secret_id: str) -> Secret:
    secret = store.find(secret_id)
    if secret is None:
        raise SecretError(type(store).__name__, secret_id, store.place(secret_id), "does not exist")
    return secret
