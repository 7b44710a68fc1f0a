"""fastmcp's client: PROGRAM URL."""

import asyncio
import sys

from fastmcp import Client


async def main(url):
    async with Client(url, auth="oauth") as client:
        print([tool.name for tool in await client.list_tools()])
        print((await client.call_tool("forecast_daily", {"place": "Tokyo", "days": 1})).content)


asyncio.run(main(*sys.argv[1:]))
