"""agentgateway (Rust), where its binary is named: it is in no registry that this project installs from."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping

from bench import versions
from bench.load import Load
from bench.peer import Peer, PeerMissing, Setting
from bench.peers.mcp_server import gateway
from bench.programs import free_port
from bench.tokens import claims_of

BINARY = "AGENTGATEWAY"
"""The environment variable with the path of its binary."""


@contextlib.contextmanager
def _route(setting: Setting) -> Iterator[Load]:
    binary = os.environ.get(BINARY)
    if not binary:
        raise PeerMissing(f"name its binary with {BINARY}=PATH")
    port, issuer = free_port(), setting.subject.secrets["issuer"]
    audience = claims_of(setting.subject.tokens[0])["aud"][0]
    upstream = f"http://127.0.0.1:{setting.upstream_port}/mcp"
    policies = {
        "mcpAuthentication": {
            "mode": "strict",
            "issuer": issuer,
            "audiences": [audience],
            "jwks": {"url": f"{issuer}/jwks"},
            "resourceMetadata": {"resource": audience, "scopesSupported": ["test"]},
        },
        "mcpAuthorization": {"rules": ['jwt.scope == "test"']},
    }
    targets = [{"name": "weather", "mcp": {"host": upstream}}]
    backends = [{"mcp": {"statefulMode": "stateless", "targets": targets}}]
    routes = [{"policies": policies, "backends": backends}]
    configuration = {
        "config": {f"{name}Addr": f"127.0.0.1:{free_port()}" for name in ("admin", "stats", "readiness")},
        "binds": [{"port": port, "listeners": [{"routes": routes}]}],
    }
    file = setting.folder / "agentgateway.yaml"
    file.write_text(json.dumps(configuration), "utf-8")
    url, log = f"http://127.0.0.1:{port}/mcp", setting.folder / "agentgateway.log"
    with gateway([binary, "-f", str(file)], url, log, setting.calls, {"RUST_LOG": "error"}) as load:
        yield load


def _versions() -> Mapping[str, str]:
    return {"agentgateway": versions.said_by(os.environ.get(BINARY, "agentgateway"), "--version")}


PEER = Peer(
    "agentgateway (MCP route)",
    "The token's signature at each call, its issuer, audience, expiry and scope; the message. It opens a "
    "session with the MCP server for each call.",
    _route,
    _versions,
)
