"""Apache with mod_auth_openidc, as a web site that signs users on and as an API that takes tokens."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
from demo import programs

from interop.install import NotRun
from interop.row import Family, Row, require
from interop.setting import USER, Setting, free_port

MODULES = Path("/usr/lib/apache2/modules")
_LOADED = (
    *("mpm_event", "authn_core", "authz_core", "authz_user", "dir", "headers", "mime", "auth_openidc"),
)
_CONFIGURATION = """
ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
Mutex posixsem
ErrorLog {folder}/error.log
LogLevel info
{modules}
TypesConfig /dev/null
DocumentRoot {folder}/pages
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI http://127.0.0.1:{port}/callback
OIDCCryptoPassphrase only-for-this-run
OIDCScope "openid email"
OIDCPKCEMethod S256
OIDCRemoteUserClaim email
OIDCOAuthIntrospectionEndpoint {introspection}
OIDCOAuthIntrospectionEndpointAuth client_secret_basic
OIDCOAuthClientID {resource_id}
OIDCOAuthClientSecret {resource_secret}
OIDCOAuthRemoteUserClaim sub
OIDCCABundlePath {ca_file}
Header always set X-User "expr=%{{REMOTE_USER}}"
<Location /private>
  AuthType openid-connect
  Require valid-user
</Location>
<Location /callback>
  AuthType openid-connect
  Require valid-user
</Location>
<Location /api>
  AuthType oauth20
  Require claim scope:test
</Location>
"""


@contextlib.contextmanager
def _apache(setting: Setting) -> Iterator[str]:
    """Run Apache, and yield its URL. Raises `NotRun` where it is not installed."""
    if shutil.which("apache2") is None or not (MODULES / "mod_auth_openidc.so").exists():
        raise NotRun("the Debian packages apache2 and libapache2-mod-auth-openidc are not installed")
    port = free_port()
    folder = setting.stage.folder / f"apache-{port}"
    for page in ("private", "api"):
        (folder / "pages" / page).mkdir(parents=True)
        (folder / "pages" / page / "index.html").write_text(page, "utf-8")
    environment = setting.environments["mcp"]
    known = environment.secrets["resources"]["test"]
    configuration = folder / "apache.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder,
            port=port,
            modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in _LOADED),
            issuer=environment.issuer,
            client_id=environment.agent.client_id,
            client_secret=environment.agent.client_secret,
            introspection=f"{_behind_gateway(setting)}/introspect",
            resource_id=known["id"],
            resource_secret=known["secret"],
            ca_file=setting.stage.ca_file,
        ),
        "utf-8",
    )
    with (folder / "apache.log").open("wb") as log:
        command = ["apache2", "-f", str(configuration), "-DFOREGROUND"]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        programs.until(lambda: _status(url), bool)
        yield url
    finally:
        process.terminate()
        process.wait()


def _behind_gateway(setting: Setting) -> str:
    """Return the issuer's URL at the gateway's TLS connector: Apache introspects over https only."""
    issuer = setting.environments["mcp"].issuer
    path = issuer.removeprefix(setting.stage.authority_url)
    route = {
        "name": "authority",
        "condition": f"${{find(request.uri.path, '^{path}/introspect$')}}",
        "baseURI": setting.stage.authority_url,
        "handler": "ReverseProxyHandler",
    }
    file = setting.stage.instance / "config" / "routes" / "authority.json"
    file.write_text(json.dumps(route), "utf-8")
    url = f"{setting.stage.gateway_url}{path}"
    with httpx2.Client(verify=setting.trust) as client:
        programs.until(lambda: client.post(f"{url}/introspect").status_code, lambda status: status != 404)
    return url


def _status(url: str) -> int:
    try:
        return httpx2.get(url).status_code
    except httpx2.TransportError:
        return 0


def _signs_users_on(setting: Setting) -> str:
    with _apache(setting) as url:
        person = setting.person()
        back = person.visit(f"{url}/private/", stop_at=f"{url}/callback")
        pages = list(person.pages)
        inside = person.visit(back, stop_at=f"{url}/private/")
        page = person.open(inside)
    user = page.headers.get("x-user")
    require((page.status_code, user) == (200, f"{USER}@example.com"), f"{page.status_code} for {user}")
    return f"{' → '.join(pages)}; the site knows the user"


def _takes_tokens(setting: Setting) -> str:
    token = setting.delegated_token
    with _apache(setting) as url:
        good, changed, none = (
            httpx2.get(f"{url}/api/", headers={"Authorization": f"Bearer {each}"} if each else {})
            for each in (token, f"{token[:-8]}AAAAAAAA", "")
        )
    statuses = [each.status_code for each in (good, changed, none)]
    require(
        statuses == [200, 401, 401], f"a good token, a changed one and none were answered with {statuses}"
    )
    require(good.headers.get("x-user") == USER, f"it takes the user for {good.headers.get('x-user')}")
    return "a delegated token let through, a changed one and none refused"


NAME = "Apache mod_auth_openidc"
FAMILY = Family(
    "apache",
    "Strict OAuth clients",
    (
        Row(NAME, "a web site that signs users on", _signs_users_on),
        Row(NAME, "an API that introspects tokens", _takes_tokens),
    ),
    dict,
)
