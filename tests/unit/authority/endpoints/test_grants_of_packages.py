"""Grants and client authentication methods of other packages: found through their entry points, and used."""

import asyncio
import sys
from urllib.parse import urlencode

import pytest

from deputize.authority.directory.service import open_directory
from deputize.authority.environment_file import Application, apply
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.storage import open_store
from deputize.http.exchange import Exchange
from deputize.http.messages import Body
from deputize.http.plans.plan import Run
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.uris import Target
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.grants import GRANTS
from support.agent_delegation import AGENT, AGENT_ID, AGENT_SECRET
from support.authority import basic, head_of
from support.databases import new_database

PACKAGE, GRANT_TYPE, METHOD = "deputize_minutes", "urn:example:oauth:grant-type:minute", "api_key"
MODULE = f"""
import asyncio

from deputize.oauth.access_tokens import Issue, issue_access_token
from deputize.oauth.client_auth.authentication import ClientAuthMethod, Credentials
from deputize.oauth.grants.grant_type import GrantType, response_of
from deputize.oauth.lineage import Lineage
from deputize.oauth.resources import choose_target


async def handle(request, ports):
    async with asyncio.timeout(5):
        await asyncio.sleep(0)
    target = choose_target(request.environment, request.client, request.parameters)
    issue = Issue(
        environment=request.environment,
        client=request.client,
        resource=target.resource,
        scopes=target.scopes,
        grant_type={GRANT_TYPE!r},
        now=request.now,
        expires_at=int(request.now) + 60,
        lineage=ports.extend(Lineage(None), request.client.term, target.resource.term),
    )
    return response_of(issue_access_token(issue))


def find_credentials(authorization, parameters):
    scheme, _, value = (authorization or "").partition(" ")
    client_id, dot, secret = value.partition(".")
    return Credentials(client_id, secret, {METHOD!r}) if scheme == "ApiKey" and dot else None


MINUTE = GrantType({GRANT_TYPE!r}, handle)
API_KEY = ClientAuthMethod({METHOD!r}, find_credentials)
"""
API_KEY = {"Authorization": f"ApiKey {AGENT_ID}.{AGENT_SECRET}"}
FORM = {"grant_type": GRANT_TYPE, "scope": "agent"}
FILE = """
environment: Minutes
resources:
  - name: Tea
    audience: tea
    scopes: [{ name: drink }]
agents:
  - name: Kettle
    grants: [minute, client_credentials]
    client_auth: api_key
    scopes: { Tea: [drink] }
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    site = tmp_path / "site"
    metadata = site / f"{PACKAGE}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / f"{PACKAGE}.py").write_text(MODULE, "utf-8")
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[deputize.grants]\nminute = {PACKAGE}:MINUTE\n"
        f"[deputize.client_authentication]\napi_key = {PACKAGE}:API_KEY\n"
    )
    monkeypatch.syspath_prepend(site)
    forget_members()
    yield
    forget_members()


def forget_members():
    for family in (GRANTS, CLIENT_AUTH_METHODS):
        family.__dict__.pop("members", None)
        family.__dict__.pop("by_name", None)
    sys.modules.pop(PACKAGE, None)


async def applied(authority, tmp_path):
    async with open_store(new_database(tmp_path / "applied")) as store:
        application = Application(FILE.encode(), "minutes.yaml", {}.get, False, False, None)
        await apply(application, store, authority.services.passwords, authority.clock)
        directory = await open_directory(store.directory_rows, authority.base_url, authority.clock)
    (environment,) = directory.current.environments.values()
    (agent,) = environment.agents.values()
    return agent


async def test_a_client_gets_a_token_by_both(package, authority):
    grants, path = AGENT.grant_types | {GRANT_TYPE}, f"{authority.path}/as/token"
    authority.directory.replace_agent(grant_types=grants, client_auth=METHOD)
    async with authority.client() as client:
        response = await client.post(path, data=FORM, headers=API_KEY)
        refused = await client.post(path, data=FORM, headers=basic())
    assert (response.status_code, response.json()["expires_in"]) == (200, 60)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


async def test_a_grant_has_a_task_whoever_begins_the_request(package, authority):
    authority.directory.replace_agent(grant_types=AGENT.grant_types | {GRANT_TYPE}, client_auth=None)
    fields = [(name.encode(), value.encode()) for name, value in basic().items()]
    head = head_of("POST", [*fields, (b"Content-Type", b"application/x-www-form-urlencoded")])
    head = head.with_target(Target(f"{authority.path}/as/token", None))
    loop = asyncio.get_running_loop()
    answered = loop.create_future()
    run = Run(Exchange(head, head.peer, "", 0.0, 0.0, Body(urlencode(FORM).encode())), answered.set_result)
    loop.call_soon(run.start, authority.app.plan(head))  # as a connection does, which has no task
    assert (await answered).status == 200


async def test_a_client_without_the_grant_gets_none(package, authority):
    async with authority.client() as client:
        response = await client.post(f"{authority.path}/as/token", data=FORM, headers=API_KEY)
    assert response.json()["error"] == "unauthorized_client"


async def test_the_metadata_names_both(package, authority):
    async with authority.client() as client:
        metadata = (await client.get(f"{authority.path}/as/.well-known/openid-configuration")).json()
    assert GRANT_TYPE in metadata["grant_types_supported"]
    for endpoint in ("token", "introspection", "revocation"):
        assert METHOD in metadata[f"{endpoint}_endpoint_auth_methods_supported"]


async def test_an_environment_file_gives_both_to_an_agent(package, authority, tmp_path):
    agent = await applied(authority, tmp_path)
    assert (agent.grant_types, agent.settings.client_auth) == ({GRANT_TYPE, "client_credentials"}, METHOD)


async def test_an_environment_file_cannot_without_the_package(authority, tmp_path):
    with pytest.raises(EnvironmentFileInvalid) as raised:
        await applied(authority, tmp_path)
    assert "/agents/0/grants/0: no grant has this name" in str(raised.value)
    assert "/agents/0/client_auth: no client authentication method has this name" in str(raised.value)


@pytest.mark.parametrize("grant_type", ["urn:acme:token-exchange", "urn:acme:Client-Credentials"])
def test_a_grant_that_files_would_take_for_another_stops_the_start(package, tmp_path, grant_type):
    module = tmp_path / "site" / f"{PACKAGE}.py"
    module.write_text(module.read_text("utf-8").replace(GRANT_TYPE, grant_type), "utf-8")
    with pytest.raises(ConfigurationError) as raised:
        _ = GRANTS.members
    word = grant_type.rpartition(":")[2].lower().replace("-", "_")
    assert f"Deputize itself provides {word!r} already" in str(raised.value)
    assert f"repair or remove {PACKAGE}" in str(raised.value)
