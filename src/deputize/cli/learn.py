"""`deputize gateway learn`: ask a running MCP server what it has, and propose which scopes that needs."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import click

from deputize.cli.certificates import CertificateAuthorities
from deputize.cli.doctor import SecretFile, UrlOption
from deputize.diagnosis.findings import Found, safe
from deputize.diagnosis.web import NoAnswer, ReadAnswer, Web, keeps_secrets
from deputize.http.messages import Field
from deputize.kernel.errors import DeputizeError
from deputize.kernel.strict_json import dumps
from deputize.kernel.uris import parse_origin
from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.learning import Proposal
from deputize.mcp.versions import MODERN, NEWEST_HANDSHAKE

MAX_PAGES: Final = 100
_CLIENT: Final[JsonObject] = {"name": "deputize-learn", "version": "1"}
_LISTS: Final = (
    ("tools/list", "tools", "tools", "name"),
    ("prompts/list", "prompts", "prompts", "name"),
    ("resources/list", "resources", "resources", "uri"),
    ("resources/templates/list", "resourceTemplates", "resources", "uriTemplate"),
)
"""The methods, the member of their results, and the kind and name of what they list."""


class NoServer(DeputizeError):
    """What answers at the address is no MCP server, or lets nobody in."""


class ServerQuestions:
    """Asks one MCP server, of either era."""

    def __init__(self, web: Web, url: str, token: str | None) -> None:
        """`open` comes first."""
        self._web = web
        self._url = url
        self._token = token
        self._version = ""
        self._session = ""

    async def open(self) -> str:
        """Agree on a version, and return the name that the server gives itself. Raises `NoServer`."""
        answer = await self._ask(
            "initialize",
            {"protocolVersion": NEWEST_HANDSHAKE, "capabilities": {}, "clientInfo": _CLIENT},
        )
        result = answer.message.get("result")
        if isinstance(result, dict):
            self._version = str(result.get("protocolVersion", ""))
            self._session = answer.headers.get("mcp-session-id") or ""
            await self._ask("notifications/initialized", {}, identity=None)
        else:
            self._version = MODERN[-1]
            answer = await self._ask("server/discover", {})
            result = answer.message.get("result")
        if not isinstance(result, dict):
            raise NoServer(f"{safe(self._url)} answers {answer.status}, and not as an MCP server")
        info = result.get("serverInfo")
        name = info.get("name") if isinstance(info, dict) else None
        return name if isinstance(name, str) else ""

    async def list_all(self, method: str, member: str) -> Sequence[JsonValue]:
        """Return all that `method` lists, page by page; nothing where the server has no such list."""
        found: list[JsonValue] = []
        params: dict[str, JsonValue] = {}
        for _ in range(MAX_PAGES):
            result = (await self._ask(method, params)).message.get("result")
            listed = result.get(member) if isinstance(result, dict) else None
            if not isinstance(result, dict) or not isinstance(listed, list):
                break
            found += listed
            cursor = result.get("nextCursor")
            if not isinstance(cursor, str):
                break
            params = {"cursor": cursor}
        return found

    async def _ask(self, method: str, params: JsonObject, identity: int | None = 1) -> ReadAnswer:
        fields: list[Field] = [
            (b"Accept", b"application/json, text/event-stream"),
            (b"Content-Type", b"application/json"),
        ]
        if self._token is not None:
            fields.append((b"Authorization", b"Bearer " + self._token.encode()))
        if self._version:
            fields.append((b"Mcp-Protocol-Version", self._version.encode("latin-1", "replace")))
        if self._session:
            fields.append((b"Mcp-Session-Id", self._session.encode("latin-1")))
        message: dict[str, JsonValue] = {"jsonrpc": "2.0", "method": method, "params": params}
        if identity is not None:
            message["id"] = identity
        if self._version in MODERN:
            fields.append((b"Mcp-Method", method.encode()))
            meta: JsonObject = {
                "io.modelcontextprotocol/protocolVersion": self._version,
                "io.modelcontextprotocol/clientInfo": _CLIENT,
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            message["params"] = {**params, "_meta": meta}
        answer = await self._web.ask("POST", self._url, fields, dumps(message))
        if answer.status in {401, 403}:
            raise NoServer(
                f"{safe(self._url)} answers {answer.status}: give --token-file, or ask the server itself, "
                f"not the gateway"
            )
        return answer


@click.command("learn")
@click.argument("url", type=UrlOption())
@click.option("--prefix", metavar="TEXT", help="What scopes begin with. Default: the server's name.")
@click.option("--token-file", "token", type=SecretFile(), help="File with a token that the server accepts.")
@click.option(
    "--ca-file",
    "ca_pem",
    type=CertificateAuthorities(),
    help="Certificate authorities to trust beside the system's (PEM).",
)
def learn(url: str, prefix: str | None, token: str | None, ca_pem: bytes | None) -> None:
    """Ask the MCP server at URL what it has, and print rules for it.

    Prints a McpToolAuthorizationFilter for a route file, to be reviewed: which tools only read, the server
    says itself. Nothing is called, only listed.
    """
    proposal = asyncio.run(_learn(url, prefix, token, ca_pem))
    click.echo(json.dumps(proposal.configuration(), indent=2))
    for name in proposal.left_out:
        click.echo(f"left out, for no rule can name it alone: {safe(name)}", err=True)


@asynccontextmanager
async def questions_to(url: str, token: str | None, ca_pem: bytes | None) -> AsyncGenerator[ServerQuestions]:
    """Yield questions to the server at `url`. Raises `ClickException` for what keeps it from answering."""
    if token is not None and not keeps_secrets(parse_origin(url)):
        raise click.ClickException(f"{url} is not https: the token could be read on the way")
    web = Web(ca_pem, url)
    try:
        yield ServerQuestions(web, url, token)
    except (NoServer, NoAnswer) as error:
        raise click.ClickException(str(error)) from error
    except Found as found:
        raise click.ClickException(f"{safe(url)} cannot be asked: {'; '.join(found.evidence)}") from found
    finally:
        await web.aclose()


async def _learn(url: str, prefix: str | None, token: str | None, ca_pem: bytes | None) -> Proposal:
    async with questions_to(url, token, ca_pem) as server:
        name = await server.open()
        proposal = Proposal(name if prefix is None else prefix)
        for method, member, kind, name_of in _LISTS:
            proposal.add(kind, await server.list_all(method, member), name_of)
    return proposal
