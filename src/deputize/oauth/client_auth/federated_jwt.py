"""`federated_jwt`: a workload presents what its platform says of it, and needs no secret of its own.

A cluster, a cloud or a build service signs a JWT about each program that it runs: `iss` is the platform,
`sub` the program, such as a SPIFFE id. The agent names both, and the environment the platform's keys.
"""

from collections.abc import Mapping
from typing import Final

from deputize.jose import TokenInvalid
from deputize.oauth.assertions import claims_refusal, parse_assertion, use_up, verify_issued
from deputize.oauth.client_auth.authentication import (
    ClientAuthMethod,
    ClientAuthPorts,
    Credentials,
    registered_agent,
)
from deputize.oauth.client_auth.private_key_jwt import ASSERTION_TYPE, TYPES
from deputize.oauth.errors import InvalidClient
from deputize.oauth.records.directory import Agent, Environment

NAME: Final = "federated_jwt"
_AMBIGUOUS: Final = ""
"""No agent's id."""


def find_credentials(_authorization: str | None, parameters: Mapping[str, str]) -> Credentials | None:
    """The assertion in the form; `None` without one that somebody else than the client signed.

    It says itself which client it is about; a `client_id` beside it has to be the same one's.
    """
    assertion = parameters.get("client_assertion")
    if assertion is None or parameters.get("client_assertion_type") != ASSERTION_TYPE:
        return None
    try:
        claims = parse_assertion(assertion, TYPES).jws.claims()
    except TokenInvalid as invalid:
        raise InvalidClient(f"by {NAME}: {invalid.reason}") from invalid
    is_own = claims.get("iss") == claims.get("sub")
    return None if is_own else Credentials(parameters.get("client_id", ""), assertion, NAME)


async def authenticate(
    environment: Environment, credentials: Credentials, ports: ClientAuthPorts, now: float
) -> Agent:
    """The agent that names the assertion's issuer and subject.

    Raises `InvalidClient`, and `TemporarilyUnavailable` where the issuer's keys cannot be fetched now.
    """
    try:
        claims = parse_assertion(credentials.secret, TYPES).jws.claims()
        issuer_name, subject = claims.get("iss"), claims.get("sub")
        if not isinstance(issuer_name, str) or not isinstance(subject, str):
            raise InvalidClient(f"by {NAME}: iss or sub is no text")
        agent_id = _agents_of(environment).get((issuer_name, subject), _AMBIGUOUS)
        if agent_id == _AMBIGUOUS or credentials.client_id not in {"", agent_id}:
            raise InvalidClient(f"by {NAME}: it is of no workload that one agent, this one, names")
        agent = registered_agent(environment, agent_id, NAME)
        issuer, claims = await verify_issued(
            credentials.secret, TYPES, environment.settings.trusted_issuers, environment, ports.documents
        )
    except TokenInvalid as invalid:
        raise InvalidClient(f"by {NAME}: {invalid.reason}") from invalid
    refusal = claims_refusal(claims, (environment.issuer,), now, counts_once=not issuer.reusable)
    if refusal:
        raise InvalidClient(f"{agent.name!r} by {NAME}: {refusal}")
    if not issuer.reusable and not await use_up(claims, NAME, environment, ports.one_time_ids, now):
        raise InvalidClient(f"{agent.name!r} by {NAME}: the assertion was presented before")
    return agent


def _agents_of(environment: Environment) -> Mapping[tuple[str, str], str]:
    """The agents' ids by issuer and subject of their workloads; `_AMBIGUOUS` where several name the same."""
    if NAME not in environment.remembered:
        found: dict[tuple[str, str], str] = {}
        for agent in environment.agents.values():
            for each in agent.settings.workloads:
                workload = (each.issuer, each.subject)
                found[workload] = agent.id if found.get(workload, agent.id) == agent.id else _AMBIGUOUS
        environment.remembered.remember(NAME, found)
    return environment.remembered[NAME]


METHOD: Final = ClientAuthMethod(NAME, find_credentials, authenticate)
