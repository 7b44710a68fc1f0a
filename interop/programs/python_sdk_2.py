"""The official Python SDK 2.x: PROGRAM URL MODE [CLIENT_METADATA_URL]."""

import asyncio
import sys

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from loopback import Loopback


class Memory:
    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


async def main(url, mode, client_metadata_url=None):
    loopback = Loopback()
    metadata = OAuthClientMetadata(redirect_uris=[loopback.redirect_uri], client_name="Python SDK 2")

    async def open_browser(address):
        loopback.open(address)

    async def wait_for_answer():
        answer = await asyncio.to_thread(loopback.wait)
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss"))

    auth = OAuthClientProvider(
        url, metadata, Memory(), open_browser, wait_for_answer, client_metadata_url=client_metadata_url
    )
    async with (
        httpx2.AsyncClient(auth=auth, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        print([tool.name for tool in (await client.list_tools()).tools])
        print((await client.call_tool("forecast_daily", {"place": "Tokyo", "days": 1})).content)


asyncio.run(main(*sys.argv[1:]))
