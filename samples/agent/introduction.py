"""How an agent that nobody registered introduces itself to an authorization server (MCP authorization)."""

import httpx2

from agent.discovery import AuthorizationServer
from agent.documents import json_object
from agent.errors import AgentError
from agent.oauth import Credentials

CLIENT_NAME = "Sample agent"


async def introduce(
    client: httpx2.AsyncClient, server: AuthorizationServer, redirect_uri: str, metadata_url: str
) -> Credentials:
    """Return what the agent is known by there: the URL of its metadata document, else what it registers as.

    Raises `AgentError` where the server takes neither.
    """
    if metadata_url and server.takes_documents:
        return Credentials(metadata_url, "", "none")
    if not server.registration_endpoint:
        raise AgentError(
            f"{server.issuer} knows only agents that are registered there: give --client-id, and the agent's "
            f"secret in the environment variable AGENT_SECRET"
        )
    answer = await client.post(
        server.registration_endpoint,
        json={
            "client_name": CLIENT_NAME,
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": _wanted_method(server),
            "application_type": "native",
        },
    )
    registered = json_object(answer.content) or {}
    client_id, secret = registered.get("client_id"), registered.get("client_secret", "")
    if answer.status_code not in {200, 201} or not isinstance(client_id, str) or not isinstance(secret, str):
        error = registered.get("error", f"HTTP {answer.status_code}")
        raise AgentError(f"{server.issuer} does not register this agent: {error}")
    method = registered.get("token_endpoint_auth_method")
    return Credentials(client_id, secret, method if isinstance(method, str) else "")


def _wanted_method(server: AuthorizationServer) -> str:
    """Return how to authenticate: not at all where that is allowed, for a program keeps no secret."""
    return "none" if "none" in server.auth_methods else server.auth_methods[0]
