"""`client_secret_post`: id and secret as form parameters."""

from collections.abc import Mapping
from typing import Final

from deputize.oauth.client_auth.authentication import ClientAuthMethod, Credentials


def find_credentials(_authorization: str | None, parameters: Mapping[str, str]) -> Credentials | None:
    """The credentials in the form; `None` when it carries no secret."""
    client_id, secret = parameters.get("client_id"), parameters.get("client_secret")
    return Credentials(client_id, secret, METHOD.name) if client_id and secret else None


METHOD: Final = ClientAuthMethod("client_secret_post", find_credentials)
