"""The official Python SDK 1.x: PROGRAM URL."""

import asyncio
import sys

from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamablehttp_client
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


async def main(url):
    loopback = Loopback()
    metadata = OAuthClientMetadata(
        redirect_uris=[loopback.redirect_uri],
        client_name="Python SDK 1",
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
    )

    async def open_browser(address):
        loopback.open(address)

    async def wait_for_answer():
        answer = await asyncio.to_thread(loopback.wait)
        return answer["code"], answer["state"]

    auth = OAuthClientProvider(url, metadata, Memory(), open_browser, wait_for_answer)
    async with (
        streamablehttp_client(url, auth=auth) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        print([tool.name for tool in (await session.list_tools()).tools])
        print((await session.call_tool("forecast_daily", {"place": "Tokyo", "days": 1})).content)


asyncio.run(main(*sys.argv[1:]))
