"""nginx that asks about the token by `auth_request` and caches the answers, as a user of nginx would."""

import contextlib
from collections.abc import Iterator

from bench.load import Load
from bench.peer import Peer, Setting
from bench.peers.nginx import serve, versions_of_nginx
from bench.programs import Program, free_port

# The answers are cached in files, which is nginx's only cache, by the field that holds the token.
_PROXY = """
  proxy_cache_path {folder}/checking.cache levels=1:2 keys_zone=introspection:16m inactive=10m;
  upstream mcp {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  upstream introspection {{ server 127.0.0.1:{introspection}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      auth_request /_introspect; proxy_pass http://mcp/; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Authorization "";
    }}
    location = /_introspect {{
      internal; proxy_pass http://introspection/; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_cache introspection; proxy_cache_key $http_authorization; proxy_cache_valid 204 10m;
      proxy_cache_methods GET HEAD POST; proxy_cache_lock on;
    }}
  }}
"""
# What nginx cannot do without a module is read `active` in an answer, so this one says it by its status.
_INTROSPECTION = """
  map_hash_bucket_size 4096; map_hash_max_size 65536;
  map $http_authorization $status_of_token {{ default 401; {live} }}
  server {{ listen 127.0.0.1:{port}; location / {{
    if ($status_of_token = 401) {{ return 401; }}
    return 204;
  }} }}
"""


@contextlib.contextmanager
def _checking_proxy(setting: Setting) -> Iterator[Load]:
    live = "\n".join(f'"{field}" 204;' for field in {call.headers["Authorization"] for call in setting.calls})
    asked, port = free_port(), free_port()
    introspection = _INTROSPECTION.format(port=asked, live=live)
    proxy = _PROXY.format(
        folder=setting.folder, port=port, upstream=setting.upstream_port, introspection=asked
    )
    with (
        serve("live-tokens", setting.folder, introspection, asked, measured=False),
        serve("checking", setting.folder, proxy, port, measured=True) as group,
    ):
        yield Load(Program(f"http://127.0.0.1:{port}/mcp", group), setting.calls)


AUTH_REQUEST = Peer(
    "nginx (auth_request, answers cached)",
    "That another server said of the token that it is live, asked once and then remembered in files; neither "
    "scope nor audience nor actor nor the message.",
    _checking_proxy,
    versions_of_nginx,
)
