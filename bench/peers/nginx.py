"""nginx: an upstream that answers every request the same, and a plain proxy as the practical ceiling."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.programs import Program, free_port, running

ANSWER = (
    '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"Tokyo: 21 degrees, '
    'clear"}],"isError":false}}'
)

_COMMON = """
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/{name}.body;
  proxy_temp_path {folder}/{name}.proxy;
  fastcgi_temp_path {folder}/{name}.f; uwsgi_temp_path {folder}/{name}.u; scgi_temp_path {folder}/{name}.s;
  {rest}
}}
"""
_UPSTREAM = """server {{ listen 127.0.0.1:{port}; default_type application/json;
location / {{ return 200 '{answer}'; }} }}"""
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
def upstream(folder: Path) -> Iterator[int]:
    """Run a server that answers every request with the same tool result; yield its port."""
    port = free_port()
    with _nginx("upstream", folder, _UPSTREAM.format(port=port, answer=ANSWER), port, measured=False):
        yield port


@contextlib.contextmanager
def plain_proxy(folder: Path, upstream_port: int) -> Iterator[Program]:
    """Run a reverse proxy that checks nothing."""
    port = free_port()
    with _nginx(
        "proxy", folder, _PROXY.format(port=port, upstream=upstream_port), port, measured=True
    ) as group:
        yield Program(f"http://127.0.0.1:{port}/mcp", group)


@contextlib.contextmanager
def introspection(folder: Path, certificate: Path, answer: str) -> Iterator[str]:
    """Run an introspection endpoint over https that always gives the same answer; yield its URL.

    `certificate` holds its key too.
    """
    port = free_port()
    with _nginx(
        "introspection",
        folder,
        _INTROSPECTION.format(port=port, answer=answer, certificate=certificate),
        port,
        measured=False,
    ):
        yield f"https://localhost:{port}/introspect"


@contextlib.contextmanager
def _nginx(name: str, folder: Path, rest: str, port: int, *, measured: bool) -> Iterator[int]:
    configuration = folder / f"{name}.conf"
    configuration.write_text(_COMMON.format(folder=folder, name=name, rest=rest), "utf-8")
    command = ["nginx", "-p", str(folder), "-e", str(folder / f"{name}.start.log"), "-c", str(configuration)]
    with running(command, f"http://127.0.0.1:{port}/", folder / f"{name}.log", measured=measured) as process:
        yield process.pid
