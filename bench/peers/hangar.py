"""MCP Hangar as a front door with OIDC, as its documentation shows."""

import contextlib
import json
from collections.abc import Iterator

from bench.load import Load
from bench.peer import Peer, Setting
from bench.peers.mcp_server import gateway
from bench.peers.python_packages import commands_of, versions_of
from bench.programs import free_port
from bench.tokens import claims_of


@contextlib.contextmanager
def _front_door(setting: Setting) -> Iterator[Load]:
    command, port = commands_of("mcp-hangar") / "mcp-hangar", free_port()
    subject = setting.subject
    issuer, audience = subject.secrets["issuer"], claims_of(subject.tokens[0])["aud"][0]
    configuration = {
        "mcp_servers": {
            "weather": {"mode": "remote", "endpoint": f"http://127.0.0.1:{setting.upstream_port}/mcp"}
        },
        "tool_access": {"mode": "front_door"},
        "auth": {
            "enabled": True,
            "allow_anonymous": False,
            "api_key": {"enabled": False},
            "oidc": {
                "enabled": True,
                "issuer": issuer,
                "audience": audience,
                "jwks_uri": f"{issuer}/jwks",
                "tenant_claim": "env",
            },
            "role_assignments": [{"principal": name, "role": "developer"} for name in subject.users],
        },
    }
    file = setting.folder / "hangar.yaml"
    file.write_text(json.dumps(configuration), "utf-8")
    url, log = f"http://127.0.0.1:{port}/mcp", setting.folder / "hangar.log"
    options = ["--config", str(file), "--http", "--port", str(port), "--log-level", "ERROR"]
    with gateway([str(command), "serve", *options], url, log, setting.calls) as load:
        yield load


PEER = Peer(
    "MCP Hangar (front door with OIDC)",
    "The token's signature at each call, its issuer, audience and expiry, and the user's role instead of the "
    "scope; the tool against its policies. It keeps one session with the MCP server.",
    _front_door,
    lambda: versions_of("mcp-hangar", "mcp", "uvicorn"),
)
