"""One authority is an enterprise's identity provider and, in another environment, a service that trusts it.

An agent signs its user on at the one, takes an identity assertion to the other, and calls an API behind the
gateway with what it gets for it. A workload comes there without any secret.
"""

import base64
import contextlib
import json
import socket
import time

import httpx2
import pytest

from deputize.authority.directory.service import open_directory
from deputize.authority.environment_file import EnvironmentFileInvalid
from deputize.authority.serve import ServeOptions, listen
from deputize.authority.storage import open_store
from deputize.oauth.assertions import ID_JAG, ID_JAG_PROFILE
from deputize.oauth.grants import jwt_bearer, token_exchange
from support.agent_delegation import (
    AGENT_ID,
    AGENT_SECRET,
    ENVIRONMENT_ID,
    REDIRECT_URI,
    TEST_AUDIENCE,
    TEST_ID,
    TEST_SECRET,
    USER_ID,
    VERIFIER,
)
from support.authority import PASSWORD, Browser, TurnableClock, authorization_parameters, basic, serving
from support.client_proofs import assertion_form
from support.databases import new_database
from support.gateway import write_json
from support.introductions import FILE, apply_file
from support.issuers import ALGORITHMS, jwk_set, signed
from support.wire import Server, answer_json, ask

ENTERPRISE_ID = "5f0b3c1e-2222-4d7e-8a11-0c9d8e7f6a50"
WIKI_ID = "6a1c4d2f-3333-4e8f-9b22-1d0e9f807b61"
EMPLOYEE_ID = "7b2d5e30-4444-4f90-ac33-2e1fa0918c72"
CLUSTER, SUBJECT = "https://kubernetes.example.com", "system:serviceaccount:agents:mail"
CLUSTER_KEY = ALGORITHMS["ES256"]
ENTERPRISE = f"""
environment: Enterprise
id: {ENTERPRISE_ID}
resources: [{{ name: wiki, scopes: [{{ name: wiki }}] }}]
agents:
  - name: Wiki
    id: {WIKI_ID}
    secret: {AGENT_SECRET}
    grants: [refresh_token, token_exchange]
    redirect_uris: ["{REDIRECT_URI}"]
    scopes: {{ wiki: [wiki] }}
    identity_assertions:
      - audience: "BASE/{ENVIRONMENT_ID}/as"
        client_id: {AGENT_ID}
        resources: {{ "{TEST_AUDIENCE}": [test, other] }}
users:
  - {{ username: ada, id: {EMPLOYEE_ID}, password: {PASSWORD} }}
"""
SERVICE = FILE.replace("token_exchange]", "token_exchange, jwt_bearer]").replace(
    f"id: {USER_ID},", f"id: {USER_ID}, attributes: {{ employee: {EMPLOYEE_ID} }},"
)
TRUST = f"""
trusted_issuers:
  - issuer: "BASE/{ENTERPRISE_ID}/as"
    algorithms: [RS256]
    jwks: ENTERPRISE_KEYS
    users: {{ policy: Silent, subject: employee, decides_for_users: true }}
  - {{ issuer: "{CLUSTER}", algorithms: [ES256], jwks: {json.dumps(jwk_set(c1=CLUSTER_KEY))} }}
"""
WORKLOAD = f"""
environment: Agent Delegation
agents:
  - name: Mail
    client_auth: federated_jwt
    workloads: [{{ issuer: "{CLUSTER}", subject: "{SUBJECT}" }}]
    grants: [client_credentials]
    scopes: {{ agent: [agent] }}
"""


@contextlib.asynccontextmanager
async def two_environments(folder):
    """Serve both environments of one authority on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base_url, clock = f"http://127.0.0.1:{port}", TurnableClock(time.time())  # as the gateway's
    async with open_store(new_database(folder)) as store:
        directory = await open_directory(store.directory_rows, base_url, clock)
        async with serving(folder, base_url, store, directory, clock) as running:
            await apply_file(running, ENTERPRISE.replace("BASE", base_url))
            keys = directory.current.environments[ENTERPRISE_ID].keys.public_jwks()
            trust = TRUST.replace("BASE", base_url).replace("ENTERPRISE_KEYS", json.dumps(keys))
            await apply_file(running, SERVICE + trust)
            await apply_file(running, WORKLOAD)
            listener = await listen(running.services, ServeOptions("127.0.0.1", port, base_url))
            try:
                yield running
            finally:
                await listener.close()


class Enterprise:
    """A program at both environments."""

    def __init__(self, running, http):
        self.running, self.http = running, http

    async def token(self, environment_id, form, headers=None, status=200):
        response = await self.http.post(f"/{environment_id}/as/token", data=form, headers=headers)
        assert response.status_code == status, response.text
        return response.json()

    async def sign_on(self):
        """Sign the user on at the enterprise."""
        browser, request = (
            Browser(self.running, self.http),
            httpx2.QueryParams(authorization_parameters(client_id=WIKI_ID, scope="openid wiki")),
        )
        await browser.get(f"/{ENTERPRISE_ID}/as/authorize?{request}")
        await browser.sign_on(username="ada")
        form = {"grant_type": "authorization_code", "code": browser.answer["code"]}
        form |= {"redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        return await self.token(ENTERPRISE_ID, form, basic(WIKI_ID))

    async def assertion(self, **changes):
        """Return the identity assertion of a sign-on at the enterprise."""
        form = {
            "grant_type": token_exchange.GRANT_TYPE,
            "requested_token_type": ID_JAG,
            "subject_token": (await self.sign_on())["id_token"],
            "subject_token_type": token_exchange.ID_TOKEN,
            "audience": f"{self.running.base_url}/{ENVIRONMENT_ID}/as",
            "resource": TEST_AUDIENCE,
            **changes,
        }
        return await self.token(ENTERPRISE_ID, form, basic(WIKI_ID))

    async def redeem(self, assertion, status=200):
        form = {"grant_type": jwt_bearer.GRANT_TYPE, "assertion": assertion}
        return await self.token(ENVIRONMENT_ID, form, basic(), status)


@pytest.fixture
async def enterprise(tmp_path):
    async with (
        two_environments(tmp_path / "authority") as running,
        httpx2.AsyncClient(base_url=running.base_url) as http,
    ):
        yield Enterprise(running, http)


def route_of(running, backend):
    """Return a route that takes tokens of the service's resource, if the agent acts in them."""
    credentials = {"username": TEST_ID, "passwordSecretId": "resource.secret", "secretsProvider": "secrets"}
    authenticated = {
        "filters": [{"type": "HttpBasicAuthenticationClientFilter", "config": credentials}],
        "handler": "ForgeRockClientHandler",
    }
    resolver = {
        "type": "TokenIntrospectionAccessTokenResolver",
        "config": {
            "endpoint": f"{running.base_url}/{ENVIRONMENT_ID}/as/introspect",
            "providerHandler": {"type": "Chain", "config": authenticated},
        },
    }
    resource_server = {"requireHttps": False, "scopes": ["test"], "accessTokenResolver": resolver}
    condition = f"${{contexts.oauth2.accessToken.info.act.sub == '{AGENT_ID}'}}"
    filters = [
        {"type": "OAuth2ResourceServerFilter", "config": resource_server},
        {"type": "ConditionEnforcementFilter", "config": {"condition": condition}},
    ]
    return {
        "baseURI": backend.url,
        "heap": [{"name": "secrets", "type": "SystemAndEnvSecretStore"}],
        "handler": {"type": "Chain", "config": {"filters": filters, "handler": "ReverseProxyHandler"}},
    }


