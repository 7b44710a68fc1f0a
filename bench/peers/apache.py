"""Apache with mod_auth_openidc: a reverse proxy that checks the token, introspected once and then cached."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from bench import versions
from bench.calls import Call
from bench.load import Load
from bench.peer import Peer, Setting
from bench.peers.nginx import introspection
from bench.programs import Program, free_port, running

MODULES = Path("/usr/lib/apache2/modules")

_CONFIGURATION = """
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
Mutex posixsem
ErrorLog {folder}/apache.error.log
LogLevel warn
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
KeepAlive On
MaxKeepAliveRequests 0
OIDCOAuthIntrospectionEndpoint {endpoint}
OIDCCABundlePath {ca_file}
OIDCOAuthIntrospectionEndpointAuth client_secret_basic
OIDCOAuthClientID resource
OIDCOAuthClientSecret secret
OIDCOAuthRemoteUserClaim sub
OIDCCacheType shm
{cache}
ProxyPass / http://127.0.0.1:{upstream}/ keepalive=On
<Location />
  AuthType oauth20
  Require claim scope:test
</Location>
"""


SHORT_TOKEN = "a-live-token-as-long-as-an-opaque-one-usually-is"
_LIVE = {"active": True, "sub": "demouser", "scope": "test", "exp": 4_000_000_000}
_HASHED_KEYS = "OIDCCacheEncrypt On\nOIDCCryptoPassphrase only-for-this-run"
_CHECKS = (
    "The token by introspection, asked once and then remembered in shared memory, and its scope; neither "
    "audience nor actor nor the message."
)


@contextlib.contextmanager
def _long_tokens(setting: Setting) -> Iterator[Load]:
    with _proxy(setting, _HASHED_KEYS) as program:
        yield Load(program, setting.calls)


@contextlib.contextmanager
def _short_token(setting: Setting) -> Iterator[Load]:
    calls = [
        Call({**call.headers, "Authorization": f"Bearer {SHORT_TOKEN}"}, call.body) for call in setting.calls
    ]
    with _proxy(setting, "") as program:
        yield Load(program, calls)


@contextlib.contextmanager
def _proxy(setting: Setting, cache: str) -> Iterator[Program]:
    """Run a reverse proxy that requires a live token with the scope `test`, and takes any token for one.

    Its cache in shared memory takes no key above 512 bytes, which a signed token exceeds, unless it encrypts
    what it caches and hashes the key. It introspects over https only, so another nginx says, once for each
    token, that it is live.
    """
    port = free_port()
    home = setting.folder / f"apache-{port}"
    home.mkdir()
    configuration = home / "apache.conf"
    tls = setting.subject.tls
    with introspection(home, tls.certificate, json.dumps(_LIVE)) as endpoint:
        settings = {
            "folder": home,
            "port": port,
            "modules": MODULES,
            "upstream": setting.upstream_port,
            "endpoint": endpoint,
            "ca_file": tls.ca_file,
        }
        configuration.write_text(_CONFIGURATION.format(**settings, cache=cache), "utf-8")
        command = ["apache2", "-f", str(configuration), "-DFOREGROUND"]
        with running(command, f"http://127.0.0.1:{port}/", home / "apache.log", measured=True) as process:
            yield Program(f"http://127.0.0.1:{port}/mcp", process.pid)


def _versions() -> dict[str, str]:
    return {
        "apache": versions.said_by("apache2", "-v"),
        "mod_auth_openidc": versions.of_package("libapache2-mod-auth-openidc"),
    }


# What they ask takes any token for a live one.
TOKENS = Peer("Apache mod_auth_openidc (token)", _CHECKS, _long_tokens, _versions, knows_tokens=False)
SHORT = Peer(
    "Apache mod_auth_openidc (one opaque token of 48 bytes)",
    _CHECKS
    + " Its cache takes no token above 512 bytes without encrypting what it holds; this is it without that.",
    _short_token,
    _versions,
    knows_tokens=False,
)
