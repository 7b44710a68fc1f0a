"""fastmcp as a proxy that verifies JWTs, as its documentation shows."""

import contextlib
from collections.abc import Iterator

from bench.load import Load
from bench.peer import Peer, Setting
from bench.peers.mcp_server import gateway
from bench.peers.python_packages import commands_of, versions_of
from bench.programs import free_port
from bench.tokens import claims_of

# Without sessions towards agents and with JSON answers: the fastest it offers, and what the calls need.
_PROXY = """
import sys

from fastmcp.server import create_proxy
from fastmcp.server.auth.providers.jwt import JWTVerifier

port, upstream, issuer, audience = sys.argv[1:]
verifier = JWTVerifier(
    jwks_uri=f"{issuer}/jwks", issuer=issuer, audience=audience, algorithm="ES256", required_scopes=["test"]
)
create_proxy(upstream, name="weather", auth=verifier).run(
    transport="http", host="127.0.0.1", port=int(port), stateless_http=True, json_response=True,
    log_level="WARNING", show_banner=False,
)
"""


@contextlib.contextmanager
def _proxy(setting: Setting) -> Iterator[Load]:
    python, port = commands_of("fastmcp") / "python", free_port()
    script, issuer = setting.folder / "fastmcp-proxy.py", setting.subject.secrets["issuer"]
    script.write_text(_PROXY, "utf-8")
    audience = claims_of(setting.subject.tokens[0])["aud"][0]
    upstream = f"http://127.0.0.1:{setting.upstream_port}/mcp"
    url, log = f"http://127.0.0.1:{port}/mcp", setting.folder / "fastmcp.log"
    command = [str(python), str(script), str(port), upstream, issuer, audience]
    with gateway(command, url, log, setting.calls) as load:
        yield load


PEER = Peer(
    "fastmcp (proxy with JWTVerifier)",
    "The token's signature at each call, its issuer, audience, expiry and scope; the message and its "
    "arguments. It opens a session with the MCP server for each call.",
    _proxy,
    lambda: versions_of("fastmcp", "mcp", "uvicorn"),
)
