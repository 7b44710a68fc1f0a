"""`client_secret_basic`: id and secret, each form encoded, in an HTTP Basic header."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from deputize.oauth.client_auth.authentication import ClientAuthMethod, Credentials
from deputize.oauth.errors import InvalidClient

MAX_HEADER: Final = 2048
"""Characters."""


def find_credentials(authorization: str | None, _parameters: Mapping[str, str]) -> Credentials | None:
    """The credentials in a Basic header; `None` without one. Raises `InvalidClient` for a malformed one."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    if len(encoded) > MAX_HEADER:
        raise InvalidClient("the Basic credentials are too long")
    return _decode(encoded)


@lru_cache(maxsize=256)
def _decode(encoded: str) -> Credentials:
    """The credentials that are encoded so, which one client sends again and again. Raises `InvalidClient`."""
    try:
        encoded_pair = b64decode(encoded.strip(), validate=True).decode("ascii")
        client_id, colon, secret = encoded_pair.partition(":")
        if not colon:
            raise InvalidClient("the Basic credentials have no colon")
        if (
            "%" in encoded_pair or "+" in encoded_pair
        ):  # in ids and secrets of our own there is nothing to decode
            client_id, secret = (unquote_plus(each, errors="strict") for each in (client_id, secret))
        return Credentials(client_id, secret, METHOD.name)
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidClient("the Basic credentials are malformed") from error


METHOD: Final = ClientAuthMethod("client_secret_basic", find_credentials)
