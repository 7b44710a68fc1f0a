"""Client credentials as presented, how they are found, and how they are compared with registered ones.

A method finds an id and a secret in a request. A package adds one as a `ClientAuthMethod` behind an entry
point of the group `deputize.client_authentication`; from then on the metadata names it, environment files may
require it of an agent, and every endpoint takes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from deputize.kernel.digests import digest, matches
from deputize.kernel.ids import is_id
from deputize.oauth.errors import InvalidClient
from deputize.oauth.records.directory import Agent, Environment, Resource


@dataclass(slots=True)
class Credentials:
    """A client's (or resource's) id and secret, as presented."""

    client_id: str
    secret: str = field(repr=False)
    method: str


@dataclass(frozen=True, slots=True)
class ClientAuthMethod:
    """A way to present credentials."""

    name: str
    """As registered for `token_endpoint_auth_methods_supported` (RFC 8414 section 2)."""
    find_credentials: Callable[[str | None, Mapping[str, str]], Credentials | None]
    """(Authorization header, form parameters) to the credentials, `None` where there are none of this kind.

    Raises `InvalidClient` for malformed ones.
    """


Caller: TypeAlias = Agent | Resource

# Unknown ids cost the same comparison as known ones, so that time does not tell which ids exist.
_NOBODYS_DIGEST: Final = digest("")


def authenticate_agent(environment: Environment, credentials: Credentials) -> Agent:
    """The enabled agent with these credentials, come by the method it is registered for if it is for one.

    Raises `InvalidClient`.
    """
    agent = environment.agents.get(credentials.client_id)
    _check(credentials, agent)
    if agent is None or not agent.enabled:
        raise InvalidClient(f"the agent {credentials.client_id[:64]!r} is disabled")
    # Judged last: only who knows the secret learns, by a failure, which method the agent is registered for.
    if agent.settings.client_auth not in {None, credentials.method}:
        raise InvalidClient(
            f"the agent {agent.name!r} has to authenticate by {agent.settings.client_auth}, and used "
            f"{credentials.method}"
        )
    return agent


def authenticate_caller(environment: Environment, credentials: Credentials) -> Caller:
    """The agent or the resource with these credentials: who may introspect. Raises `InvalidClient`."""
    resource = environment.resources.get(credentials.client_id)
    if resource is None:
        return authenticate_agent(environment, credentials)
    _check(credentials, resource)
    return resource


def _check(credentials: Credentials, registered: Caller | None) -> None:
    digests = registered.secret_digests if registered else (_NOBODYS_DIGEST,)
    # Every valid secret is compared, none is skipped after a match.
    proven = sum(matches(credentials.secret, each) for each in digests)
    if registered is None or not proven:
        if registered is None and not is_id(credentials.client_id):
            # It may be the secret, where a client's program or its operator confused the two.
            raise InvalidClient(
                f"by {credentials.method}: there is no such client, and what was presented is not even an id"
            )
        reason = "the secret is wrong" if registered else "there is no such client"
        raise InvalidClient(f"{credentials.client_id!r} by {credentials.method}: {reason}")
