"""LangChain's MCP adapters, with a token: PROGRAM URL."""

import asyncio
import os
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient


async def main(url):
    headers = {"Authorization": f"Bearer {os.environ['INTEROP_TOKEN']}"}
    client = MultiServerMCPClient(
        {"weather": {"transport": "streamable_http", "url": url, "headers": headers}}
    )
    tools = {tool.name: tool for tool in await client.get_tools()}
    print(list(tools))
    print(await tools["forecast_daily"].ainvoke({"place": "Tokyo", "days": 1}))


asyncio.run(main(*sys.argv[1:]))
