"""The format of bytes that are the secret itself."""

from typing import ClassVar

from deputize.secrets.secret import FormatError, GenericSecret


class PlainFormat:
    """Drops one line break at the end: editors and `echo` add it, nobody sees it."""

    name: ClassVar[str] = "PLAIN"

    def decode(self, stored: bytes) -> GenericSecret:
        """Return the bytes without a closing line break. Raises `FormatError` when nothing is left."""
        value = stored.removesuffix(b"\n").removesuffix(b"\r")
        if not value:
            raise FormatError("is empty")
        return GenericSecret(value)
