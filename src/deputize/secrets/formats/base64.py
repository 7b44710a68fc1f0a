"""The format of secrets stored as Base64 text."""

import base64
import binascii
from typing import ClassVar

from deputize.secrets.secret import FormatError, GenericSecret


class Base64Format:
    """Ignores blanks and line breaks around the text; refuses anything else outside the alphabet."""

    name: ClassVar[str] = "BASE64"

    def decode(self, stored: bytes) -> GenericSecret:
        """Decode the text. Raises `FormatError`."""
        try:
            value = base64.b64decode(stored.strip(), validate=True)
        except (binascii.Error, ValueError) as error:
            raise FormatError("is not Base64: encode the value, or set the format to PLAIN") from error
        if not value:
            raise FormatError("is empty")
        return GenericSecret(value)
