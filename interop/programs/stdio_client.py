"""A client of local servers, on the official SDK: starts the command it is given, and calls a tool of it."""

import asyncio
import os
import sys

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


async def main(command: str, *arguments: str) -> None:
    server = StdioServerParameters(command=command, args=list(arguments), env=dict(os.environ))
    async with Client(stdio_client(server)) as client:
        print([tool.name for tool in (await client.list_tools()).tools])
        print((await client.call_tool("forecast_daily", {"place": "Tokyo", "days": 1})).content)


asyncio.run(main(*sys.argv[1:]))
