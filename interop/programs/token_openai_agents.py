"""openai-agents, with a token: PROGRAM URL."""

import asyncio
import os
import sys

from agents.mcp import MCPServerStreamableHttp


async def main(url):
    headers = {"Authorization": f"Bearer {os.environ['INTEROP_TOKEN']}"}
    async with MCPServerStreamableHttp(
        {"url": url, "headers": headers}, client_session_timeout_seconds=60
    ) as server:
        print([tool.name for tool in await server.list_tools()])
        print((await server.call_tool("forecast_daily", {"place": "Tokyo", "days": 1})).content)


asyncio.run(main(*sys.argv[1:]))
