"""The addresses of an environment: what is put into agents and gateways, and where its users go."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from deputize.authority.console.call import ConsoleCall
from deputize.oauth.metadata import metadata
from deputize.oauth.records.directory import Resource


class Address(NamedTuple):
    """An address, and what it is."""

    name: str
    """Of its text, `console.address_NAME`."""
    url: str
    opens: bool
    """Whether there is something to see there for a browser."""


def list_addresses(call: ConsoleCall) -> Sequence[Address]:
    """List the addresses of the environment, which the metadata say too, but for the page of its users."""
    published = metadata(call.environment)
    issuer = str(published["issuer"])
    return (
        Address("issuer", issuer, opens=False),
        Address("metadata", f"{issuer}/.well-known/openid-configuration", opens=True),
        Address("authorize", str(published["authorization_endpoint"]), opens=False),
        Address("token", str(published["token_endpoint"]), opens=False),
        Address("introspection", str(published["introspection_endpoint"]), opens=False),
        Address("jwks", str(published["jwks_uri"]), opens=True),
        Address("my", f"{call.services.base_url}/{call.environment.id}/my", opens=True),
    )


def list_gateway_settings(call: ConsoleCall, resource: Resource, secret: str) -> Sequence[str]:
    """List the lines of a gateway's environment that stand for a resource.

    They are what `examples/agent-delegation/gateway` asks for; `secret` is in base64, or says where it is.
    """
    audience = urlsplit(resource.audience)
    gateway = f"{audience.scheme}://{audience.netloc}" if audience.netloc else call.t("console.gateway_url")
    return (
        f"AUTHORITY_URL={call.environment.issuer.removesuffix('/as')}",
        f"RESOURCE_ID={resource.id}",
        f"RESOURCE_SECRET_ID={secret}",
        f"GATEWAY_URL={gateway}",
        f"MCP_SERVER_URL={call.t('console.mcp_server_url')}",
    )
