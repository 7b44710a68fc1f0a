"""Agents that introduce themselves: whom an environment admits, and what becomes of what they say.

Pure: the same template and metadata make the same agent, at registration and each time the directory is read.
So whatever a stranger says, and however long ago, it is within the template as the administrator has it now.
"""

from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from deputize.jose import ALWAYS_HELD
from deputize.kernel.values import JsonObject
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS, federated_jwt
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.client_metadata import ClientMetadata
from deputize.oauth.errors import InvalidClientMetadata
from deputize.oauth.grants import GRANTS, authorization_code, client_credentials
from deputize.oauth.records.directory import Agent, AgentOrigin, Environment
from deputize.oauth.records.settings import AgentSettings, RegistrationSettings
from deputize.oauth.resources import OPENID_SCOPES, format_scope

DEFAULT_METHOD: Final = "client_secret_basic"
"""How a client authenticates that does not say how (RFC 7591 section 2)."""
_SETTINGS: Final = tuple(AgentSettings.model_fields.keys() & ClientMetadata.model_fields.keys())
"""What a client settles itself: settings of an agent under the names of the registry."""
_INFORMATION: Final = ("client_name", "client_uri", "logo_uri", "contacts", "software_id", "software_version")
"""What is kept of a client's words although nothing is decided by it."""


def admits_host(settings: RegistrationSettings, host: str) -> bool:
    """Whether client ID metadata documents of `host` are taken.

    It is `host[:port]` in lower case, without the port 443.
    """
    return any(
        host.endswith(each[1:]) and host[0] not in "*." if each.startswith("*.") else host == each
        for each in settings.hosts
    )


def still_admits(settings: RegistrationSettings, means: str, detail: str) -> bool:
    """Whether somebody who once got in that way is still welcome.

    `dynamic` is the switch of the endpoint: who registered before it was turned off stays.
    """
    if means == "document":
        return admits_host(settings, detail)
    ways = {
        "open": settings.open,
        "initial_access_token": settings.initial_access_tokens,
        "software_statement": detail in settings.software_statements,
    }
    return ways[means]


def introduce(template: Agent, agent_id: str, metadata: ClientMetadata, origin: AgentOrigin) -> Agent:
    """The agent that a client becomes which says `metadata` of itself: what it asks for of the template.

    What decides about users and tokens is the template's: policies, scopes, lifetimes. The client chooses
    among the grant types, says where its users are sent back to and how it authenticates. Raises
    `InvalidClientMetadata`.
    """
    method = metadata.token_endpoint_auth_method or DEFAULT_METHOD
    # Which workload a client is can only an administrator say.
    if method not in CLIENT_AUTH_METHODS.by_name or method == federated_jwt.NAME:
        raise InvalidClientMetadata("token_endpoint_auth_method: this way of authenticating is not supported")
    grant_types = template.grant_types.intersection(metadata.grant_types)
    if origin.means == "open":  # no user is asked for tokens of its own, and nobody admitted it
        grant_types -= {client_credentials.GRANT_TYPE}
    if method == PUBLIC:
        grant_types -= {each.grant_type for each in GRANTS.members if not each.for_public_clients}
    if not grant_types:
        raise InvalidClientMetadata("grant_types: none of them is given to clients that introduce themselves")
    if authorization_code.GRANT_TYPE in grant_types and "code" not in metadata.response_types:
        raise InvalidClientMetadata("response_types: authorization_code needs code")
    lifetimes = {name: getattr(template.settings, name) for name in type(template.settings).model_fields}
    own = {name: getattr(metadata, name) for name in _SETTINGS if name in metadata.model_fields_set}
    try:
        settings = AgentSettings.model_validate({**lifetimes, **own, "client_auth": method})
    except ValidationError as error:
        member = str(error.errors()[0]["loc"][0])
        raise InvalidClientMetadata(f"{member}: is not supported") from error
    if settings.id_token_signed_response_alg not in ALWAYS_HELD:  # keys are not made for strangers
        raise InvalidClientMetadata(
            f"id_token_signed_response_alg: one of {', '.join(ALWAYS_HELD)} is needed"
        )
    return replace(
        template,
        id=agent_id,
        name=agent_id,
        grant_types=grant_types,
        redirect_uris=metadata.redirect_uris if authorization_code.GRANT_TYPE in grant_types else (),
        settings=settings,
        origin=origin,
    )


def registered_members(environment: Environment, agent: Agent, metadata: ClientMetadata) -> JsonObject:
    """What was really registered of a client (RFC 7591 section 3.2.1).

    It may be less than the client asked for; scopes are all that it may ask users for.
    """
    said = {name: value for name, value in metadata.members().items() if name in {*_INFORMATION, *_SETTINGS}}
    if agent.origin is None or not agent.origin.client_name:
        said.pop("client_name", None)
    granted = {name for names in agent.scopes.values() for name in names}
    known = {name: None for each in environment.resources.values() for name in each.scopes if name in granted}
    return {
        **said,
        "application_type": application_type(metadata),
        "redirect_uris": list(agent.redirect_uris),
        "grant_types": sorted(agent.grant_types),
        "response_types": ["code"] if agent.redirect_uris else [],
        "scope": format_scope([*OPENID_SCOPES, *known]),
        "token_endpoint_auth_method": agent.settings.client_auth,
    }


def application_type(metadata: ClientMetadata) -> str:
    """What kind of application this is: as it says, or as its redirect URIs tell.

    OpenID Connect Registration takes who says nothing for a web application; the programs of today that sign
    on at a loopback address say nothing either.
    """
    if metadata.application_type is not None:
        return metadata.application_type
    return "web" if all(uri.startswith("https:") for uri in metadata.redirect_uris) else "native"