async def test_a_sign_on_at_the_enterprise_opens_the_service_and_shows_who_acts(
    enterprise, instance, started
):
    assertion = await enterprise.assertion()
    assert (assertion["token_type"], assertion["scope"]) == ("N_A", "test other")
    answer = await enterprise.redeem(assertion["access_token"])
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "test"), "other was not granted to the agent"
    async with Server(lambda _: answer_json({"served": True})) as backend:
        write_json(instance / "config" / "routes" / "api.json", route_of(enterprise.running, backend))
        secret = base64.b64encode(TEST_SECRET.encode()).decode()
        port = (await started(instance, {"RESOURCE_SECRET": secret})).ports[0]
        for token, status in ((answer["access_token"], 200), (assertion["access_token"], 401)):
            assert (await ask(port, "GET", "/api", [("Authorization", f"Bearer {token}")])).status == status
    (record,) = [each for each in await enterprise.running.records("TOKEN-ISSUED") if each["act"]]
    assert (record["userId"], record["sub"]) == (USER_ID, "demouser")


async def test_it_is_redeemed_once_and_at_the_service_alone(enterprise):
    text = (await enterprise.assertion())["access_token"]
    form = {"grant_type": jwt_bearer.GRANT_TYPE, "assertion": text}
    assert (await enterprise.token(ENTERPRISE_ID, form, basic(WIKI_ID), 400))[
        "error"
    ] == "unauthorized_client"
    assert await enterprise.redeem(text)
    assert (await enterprise.redeem(text, 400))["error"] == "invalid_grant"


async def test_the_enterprises_other_tokens_are_no_assertions(enterprise):
    signed_on = await enterprise.sign_on()
    for name in ("access_token", "id_token"):
        assert (await enterprise.redeem(signed_on[name], 400))["error"] == "invalid_grant"
    refused = await enterprise.running.records("TOKEN-REFUSED")
    assert all("type" in each["reason"] for each in refused)


async def test_both_say_what_they_do(enterprise):
    documents = [
        (await enterprise.http.get(f"/{each}/as/.well-known/openid-configuration")).json()
        for each in (ENTERPRISE_ID, ENVIRONMENT_ID)
    ]
    enterprise_says, service_says = documents
    assert enterprise_says["identity_chaining_requested_token_types_supported"] == [ID_JAG]
    assert service_says["authorization_grant_profiles_supported"] == [ID_JAG_PROFILE]
    assert jwt_bearer.GRANT_TYPE in service_says["grant_types_supported"]
    assert jwt_bearer.GRANT_TYPE not in enterprise_says["grant_types_supported"]
    assert "federated_jwt" in service_says["token_endpoint_auth_methods_supported"]
    assert "federated_jwt" not in enterprise_says["token_endpoint_auth_methods_supported"]


async def test_a_workload_needs_no_secret(enterprise):
    now, running = time.time(), enterprise.running
    claims = {"iss": CLUSTER, "sub": SUBJECT, "aud": [f"{running.base_url}/{ENVIRONMENT_ID}/as"]}
    claims |= {"exp": now + 600, "iat": now, "jti": "1"}
    form = {"grant_type": "client_credentials", "scope": "agent"}
    form |= assertion_form(signed(CLUSTER_KEY, claims, kid="c1"))
    assert (await enterprise.token(ENVIRONMENT_ID, form))["scope"] == "agent"
    assert (await enterprise.token(ENVIRONMENT_ID, form, status=401))["error"] == "invalid_client"
    (record,) = await running.records("TOKEN-ISSUED")
    assert record["clientAuth"] == "federated_jwt"


async def test_an_issuer_that_an_agent_relies_on_cannot_just_go(enterprise):
    with pytest.raises(EnvironmentFileInvalid, match="'Mail' still is a workload"):
        await apply_file(enterprise.running, "environment: Agent Delegation\ntrusted_issuers: []\n")
