"""The upstream of gateways that speak MCP to it: sessions as many as they like, tools, constant results."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx2

from bench.calls import TOOLS, VERSION, Call
from bench.load import ANSWER_SECONDS, Load
from bench.peer import PeerMissing
from bench.peers.nginx import ANSWER, serve
from bench.programs import Program, free_port, running

CONNECTIONS = 4
"""Few: a gateway that answers twenty calls a second would work off the others after its round."""
START_SECONDS = 150

_SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
_RESULTS = {
    "initialize": {
        "protocolVersion": VERSION,
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "weather", "version": "1"},
    },
    "tools/list": {
        "tools": [{"name": name, "description": f"To {name}.", "inputSchema": _SCHEMA} for name in TOOLS]
    },
    "tools/call": json.loads(ANSWER)["result"],
    "ping": {},
}
_UNKNOWN = {"code": -32601, "message": "Method not found"}
# nginx reads a body only to send it on: the first server sends its id and method on to the second.
_SERVERS = r"""
  map $request_body $id {{ "~\"id\":\s*(?<found_id>-?[0-9]+|\"[^\"]*\")" $found_id; default null; }}
  map $request_body $method {{ "~\"method\":\s*\"(?<found_method>[a-z/_]+)\"" $found_method; default ""; }}
  client_body_buffer_size 64k;
  upstream answers {{ server unix:{folder}/answers.sock; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      if ($request_method != POST) {{ return 405; }}
      proxy_pass http://answers; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Id $id; proxy_set_header X-Method $method; proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
  }}
  map $http_x_method $answer {{ {answers} }}
  server {{
    listen unix:{folder}/answers.sock; default_type application/json;
    location / {{
      if ($http_x_method ~ ^notifications/) {{ return 202; }}
      return 200 '{{"jsonrpc":"2.0","id":$http_x_id,$answer}}';
    }}
  }}
"""


@contextlib.contextmanager
def mcp_server(folder: Path) -> Iterator[int]:
    """Run an MCP server that keeps no sessions; yield its port. Its endpoint is `/mcp`.

    Other than the upstream of plain proxies it repeats the id of each message, and tells its tools.
    """
    port = free_port()
    answers = [f"""{method} '"result":{json.dumps(result)}';""" for method, result in _RESULTS.items()]
    answers.append(f"""default '"error":{json.dumps(_UNKNOWN)}';""")
    rest = _SERVERS.format(folder=folder, port=port, answers="\n".join(answers))
    with serve("mcp-server", folder, rest, port, measured=False):
        yield port


@contextlib.contextmanager
def gateway(
    command: Sequence[str],
    url: str,
    log: Path,
    calls: Sequence[Call],
    environment: Mapping[str, str] | None = None,
    configure: Callable[[], None] = lambda: None,
) -> Iterator[Load]:
    """Run a gateway of others before the MCP server, and wait until a call gets the server's result.

    `configure` tells it, once it runs, what it can only be told then. Raises `PeerMissing` if it does not
    start or passes no call on.
    """
    with contextlib.ExitStack() as stack:
        try:
            process = stack.enter_context(
                running(
                    list(command), url, log, measured=True, environment=environment, seconds=START_SECONDS
                )
            )
            configure()
            load = Load(Program(url, process.pid), calls, CONNECTIONS)
            _wait_for_result(load)
        except RuntimeError as error:
            raise PeerMissing(str(error)) from error
        yield load


def _wait_for_result(load: Load) -> None:
    """Wait until the first call is answered with the result of the tool. Raises `RuntimeError`."""
    call, deadline = load.calls[0], time.monotonic() + START_SECONDS
    result = json.loads(ANSWER)["result"]["content"][0]["text"]
    while True:
        answer = httpx2.post(
            load.program.url, content=call.body, headers=call.headers, timeout=ANSWER_SECONDS
        )
        if answer.status_code == 200 and result in answer.text:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"it passes no call on: {answer.status_code} {answer.text[:500]}")
        time.sleep(0.5)
