"""`none`: a public client says who it is, and proves nothing (RFC 6749 section 2.1, OAuth 2.1 section 2.4).

What it is given is bound to it by PKCE and by where its users are sent back to, not by a secret.
"""

from collections.abc import Mapping
from typing import Final

from deputize.oauth.client_auth.authentication import (
    PUBLIC,
    ClientAuthMethod,
    ClientAuthPorts,
    Credentials,
    registered_agent,
)
from deputize.oauth.records.directory import Agent, Environment

_PROOFS: Final = ("client_secret", "client_assertion", "client_assertion_type")


def find_credentials(authorization: str | None, parameters: Mapping[str, str]) -> Credentials | None:
    """The client's id in the form; `None` beside anything that is to prove it."""
    client_id = parameters.get("client_id")
    if not client_id or authorization is not None or any(name in parameters for name in _PROOFS):
        return None
    return Credentials(client_id, "", PUBLIC)


async def authenticate(
    environment: Environment, credentials: Credentials, _ports: ClientAuthPorts, _now: float
) -> Agent:
    """The agent with that id, if it is registered as a public one. Raises `InvalidClient`."""
    return registered_agent(environment, credentials.client_id, PUBLIC)


METHOD: Final = ClientAuthMethod(PUBLIC, find_credentials, authenticate)
