"""The command line: makes a running agent of options and environment."""

import argparse
import asyncio
import contextlib
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import httpx2

from agent import chat, discovery
from agent.chat import Chat, say
from agent.delegation import DelegatedAuth, Delegation, OneStep, Reach
from agent.discovery import Challenge
from agent.errors import AgentError
from agent.introduction import introduce
from agent.models import language_model
from agent.oauth import Credentials, TokenEndpoint
from agent.planner import Planner
from agent.signon import PATH, SignOn

REQUEST_SECONDS = 30.0
STREAM_SECONDS = 300.0
_EPILOG = """environment:
  AGENT_SECRET     the agent's client secret; without it the user signs on for the server itself, without
                   a token exchange
  AGENT_MODEL_URL  a language model's base URL, for example http://localhost:11434/v1; without it,
                   a built-in planner picks the tools
  AGENT_MODEL      the model's name
  AGENT_MODEL_KEY  the key for it
  AGENT_MODEL_API  openai (default) or anthropic
"""


@dataclass(frozen=True, slots=True)
class Running:
    """The agent, ready to talk."""

    chat: Chat
    auth: DelegatedAuth


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent; return 0 when it ended as the person wanted, 1 with a reason when it could not go on."""
    options = parse_options(arguments)
    try:
        asyncio.run(_run(options))
    except AgentError as error:
        print(f"[ERROR] {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say(f"\n{chat.GOODBYE}")
    return 0


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; without arguments, the program's own."""
    parser = argparse.ArgumentParser(
        prog="sample-mcp-agent.py",
        description="An agent that acts for you on an MCP server, with your consent.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--mcp-server-url", required=True, metavar="URL", help="the MCP server, exactly as it is published"
    )
    parser.add_argument(
        "--client-id",
        default="",
        metavar="ID",
        help="the agent's client ID at the authorization server; without it the agent introduces itself",
    )
    parser.add_argument(
        "--client-metadata-url",
        default="",
        metavar="URL",
        help="what it introduces itself by where metadata documents are taken",
    )
    parser.add_argument(
        "--ca-file", metavar="FILE", help="certificate authorities to trust beside the system's (PEM)"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="never open a browser; print the address to sign on at"
    )
    parser.add_argument("--once", metavar="PROMPT", help="answer this and end")
    parser.add_argument(
        "--agent-scope",
        default="agent",
        metavar="SCOPE",
        help="scope of the tokens to be exchanged (default: agent)",
    )
    parser.add_argument(
        "--agent-audience",
        default="agent",
        metavar="AUDIENCE",
        help="audience of the same tokens (default: agent)",
    )
    parser.add_argument(
        "--callback-port",
        type=int,
        default=3000,
        metavar="PORT",
        help="where the browser returns to (default: 3000)",
    )
    parser.add_argument(
        "--show-tokens",
        type=Path,
        metavar="FILE",
        help="write the claims of the three tokens there when ending",
    )
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace) -> None:
    try:
        async with open_agent(options) as agent:
            try:
                await agent.chat.introduce()
                if options.once is None:
                    await agent.chat.converse()
                else:
                    say(f"\n{await agent.chat.answer(options.once)}")
            finally:
                if options.show_tokens and agent.auth.delegation:
                    _write_privately(
                        options.show_tokens, json.dumps(agent.auth.delegation.claims(), indent=2) + "\n"
                    )
    except httpx2.HTTPError as error:
        try:
            where = str(error.request.url.copy_with(query=None))
        except RuntimeError:
            where = "A server"
        advice = (
            ". Is it running, and is the address right?" if isinstance(error, httpx2.ConnectError) else ""
        )
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            advice = ". Name the certificate authority it uses with --ca-file."
        raise AgentError(f"{where} cannot be reached: {error}{advice}") from error


@contextlib.asynccontextmanager
async def open_agent(options: argparse.Namespace) -> AsyncGenerator[Running]:
    """Yield the agent, with the first token if the server asks for one. Raises `AgentError`."""
    url = options.mcp_server_url
    if not discovery.is_trustworthy(url):
        raise AgentError(
            f"{url} is not https: write the whole address, https://HOST:PORT/PATH; elsewhere others could "
            f"read a token"
        )
    timeout = httpx2.Timeout(REQUEST_SECONDS, read=STREAM_SECONDS)
    trusted = _trust(options.ca_file)
    async with httpx2.AsyncClient(verify=trusted, timeout=REQUEST_SECONDS) as plain:
        auth = DelegatedAuth(url, lambda challenge: _delegation(plain, options, challenge))
        async with httpx2.AsyncClient(verify=trusted, timeout=timeout, auth=auth) as to_server:
            challenge = await discovery.challenge_of(plain, url)
            if challenge:
                await auth.begin(challenge)
            ask = chat.ask if options.once is None else chat.nobody
            responder = language_model(plain, os.environ) or Planner(ask, date.today)
            yield Running(Chat(to_server, url, responder), auth)


async def _delegation(
    client: httpx2.AsyncClient, options: argparse.Namespace, challenge: Challenge
) -> Delegation | OneStep:
    """Find the way from the server's refusal to tokens."""
    say(f"[INFO] {options.mcp_server_url} asks for a token")
    resource = await discovery.protected_resource(client, options.mcp_server_url, challenge)
    server = await discovery.authorization_server(client, resource.issuer)
    say(f"[INFO] Its authorization server is {server.issuer}")
    reach = Reach(
        resource.resource, challenge.scopes or resource.scopes, options.agent_audience, options.agent_scope
    )
    may_open = _never if options.no_browser else chat.may_open_browser
    port = options.callback_port

    def sign_on(endpoint: TokenEndpoint, credentials: Credentials, scope: str, audience: str) -> SignOn:
        return SignOn(endpoint, server, credentials.client_id, port, scope, audience, may_open, say)

    async def enter() -> tuple[TokenEndpoint, SignOn]:
        known = Credentials(options.client_id, secret)
        redirect_uri = f"http://localhost:{port}{PATH}"
        if not options.client_id:
            known = await introduce(client, server, redirect_uri, options.client_metadata_url)
        endpoint = TokenEndpoint(client, server, known, time.monotonic)
        refreshing = "offline_access" if "offline_access" in server.scopes else ""
        return endpoint, sign_on(endpoint, known, refreshing, reach.resource)

    secret = os.environ.get("AGENT_SECRET", "")
    if not (options.client_id and secret and server.exchanges):
        say("[INFO] Without AGENT_SECRET, or without token exchange there, you sign on for the server itself")
        return OneStep(server.issuer, enter, reach, time.monotonic)
    known = Credentials(options.client_id, secret)
    endpoint = TokenEndpoint(client, server, known, time.monotonic)
    subject = sign_on(endpoint, known, reach.agent_scope, reach.agent_audience)
    return Delegation(endpoint, reach, subject, lambda text: say(f"[INFO] {text}"), time.monotonic)


def _trust(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise AgentError(
                f"--ca-file {ca_file} cannot be used: {error}. It must name a PEM file of certificates."
            ) from error
    return context


async def _never(issuer: str) -> bool:  # noqa: ARG001 - stands in for `may_open_browser`
    return False


def _write_privately(file: Path, text: str) -> None:
    """Write a file that only the person who runs the agent can read."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
