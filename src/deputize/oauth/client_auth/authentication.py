"""How clients prove who they are: what they present, how it is found, and what it is held against.

A method finds credentials in a request, and says how they are proven: by a secret that is compared with the
registered ones, or by a function of its own. A package adds one as a `ClientAuthMethod` behind an entry point
of the group `deputize.client_authentication`; from then on the metadata names it, environment files may
require it of an agent, and every endpoint takes it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeAlias, TypeVar

from deputize.kernel.digests import digest, matches
from deputize.kernel.ids import is_id
from deputize.oauth.document_urls import is_document_id
from deputize.oauth.errors import InvalidClient
from deputize.oauth.ports import ClientDocuments, OneTimeIds
from deputize.oauth.records.directory import Agent, Environment, Resource

Caller: TypeAlias = Agent | Resource
CallerT_co = TypeVar("CallerT_co", bound=Caller, covariant=True)
PUBLIC: Final = "none"
"""The method of public clients, which prove nothing (RFC 6749 section 2.1)."""


@dataclass(slots=True)
class Credentials:
    """The id of a client (or resource), and what is to prove it, as presented."""

    client_id: str
    secret: str = field(repr=False)
    """A secret, or whatever else the method proves the id by; empty where it proves nothing."""
    method: str


@dataclass(slots=True)
class Authenticated(Generic[CallerT_co]):
    """Who sent a request, and by which method that was proven."""

    client: CallerT_co
    method: str
    """The `ClientAuthMethod`'s name; `PUBLIC` where nothing proves that it is this client."""


@dataclass(frozen=True, slots=True)
class ClientAuthPorts:
    """What methods may use beside the directory."""

    one_time_ids: OneTimeIds
    documents: ClientDocuments


Authenticate: TypeAlias = Callable[[Environment, Credentials, ClientAuthPorts, float], Awaitable[Agent]]


@dataclass(frozen=True, slots=True)
class ClientAuthMethod:
    """A way to prove which client one is."""

    name: str
    """As registered for `token_endpoint_auth_methods_supported` (RFC 8414 section 2)."""
    find_credentials: Callable[[str | None, Mapping[str, str]], Credentials | None]
    """(Authorization header, form parameters) to the credentials, `None` where there are none of this kind.

    Raises `InvalidClient` for malformed ones.
    """
    authenticate: Authenticate | None = None
    """(environment, credentials, ports, seconds since the epoch) to the agent that they prove.

    Raises `InvalidClient`. By default the secret of the credentials is compared, in constant time, with the
    secrets that are registered for their id. What it returns has to be enabled and registered for the method;
    `registered_agent` tells before anything is spent on it.
    """


# Unknown ids cost the same comparison as known ones, so that time does not tell which ids exist.
_NOBODYS_DIGEST: Final = digest("")


def registered_agent(environment: Environment, client_id: str, method: str) -> Agent:
    """The enabled agent with that id, which is registered to authenticate by `method`.

    Raises `InvalidClient`.
    """
    agent = environment.agents.get(client_id)
    if agent is None:
        raise _unknown(client_id, method)
    check_registered(agent, method, is_by_secret=False)
    return agent


def check_registered(agent: Agent, method: str, *, is_by_secret: bool) -> None:
    """Refuse an agent that is disabled, or registered for another method. Raises `InvalidClient`.

    One that is held to no method may send its secret by any, and prove itself in no other way: so nobody gets
    by with less than was set up.
    """
    if not agent.enabled:
        raise InvalidClient(f"the agent {agent.id[:64]!r} {agent.stopped}", claimed=agent.id)
    registered = agent.settings.client_auth
    if registered != method and (registered is not None or not is_by_secret):
        demanded = "a secret" if registered is None else registered
        reason = f"the agent {agent.name!r} has to authenticate by {demanded}, and used {method}"
        raise InvalidClient(reason, claimed=agent.id)


def check_secret(credentials: Credentials, registered: CallerT_co | None) -> CallerT_co:
    """`registered`, whose secret the credentials hold. Raises `InvalidClient`, also where it is `None`."""
    digests = registered.secret_digests if registered else (_NOBODYS_DIGEST,)
    # Every valid secret is compared, none is skipped after a match.
    proven = sum(matches(credentials.secret, each) for each in digests)
    if registered is None:
        raise _unknown(credentials.client_id, credentials.method)
    if not proven:
        reason = f"{credentials.client_id!r} by {credentials.method}: the secret is wrong"
        raise InvalidClient(reason, claimed=registered.id)
    return registered


def _unknown(client_id: str, method: str) -> InvalidClient:
    if not is_id(client_id) and not is_document_id(client_id):
        # It may be the secret, where a client's program or its operator confused the two.
        return InvalidClient(
            f"by {method}: there is no such client, and what was presented is not even an id"
        )
    return InvalidClient(f"{client_id!r} by {method}: there is no such client")
