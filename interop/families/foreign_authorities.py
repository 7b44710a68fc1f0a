"""Authorities of others behind the gateway: spoken to by the standards alone."""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from demo import programs

from interop import install
from interop.row import Family, Row, require
from interop.setting import USER, Setting, free_port

AGENT, GATEWAY = ((name, f"a-secret-of-{name}-for-one-run-of-the-tests") for name in ("agent", "gateway"))
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "interop", "version": "1"},
    },
}
KEYCLOAK = "org.keycloak:keycloak-quarkus-dist:26.4.5:zip"
KEYCLOAK_SECONDS = 300
SCOPE = "test"
NAME = "node-oidc-provider"
START_SECONDS = 60


@dataclass(frozen=True)
class Foreign:
    """A running authority of others."""

    issuer: str
    token_endpoint: str
    introspection_endpoint: str
    resource: str
    """What the route that trusts it is known by."""

    def token(self, client: tuple[str, str] | None = None, **parameters: str) -> str:
        """Return an access token."""
        answer = httpx2.post(self.token_endpoint, data=parameters, auth=client or AGENT, timeout=30)
        return answer.raise_for_status().json()["access_token"]


@contextlib.contextmanager
def _oidc_provider(setting: Setting, path: str) -> Iterator[Foreign]:
    port, resource = free_port(), f"{setting.stage.gateway_url}/{path}"
    program = install.script("tools", "node-oidc-provider.mjs")
    node = install.npm("tools") / "node_modules" / ".bin" / "node"
    log = setting.stage.log(path)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(node), str(program), str(port), resource], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        issuer = f"http://localhost:{port}"
        metadata = programs.until(lambda: _metadata(issuer), bool, START_SECONDS)
        yield Foreign(issuer, metadata["token_endpoint"], metadata["introspection_endpoint"], resource)
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _keycloak(setting: Setting, path: str) -> Iterator[Foreign]:
    """Run Keycloak with a realm for this; that takes a minute."""
    home, port, admin = install.maven(KEYCLOAK), free_port(), free_port()
    resource = f"{setting.stage.gateway_url}/{path}"
    folder = setting.stage.folder / path
    shutil.copytree(home, folder)
    (folder / "data" / "import").mkdir(parents=True)
    realm = json.dumps(_realm(resource, setting.stage.password))
    (folder / "data" / "import" / "interop.json").write_text(realm, "utf-8")
    script = folder / "bin" / "kc.sh"
    script.chmod(0o755)
    options = ("--http-host=127.0.0.1", f"--http-port={port}", f"--http-management-port={admin}")
    with setting.stage.log(path).open("wb") as output:
        process = subprocess.Popen(
            [str(script), "start-dev", "--import-realm", *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        issuer = f"http://localhost:{port}/realms/interop"
        metadata = programs.until(lambda: _metadata(issuer), bool, KEYCLOAK_SECONDS)
        yield Foreign(issuer, metadata["token_endpoint"], metadata["introspection_endpoint"], resource)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _realm(resource: str, password: str) -> Mapping[str, Any]:
    """Return a realm with a user, and clients whose tokens are for the gateway and may be exchanged by it."""

    def audience(name: str, included: Mapping[str, str]) -> Mapping[str, Any]:
        told = dict.fromkeys(("access.token.claim", "introspection.token.claim", "lightweight.claim"), "true")
        return {
            "name": name,
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {**told, **included},
        }

    audiences = [
        audience("resource", {"included.custom.audience": resource}),
        audience("exchange", {"included.client.audience": GATEWAY[0]}),
    ]

    def client(name: str, secret: str, **attributes: str) -> Mapping[str, Any]:
        return {
            "clientId": name,
            "secret": secret,
            "standardFlowEnabled": False,
            "directAccessGrantsEnabled": True,
            "serviceAccountsEnabled": True,
            "protocolMappers": audiences,
            "attributes": {"standard.token.exchange.enabled": "true", **attributes},
        }

    return {
        "realm": "interop",
        "enabled": True,
        "sslRequired": "none",
        "clients": [
            client(*AGENT),
            client(*GATEWAY),
            client("light", AGENT[1], **{"client.use.lightweight.access.token.enabled": "true"}),
        ],
        "users": [
            {
                "username": USER,
                "email": f"{USER}@example.com",
                "firstName": "Demo",
                "lastName": "User",
                "enabled": True,
                "credentials": [{"type": "password", "value": password}],
            }
        ],
    }


def _metadata(issuer: str) -> Mapping[str, Any]:
    try:
        return httpx2.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
    except (httpx2.HTTPError, ValueError):
        return {}


def _stateless(foreign: Foreign) -> Mapping[str, Any]:
    return {"type": "StatelessAccessTokenResolver", "config": {"issuer": foreign.issuer}}


def _introspection(foreign: Foreign) -> Mapping[str, Any]:
    credentials = base64.b64encode(":".join(GATEWAY).encode()).decode()
    authenticate = {
        "type": "HeaderFilter",
        "config": {"messageType": "REQUEST", "add": {"Authorization": [f"Basic {credentials}"]}},
    }
    handler = {"type": "Chain", "config": {"filters": [authenticate], "handler": "ForgeRockClientHandler"}}
    return {
        "type": "TokenIntrospectionAccessTokenResolver",
        "config": {"endpoint": foreign.introspection_endpoint, "providerHandler": handler},
    }


@contextlib.contextmanager
def _route(
    setting: Setting,
    path: str,
    foreign: Foreign,
    resolver: Mapping[str, Any],
    *,
    require_actor: bool,
    scope: str = SCOPE,
) -> Iterator[None]:
    """Add a route like the use case's that trusts the authority, to the running gateway."""
    routes = setting.stage.instance / "config" / "routes"
    text = (routes / "mcp.json").read_text("utf-8")
    for before, after in (
        ("/mcp(", f"/{path}("),
        ('"/mcp"', f'"/{path}"'),
        ("}/mcp", f"}}/{path}"),
        ("/audit", f"/audit-{path}"),
    ):
        text = text.replace(before, after)
    route = json.loads(text)
    route["name"] = path
    server = next(each for each in route["heap"] if each["name"] == "rsFilter")["config"]
    server |= {"accessTokenResolver": resolver, "scopes": [scope]}
    protection = next(
        each["config"]
        for each in route["handler"]["config"]["filters"]
        if each["type"] == "McpProtectionFilter"
    )
    protection |= {
        "authorizationServerUri": foreign.issuer,
        "resourceIdPointer": "/aud",
        "requireActor": require_actor,
    }
    file = routes / f"{path}.json"
    file.write_text(json.dumps(route, indent=2), "utf-8")
    try:
        programs.until(lambda: _call(setting, path, None), lambda status: status == 401)
        yield
    finally:
        file.unlink()


def _call(setting: Setting, path: str, token: str | None) -> int:
    """Return the status with which the gateway answers an MCP client with that token."""
    headers = {"Accept": "application/json, text/event-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with httpx2.Client(verify=setting.trust, timeout=30) as client:
        return client.post(
            f"{setting.stage.gateway_url}/{path}", json=INITIALIZE, headers=headers
        ).status_code


def _tokens(
    path: str, resolver: Callable[[Foreign], Mapping[str, Any]], kind: str
) -> Callable[[Setting], str]:
    """Return a row's function: tokens of that kind get through, and others and changed ones do not."""

    def run(setting: Setting) -> str:
        with (
            _oidc_provider(setting, path) as foreign,
            _route(setting, path, foreign, resolver(foreign), require_actor=False),
        ):
            token = foreign.token(
                grant_type="client_credentials", scope="test", resource=f"{foreign.resource}/{kind}"
            )
            require(
                token.count(".") == (2 if kind == "jwt" else 0), f"it issued another kind of token: {token}"
            )
            statuses = [_call(setting, path, each) for each in (token, f"{token[:-8]}AAAAAAAA", "unknown")]
        require(
            statuses == [200, 401, 401], f"good, changed and unknown tokens were answered with {statuses}"
        )
        return "a good token let through, a changed and an unknown one refused"

    return run


def _exchanged(setting: Setting) -> str:
    path = "foreign-exchanged"
    with (
        _oidc_provider(setting, path) as foreign,
        _route(setting, path, foreign, _stateless(foreign), require_actor=True),
    ):
        alone = foreign.token(
            grant_type="client_credentials", scope="test", resource=f"{foreign.resource}/jwt"
        )
        exchanged = foreign.token(
            grant_type=EXCHANGE, subject_token=alone, subject_token_type=ACCESS_TOKEN, scope="test"
        )
        statuses = [_call(setting, path, each) for each in (exchanged, alone)]
    require(statuses == [200, 403], f"with and without act they were answered with {statuses}")
    record = setting.records(f"audit-{path}")[-2]
    seen = (record["sub"], record["act"])
    require(seen == (USER, [AGENT[0]]), f"the audit shows {seen}")
    return "a token with act let through, the audit shows it; one without act refused"


def _keycloak_tokens(setting: Setting) -> str:
    """Have the gateway take three kinds of Keycloak's tokens, and refuse each that was changed."""
    path = "foreign-keycloak"
    with _keycloak(setting, path) as foreign:
        user = {"grant_type": "password", "username": USER, "password": setting.stage.password}
        issued = foreign.token(**user)
        exchanged = foreign.token(
            GATEWAY, grant_type=EXCHANGE, subject_token=foreign.token(**user), subject_token_type=ACCESS_TOKEN
        )
        light = foreign.token(("light", AGENT[1]), **user)
        for resolver, tokens in (
            (_stateless(foreign), {"a JWT": issued, "an exchanged one": exchanged}),
            (_introspection(foreign), {"a lightweight one": light}),
        ):
            with _route(setting, path, foreign, resolver, require_actor=False, scope="email"):
                for kind, token in tokens.items():
                    statuses = [_call(setting, path, each) for each in (token, f"{token[:-8]}AAAAAAAA")]
                    require(statuses == [200, 401], f"{kind} and a changed one: {statuses}")
    return "a JWT, an exchanged one and a lightweight one, introspected, let through; changed ones refused"


FAMILY = Family(
    "foreign-authorities",
    "Authorities of others behind the gateway",
    (
        Row(NAME, "JWTs, found by the issuer alone", _tokens("foreign-jwt", _stateless, "jwt"), quick=True),
        Row(NAME, "opaque tokens, introspected", _tokens("foreign-opaque", _introspection, "opaque")),
        Row(NAME, "exchanged tokens, where an actor is required", _exchanged),
        Row("Keycloak", "JWTs, lightweight and exchanged tokens", _keycloak_tokens),
    ),
    lambda: install.npm_versions("tools", "oidc-provider") | {"Keycloak": KEYCLOAK.split(":")[2]},
)
