"""An MCP client off the shelf: the official SDK's, which knows nothing of agents, delegation or exchange."""

import asyncio
import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from mcp.types import TextContent
from pydantic import AnyUrl

from demo.person import Person
from demo.stage import REQUEST_SECONDS, Stage


class SentBack(Exception):
    """The authority sent the person back with this error."""


@dataclass
class Memory:
    """What the client keeps between calls, as the SDK asks for it."""

    known: OAuthClientInformationFull | None = None
    """How it is registered; `None`: it has yet to introduce itself."""
    tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """Return the tokens it has."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep tokens."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return how it is registered."""
        return self.known

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep how it is registered."""
        self.known = client_info


@dataclass
class StockClient:
    """The SDK's client, told the server's URL and nothing else, with a person at the browser."""

    stage: Stage
    person: Person
    memory: Memory = field(default_factory=Memory)
    authorize_urls: list[str] = field(default_factory=list[str])
    """Where it sent the person."""

    @property
    def redirect_uri(self) -> str:
        """Where the person comes back to it."""
        return f"http://localhost:{self.stage.ports.callback}/callback"

    @property
    def client_id(self) -> str:
        """Its id, once it has one."""
        return (self.memory.known and self.memory.known.client_id) or ""

    @property
    def access_token(self) -> str:
        """Its token for the server, once it has one."""
        return self.memory.tokens.access_token if self.memory.tokens else ""

    async def call(self, tool: str, **arguments: object) -> str:
        """Return the tool's answer, after everything that it takes to be allowed to call it."""
        url, trust = f"{self.stage.gateway_url}/mcp", ssl.create_default_context(cafile=self.stage.ca_file)
        metadata = OAuthClientMetadata(
            redirect_uris=[AnyUrl(self.redirect_uri)],
            token_endpoint_auth_method="none",
            client_name="Stock Client",
        )
        provider = OAuthClientProvider(url, metadata, self.memory, self._open, self._answer)
        async with (
            httpx2.AsyncClient(verify=trust, auth=provider, timeout=REQUEST_SECONDS) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            result = await client.call_tool(tool, arguments)
        return next(block.text for block in result.content if isinstance(block, TextContent))

    async def _open(self, url: str) -> None:
        self.authorize_urls.append(url)

    async def _answer(self) -> AuthorizationCodeResult:
        back = await asyncio.to_thread(self.person.visit, self.authorize_urls[-1], self.redirect_uri)
        answer = dict(parse_qsl(urlsplit(back).query))
        if "code" not in answer:
            raise SentBack(answer["error"])
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss"))
