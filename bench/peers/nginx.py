"""nginx: an upstream that answers every request the same, and a plain proxy as the practical ceiling."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import versions
from bench.load import Load
from bench.peer import Peer, Setting
from bench.programs import Program, free_port, running

ANSWER = (
    '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"Tokyo: 21 degrees, '
    'clear"}],"isError":false}}'
)

ANSWER_SIZES = {"10k": 10_000, "1m": 1_000_000}
"""Paths whose answers hold a text of that many bytes."""
STREAM_PATH = "events"
"""The path whose answer is an event stream of one event, in chunks as streams come."""

_COMMON = """
daemon off; {user} worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; client_max_body_size 8m;
  client_body_temp_path {folder}/{name}.body;
  proxy_temp_path {folder}/{name}.proxy;
  fastcgi_temp_path {folder}/{name}.f; uwsgi_temp_path {folder}/{name}.u; scgi_temp_path {folder}/{name}.s;
  {rest}
}}
"""
_UPSTREAM = """
  server {{ listen 127.0.0.1:{port}; default_type application/json; root {root};
    error_page 405 =200 $uri;
    location / {{ return 200 '{answer}'; }}
    location = /10k {{ }}
    location = /1m {{ }}
    location = /events {{ default_type text/event-stream; ssi on; ssi_types text/event-stream; }}
  }}
"""
_PROXY = """
  upstream mcp {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://mcp/; proxy_http_version 1.1;
  proxy_set_header Connection ""; }} }}
"""
_INTROSPECTION = """
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate};
    default_type application/json; location / {{ return 200 '{answer}'; }}
  }}
"""


@contextlib.contextmanager
def upstream(folder: Path, answer: str = ANSWER) -> Iterator[int]:
    """Run a server that gives every request the same answer, a tool's result; yield its port.

    Below `/` are larger answers (`ANSWER_SIZES`) and an event stream (`STREAM_PATH`).
    """
    port, root = free_port(), folder / "upstream"
    root.mkdir(parents=True, exist_ok=True)
    for name, size in ANSWER_SIZES.items():
        large = json.loads(ANSWER)
        large["result"]["content"][0]["text"] = "Tokyo is clear. " * (size // 16)
        (root / name).write_text(json.dumps(large), "utf-8")
    (root / STREAM_PATH).write_text(f"event: message\ndata: {ANSWER}\n\n", "utf-8")
    rest = _UPSTREAM.format(port=port, answer=answer, root=root)
    with serve("upstream", folder, rest, port, measured=False):
        yield port


def versions_of_nginx() -> Mapping[str, str]:
    """Return nginx's version."""
    return {"nginx": versions.said_by("nginx", "-v")}


@contextlib.contextmanager
def _plain_proxy(setting: Setting) -> Iterator[Load]:
    port = free_port()
    rest = _PROXY.format(port=port, upstream=setting.upstream_port)
    with serve("proxy", setting.folder, rest, port, measured=True) as group:
        yield Load(Program(f"http://127.0.0.1:{port}/mcp", group), setting.calls)


PLAIN = Peer(
    "nginx (plain reverse proxy)",
    "Nothing: what a proxy costs that only passes calls on.",
    _plain_proxy,
    versions_of_nginx,
    requires_token=False,
)


@contextlib.contextmanager
def introspection(folder: Path, certificate: Path, answer: str) -> Iterator[str]:
    """Run an introspection endpoint over https that always gives the same answer; yield its URL.

    `certificate` holds its key too.
    """
    port = free_port()
    with serve(
        "introspection",
        folder,
        _INTROSPECTION.format(port=port, answer=answer, certificate=certificate),
        port,
        measured=False,
    ):
        yield f"https://localhost:{port}/introspect"


@contextlib.contextmanager
def serve(name: str, folder: Path, rest: str, port: int, *, measured: bool) -> Iterator[int]:
    """Run nginx with `rest` as the inside of its `http` block; yield its process group."""
    configuration = folder / f"{name}.conf"
    # run by root, its workers would be nobody, who may not read the folder
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(_COMMON.format(folder=folder, name=name, rest=rest, user=user), "utf-8")
    command = ["nginx", "-p", str(folder), "-e", str(folder / f"{name}.start.log"), "-c", str(configuration)]
    with running(command, f"http://127.0.0.1:{port}/", folder / f"{name}.log", measured=measured) as process:
        yield process.pid
