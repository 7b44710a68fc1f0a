"""The sample agent as the suite's client: PROGRAM URL. Lists the tools, and calls the first one."""

import asyncio
import json
import os
import socket
import sys
import threading

import httpx2

from agent import cli, signon
from agent.tools import connect

DOCUMENT = "https://conformance-test.local/client-metadata.json"
"""The suite's name for the client's metadata document."""


def browse(url):
    """The suite's authorization server asks nobody: it answers at once with the way back."""
    threading.Thread(target=httpx2.get, args=[url], kwargs={"follow_redirects": True}, daemon=True).start()
    return True


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


async def willing(_):
    return True


def required(schema):
    """Something for each argument that a tool requires."""
    of_type = {"string": "text", "number": 1, "integer": 1, "boolean": True, "array": [], "object": {}}
    properties = schema.get("properties", {})
    return {name: of_type[properties[name]["type"]] for name in schema.get("required", ())}


async def main(url):
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    os.environ["AGENT_SECRET"] = context.get("client_secret", "")
    options = ["--mcp-server-url", url, "--client-metadata-url", DOCUMENT, "--callback-port", free_port()]
    if client_id := context.get("client_id"):
        options += ["--client-id", client_id]
    async with (
        cli.open_agent(cli.parse_options(options)) as agent,
        connect(agent.chat.http, url) as tools,
    ):
        listed = await tools.list_all()
        if listed:
            print(await tools.call(listed[0].name, required(listed[0].input_schema)))


signon.webbrowser.open = browse
cli.chat.may_open_browser = willing
asyncio.run(main(*sys.argv[1:]))
