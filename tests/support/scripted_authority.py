"""An authorization server and the gate in front of an MCP server, small enough to be told to misbehave."""

import base64
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass
class Script:
    """What to answer; correct answers unless changed."""

    resource_metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    authorization_answer: dict[str, str] = field(default_factory=dict[str, str])
    exchange_error: str = ""
    open_methods: frozenset[str] = frozenset()
    """Methods (as `Mcp-Method` names them) that need no token."""
    needed_scopes: frozenset[str] = frozenset({"test"})
    withheld: frozenset[str] = frozenset()
    """Scopes that no token gets."""
    lifetime: int = 300
    refused: set[str] = field(default_factory=set[str])
    """MCP tokens that the gate does not take."""
    issued: Counter[str] = field(default_factory=Counter[str])
    requests: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


class ScriptedAuthority:
    """An ASGI application: the gate at `/mcp` in front of `behind`, the authorization server at `/as`."""

    def __init__(self, behind: ASGIApp, script: Script) -> None:
        self._behind = behind
        self._script = script
        self._tokens = dict[str, frozenset[str]]()
        self._authority = Starlette(
            routes=[
                Route("/.well-known/oauth-protected-resource/mcp", self._resource_metadata),
                Route("/.well-known/oauth-authorization-server/as", self._metadata),
                Route("/as/authorize", self._authorize),
                Route("/as/token", self._token, methods=["POST"]),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._behind(scope, receive, send)
        elif scope["path"] == "/mcp":
            await self._gate(scope, receive, send)
        else:
            await self._authority(scope, receive, send)

    async def _gate(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if headers.get(b"mcp-method", b"").decode() in self._script.open_methods:
            await self._behind({**scope, "path": "/", "raw_path": b"/"}, receive, send)
            return
        token = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
        scopes = self._tokens.get(token)
        metadata = f'resource_metadata="{_base(scope)}/.well-known/oauth-protected-resource/mcp"'
        if scopes is None or token in self._script.refused:
            await Response(status_code=401, headers={"WWW-Authenticate": f"Bearer {metadata}"})(
                scope, receive, send
            )
        elif not self._script.needed_scopes <= scopes:
            challenge = (
                f'Bearer error="insufficient_scope", '
                f'scope="{" ".join(sorted(self._script.needed_scopes))}", {metadata}'
            )
            await Response(status_code=403, headers={"WWW-Authenticate": challenge})(scope, receive, send)
        else:
            await self._behind({**scope, "path": "/", "raw_path": b"/"}, receive, send)

    async def _resource_metadata(self, request: Request) -> Response:
        base = _base(request.scope)
        document = {
            "resource": f"{base}/mcp",
            "authorization_servers": [f"{base}/as"],
            "scopes_supported": ["test"],
        }
        return JSONResponse(document | self._script.resource_metadata)

    async def _metadata(self, request: Request) -> Response:
        issuer = f"{_base(request.scope)}/as"
        document = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse(document | self._script.metadata)

    async def _authorize(self, request: Request) -> Response:
        sent = dict(request.query_params)
        self._script.requests.append(sent)
        answer = {
            "code": "the-code",
            "state": sent["state"],
            "iss": f"{_base(request.scope)}/as",
        } | self._script.authorization_answer
        return RedirectResponse(f"{sent['redirect_uri']}?{urlencode(answer)}")

    async def _token(self, request: Request) -> Response:
        sent = {name: str(value) for name, value in (await request.form()).items()}
        self._script.requests.append(sent)
        grant = sent["grant_type"].rpartition(":")[2]
        if grant == "token-exchange" and self._script.exchange_error:
            return JSONResponse(
                {"error": self._script.exchange_error, "error_description": "refused by the script"}, 400
            )
        self._script.issued[grant] += 1
        scopes = [scope for scope in sent.get("scope", "agent").split() if scope not in self._script.withheld]
        token = _unsigned(
            {
                "sub": "demouser",
                "scope": " ".join(scopes),
                "grant": grant,
                "number": self._script.issued[grant],
            }
        )
        if grant == "token-exchange":
            self._tokens[token] = frozenset(scopes)
        members = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._script.lifetime,
            "scope": " ".join(scopes),
        }
        return JSONResponse(members)


def _base(scope: Scope) -> str:
    return f"http://{dict(scope['headers'])[b'host'].decode()}"


def _unsigned(claims: dict[str, Any]) -> str:
    encoded = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "none"}, claims)
    )
    return ".".join([*encoded, ""])
