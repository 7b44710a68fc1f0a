"""The stored bytes are the secret."""

from typing import ClassVar

from deputize.secrets.secret import FormatError, GenericSecret


class PlainFormat:
    """One line break at the end is not part of the secret: editors and `echo` add it, nobody sees it."""

    name: ClassVar[str] = "PLAIN"

    def decode(self, stored: bytes) -> GenericSecret:
        """The bytes without a closing line break. Raises `FormatError` when nothing is left."""
        value = stored.removesuffix(b"\n").removesuffix(b"\r")
        if not value:
            raise FormatError("is empty")
        return GenericSecret(value)
