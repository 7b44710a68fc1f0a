"""ContextForge (mcp-contextforge-gateway) with its own tokens, on SQLite, its pages off."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx2
from joserfc import jwk, jwt

from bench.calls import Call
from bench.load import Load
from bench.peer import Peer, PeerMissing, Setting
from bench.peers.mcp_server import START_SECONDS, gateway
from bench.peers.python_packages import commands_of, versions_of
from bench.programs import free_port

PACKAGE = "mcp-contextforge-gateway"
TOKENS = 100
_SERVER, _USER, _ISSUER = "weather", "admin@example.com", "bench"
_PASSWORDS = ("PLATFORM_ADMIN", "BASIC_AUTH", "DEFAULT_USER")


@contextlib.contextmanager
def _gateway(setting: Setting) -> Iterator[Load]:
    commands, port, key = commands_of(PACKAGE), free_port(), secrets.token_urlsafe(48)
    home = setting.folder / "contextforge"
    home.mkdir()
    environment = _environment(home / "contextforge.db", key)
    shutil.copy(_empty_database(commands, environment), home / "contextforge.db")
    tokens = [_token(key) for _ in range(TOKENS)]
    base = f"http://127.0.0.1:{port}"
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    register = partial(_register, f"{base}/gateways", tokens[0], setting.upstream_port)
    calls = [_own_call(call, tokens[number % TOKENS]) for number, call in enumerate(setting.calls)]
    log = home / "contextforge.log"
    with gateway(
        [str(commands / "mcpgateway"), *options], f"{base}/mcp", log, calls, environment, register
    ) as load:
        yield load


def _environment(database: Path, key: str) -> dict[str, str]:
    """Return its settings: as it comes, less its limits, its pages, and its refusal to call this machine."""
    return {
        "DATABASE_URL": f"sqlite:///{database}",
        "JWT_SECRET_KEY": key,
        "JWT_ISSUER": _ISSUER,
        "JWT_AUDIENCE": _ISSUER,
        "AUTH_ENCRYPTION_SECRET": f"also-{key}",
        "PLATFORM_ADMIN_EMAIL": _USER,
        **{f"{name}_PASSWORD": f"Aa1!{secrets.token_urlsafe(12)}" for name in _PASSWORDS},
        "MCPGATEWAY_UI_ENABLED": "false",
        "MCPGATEWAY_ADMIN_API_ENABLED": "false",
        "PLUGINS_ENABLED": "false",
        "CACHE_TYPE": "memory",
        "LOG_LEVEL": "ERROR",
        "RATE_LIMITING_ENABLED": "false",
        "TOOL_RATE_LIMIT": "1000000",
        "SSRF_ALLOW_LOCALHOST": "true",
    }


def _empty_database(commands: Path, environment: Mapping[str, str]) -> Path:
    """Return a database with its tables, made once for an installation: that takes it most of a minute."""
    kept, made = commands.parent / "empty.db", commands.parent / "unfinished.db"
    if not kept.exists():
        made.unlink(missing_ok=True)
        command = [str(commands / "python"), "-m", "mcpgateway.bootstrap_db"]
        surroundings = {**os.environ, **environment, "DATABASE_URL": f"sqlite:///{made}"}
        done = subprocess.run(
            command, env=surroundings, capture_output=True, text=True, check=False, timeout=2 * START_SECONDS
        )
        if done.returncode:
            raise PeerMissing(f"it makes no database: {done.stderr[-500:]}")
        made.rename(kept)
    return kept


def _token(key: str) -> str:
    """Return a token as its own command makes them for an administrator."""
    now = int(time.time())
    claims = {
        "iat": now, "exp": now + 24 * 3600, "iss": _ISSUER, "aud": _ISSUER, "jti": str(uuid4()),
        "env": "development", "sub": _USER, "username": _USER, "teams": None,
        "user": {"email": _USER, "full_name": "CLI User", "is_admin": True, "auth_provider": "cli"},
    }  # fmt: skip
    return jwt.encode({"alg": "HS256"}, claims, jwk.OctKey.import_key(key))


def _register(url: str, token: str, upstream_port: int) -> None:
    """Tell it of the MCP server. Raises `PeerMissing`."""
    server = {"name": _SERVER, "url": f"http://127.0.0.1:{upstream_port}/mcp", "transport": "STREAMABLEHTTP"}
    answer = httpx2.post(
        url, json=server, headers={"Authorization": f"Bearer {token}"}, timeout=START_SECONDS
    )
    if answer.status_code != 200:
        raise PeerMissing(f"it takes no MCP server: {answer.status_code} {answer.text[:500]}")


def _own_call(call: Call, token: str) -> Call:
    """Return the call with its own token, and the name it gives the tool: that of the server comes first."""
    message = json.loads(call.body)
    message["params"]["name"] = f"{_SERVER}-{message['params']['name'].replace('_', '-')}"
    body = json.dumps(message, separators=(",", ":")).encode()
    return Call({**call.headers, "Authorization": f"Bearer {token}"}, body)


PEER = Peer(
    "ContextForge",
    "The signature (HS256) of a token of its own, its issuer, audience, expiry and revocation, its user and "
    "that user's rights; the message and its arguments. It takes no tokens of another issuer for this.",
    _gateway,
    lambda: versions_of(PACKAGE, "mcp", "uvicorn"),
)
