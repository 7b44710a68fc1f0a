import contextlib
import json
from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from deputize.authority.directory.assemble import assemble
from deputize.authority.environment_file import Application, apply
from deputize.authority.storage import (
    ObjectRow,
    Put,
    Remove,
    SecretRow,
    SigningKeyRow,
    StorageError,
    open_store,
    sqlite_url,
)
from deputize.authority.storage import migrations as package
from deputize.authority.storage import store as store_module
from deputize.authority.storage.migrations import HEAD
from deputize.authority.storage.tables import METADATA
from deputize.jose import new_key_ring
from deputize.oauth.records.store import Acceptance


@pytest.fixture(autouse=True)
def migrating(monkeypatch):
    """Migrate, which other tests of the fast suite leave out."""
    monkeypatch.setattr(store_module, "migrate", package.migrate)


async def test_migrations_lead_to_exactly_the_tables(tmp_path):
    async with open_store(sqlite_url(tmp_path)):
        pass
    with create_engine(sqlite_url(tmp_path)).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
    connection.engine.dispose()


def test_head_is_the_newest_revision():
    assert ScriptDirectory(package.__path__[0]).get_current_head() == HEAD


async def test_opening_again_changes_nothing(tmp_path):
    for _ in range(2):
        async with open_store(sqlite_url(tmp_path)) as store:
            assert await store.directory_rows.version() == 0


async def test_a_database_of_a_newer_version_is_refused(tmp_path):
    async with open_store(sqlite_url(tmp_path)):
        pass
    engine = create_engine(sqlite_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StorageError, match="revision 9999"):
        async with open_store(sqlite_url(tmp_path)):
            pass


@contextlib.contextmanager
def database_at(url, revision):
    """A connection to a new database as it was at that revision."""
    configuration = Config()
    configuration.set_main_option("script_location", package.__path__[0])
    engine = create_engine(url)
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, revision)
        yield connection
    engine.dispose()


async def test_the_first_version_s_users_and_sessions_stay_and_its_consents_and_tokens_go(tmp_path):
    url = sqlite_url(tmp_path)
    with database_at(url, "0001") as connection:
        for statement in (
            "INSERT INTO environments VALUES ('e', 'Test', '{}')",
            (
                "INSERT INTO users (id, environment_id, username, password_hash, enabled) VALUES ('u', 'e', "
                "'ada', 'hash', 1)"
            ),
            (
                "INSERT INTO users (id, environment_id, username, password_hash, enabled) VALUES ('v', 'e', "
                "'eve', '', 1)"
            ),
            "INSERT INTO sessions VALUES ('s', 'e', 'u', 'cookie', 900, 5000.0, NULL)",
            "INSERT INTO consents VALUES ('e', 'u', 'a', 1, 'r', 'en', 900.0, NULL, NULL)",
            "INSERT INTO issued_tokens VALUES ('j', 'f', 5000.0, 0)",
        ):
            connection.execute(text(statement))
    async with open_store(url) as store:
        ada, eve = await store.users.users_of("e")
        session = await store.sessions.find_session("e", "cookie")
        assert (ada.username, ada.password_hash, ada.enabled) == ("ada", "hash", True)
        assert len(ada.term) == len(eve.term) == 8
        assert ada.term != eve.term
        assert (session.user_term, session.created_at, session.last_used_at) == (ada.term, 900.0, 900.0)
        assert await store.consents.consents_of("e", "u") == ()


ENVIRONMENT_ID, RESOURCE_ID, AGREEMENT_ID, POLICY_ID, AGENT_ID, OLD_ID = (
    f"00000000-0000-4000-8000-0000000000{each}" for each in ("e1", "a1", "a2", "a3", "a4", "a5")
)
FILE = """
environment: Test
session_lifetime: 8 hours
resources:
  - name: api
    audience: https://api.example.com/
    token_lifetime: 10 minutes
    scopes: [{ name: read, description: Read }, { name: write, consent: on_use }]
    attributes:
      - { name: sub, mapping: Username }
      - { name: act, expression: "#root.context.requestData.subjectToken.may_act" }
      - { name: tenant, value: acme, required: true }
agreements:
  - name: Terms
    reconsent_every: 36 hours
    languages:
      - { locale: en, title: Terms, text: I agree to it }
policies:
  - name: Agree
    steps: [{ login: {} }, { agreement_prompt: { agreement: Terms } }]
agents:
  - name: Agent
    grants: [client_credentials, token_exchange]
    redirect_uris: ["https://agent.example.com/"]
    scopes: { api: [write, read] }
    policies: [Agree]
    client_auth: client_secret_post
"""
REVISION_0002 = (
    (
        RESOURCE_ID,
        "resource",
        "api",
        {
            "audience": "https://api.example.com/",
            "description": "",
            "token_lifetime": 600,
            "attributes": [
                {"name": "sub", "value": "${user.username}", "required": False},
                {
                    "name": "act",
                    "value": "${#root.context.requestData.subjectToken.may_act}",
                    "required": False,
                },
                {"name": "tenant", "value": "acme", "required": True},
            ],
            "scopes": {
                "read": {"description": "Read", "consent": "first"},
                "write": {"description": "", "consent": "on_use"},
            },
            "delegation_required": None,
            "may_outlive_subject": False,
            "impersonation_allowed": False,
            "term": "6AjVq6Gm",
        },
    ),
    (
        AGREEMENT_ID,
        "agreement",
        "Terms",
        {
            "description": "",
            "enabled": True,
            "reconsent_days": 1.5,
            "version": 2,
            "texts": [
                {
                    "locale": "en",
                    "title": "Terms",
                    "content_type": "text/plain",
                    "text": "I agree to it",
                    "revision": "244dda6e0354be158ee1bce1919f95f8",
                    "enabled": True,
                }
            ],
        },
    ),
    (
        POLICY_ID,
        "policy",
        "Agree",
        {
            "steps": [
                {"type": "LOGIN", "settings": {}},
                {"type": "AGREEMENT", "settings": {"agreement": AGREEMENT_ID}},
            ],
            "term": "r7RrLnie",
        },
    ),
    (
        AGENT_ID,
        "agent",
        "Agent",
        {
            "description": "",
            "enabled": True,
            "grant_types": [
                "authorization_code",
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ],
            "redirect_uris": ["https://agent.example.com/"],
            "post_logout_redirect_uris": [],
            "scopes": {RESOURCE_ID: ["read", "write"]},
            "policies": ["Agree"],
            "client_auth": "client_secret_post",
            "refresh_token_lifetime": 2592000,
            "refresh_token_rolling_lifetime": 15552000,
            "refresh_token_grace": 30,
            "term": "fxUwQLoD",
        },
    ),
    # As still older versions wrote them, before there were terms and `client_auth`.
    (
        OLD_ID,
        "resource",
        "old",
        {"audience": "old", "scopes": {"x": "What x is"}, "attributes": [{"name": "a", "value": "b"}]},
    ),
    (OLD_ID.replace("a5", "a6"), "agent", "old", {"client_auth_method": "client_secret_basic"}),
    (OLD_ID.replace("a5", "a7"), "agent", "post", {"client_auth_method": "client_secret_post"}),
    (OLD_ID.replace("a5", "a8"), "policy", "broken", {"steps": ["nonsense"], "term": "BbZSfLru"}),
)
"""Documents as the program at revision 0002 stored them for `FILE`."""


class Clock:
    def now(self) -> float:
        return 1000.0


async def test_documents_of_revision_0002_say_the_same_in_the_words_of_the_file(tmp_path):
    url = sqlite_url(tmp_path)
    settings = {
        "organization_id": ENVIRONMENT_ID,
        "default_policy": "Single_Factor",
        "default_language": "en",
        "session_lifetime": 28800,
        "session_idle_lifetime": 7200,
        "base_url": "https://auth.example.com",
    }
    with database_at(url, "0002") as connection:
        connection.execute(
            text("INSERT INTO environments VALUES (:id, 'Test', :document)"),
            {"id": ENVIRONMENT_ID, "document": json.dumps(settings)},
        )
        for object_id, kind, name, document in REVISION_0002:
            connection.execute(
                text("INSERT INTO directory_objects VALUES (:id, :environment, :kind, :name, :document)"),
                {
                    "id": object_id,
                    "environment": ENVIRONMENT_ID,
                    "kind": kind,
                    "name": name,
                    "document": json.dumps(document),
                },
            )
    async with open_store(url) as store:
        keys = [
            Put(SigningKeyRow(ENVIRONMENT_ID, key.kid, position, key.to_json()))
            for position, key in enumerate(new_key_ring("k1", "k2", 1000.0).keys)
        ]
        await store.directory_rows.change(keys, 0)
        rows = await store.directory_rows.load()
        assembled = assemble(rows, "https://auth.example.com", 1000.0)
        applied = await apply(Application(FILE.encode(), "f", {}.get), store, None, Clock())
    assert [each for each in applied.lines if not each.startswith("  a new secret")] == []
    assert applied.base_url == "https://auth.example.com"
    assert [each.split(" of ")[0] for each in assembled.problems] == ["policy 'broken'"]
    environment = assembled.directory.environments[ENVIRONMENT_ID]
    assert environment.settings.session_lifetime == 28800
    resource, old = environment.resources[RESOURCE_ID], environment.resources[OLD_ID]
    assert (resource.term, resource.settings.token_lifetime, resource.delegation_required) == (
        "6AjVq6Gm",
        600,
        True,
    )
    assert [each.mapping.source for each in resource.attributes][2] == "acme"
    assert resource.scopes["write"].consent == "on_use"
    assert (old.scopes["x"].description, old.scopes["x"].consent) == ("What x is", "first")
    assert old.term == urlsafe_b64encode(sha256(OLD_ID.encode()).digest())[:8].decode()
    agreement = environment.agreements[AGREEMENT_ID]
    assert (agreement.version, agreement.settings.reconsent_every) == (2, 36 * 3600)
    assert agreement.texts[0].revision == "244dda6e0354be158ee1bce1919f95f8"
    policy = environment.policies["Agree"]
    assert (policy.term, policy.steps[1].settings) == ("r7RrLnie", {"agreement": AGREEMENT_ID})
    agent = environment.agents[AGENT_ID]
    assert (agent.term, agent.settings.client_auth) == ("fxUwQLoD", "client_secret_post")
    assert agent.grant_types == set(REVISION_0002[3][3]["grant_types"])
    assert agent.scopes == {RESOURCE_ID: frozenset({"read", "write"})}
    methods = {each.name: each.settings.client_auth for each in environment.agents.values()}
    # Every agent was once stored with the first method, and none was held to it.
    assert (methods["old"], methods["post"]) == (None, "client_secret_post")


async def test_objects_and_their_secrets_stay_where_ids_become_their_environment_s(tmp_path):
    url = sqlite_url(tmp_path)
    with database_at(url, "0008") as connection:
        for statement in (
            "INSERT INTO environments (id, name, document) VALUES ('e', 'Test', '{}')",
            "INSERT INTO directory_objects VALUES ('a', 'e', 'agent', 'Me', '{\"x\": 1}', 't', '{\"h\": 2}')",
            "INSERT INTO secrets VALUES ('s', 'e', 'a', 'digest', 900.5, NULL)",
        ):
            connection.exec_driver_sql(statement)
    async with open_store(url) as store:
        rows = await store.directory_rows.load()
        assert rows.objects == (ObjectRow("a", "e", "agent", "Me", {"x": 1}, "t", {"h": 2}),)
        assert rows.secrets == (SecretRow("s", "e", "a", "digest", 900.5, None),)
        await store.directory_rows.change([Remove(rows.objects[0])], rows.version)
        assert (await store.directory_rows.load()).secrets == ()


async def test_consents_become_acceptances_with_the_words_that_are_still_known(tmp_path):
    url = sqlite_url(tmp_path)
    shown = {"locale": "en", "title": "Terms", "content_type": "text/plain", "text": "I agree to it"}
    with database_at(url, "0011") as connection:
        for statement in (
            "INSERT INTO environments (id, name, document) VALUES ('e', 'Test', '{}')",
            (
                "INSERT INTO users (id, environment_id, username, password_hash, enabled, term) "
                "VALUES ('u', 'e', 'ada', 'hash', 1, 't')"
            ),
        ):
            connection.exec_driver_sql(statement)
        agreement = {"languages": [shown]}
        connection.execute(
            text("INSERT INTO directory_objects VALUES ('g', 'e', 'agreement', 'Agent Terms', :d, '', '{}')"),
            {"d": json.dumps(agreement)},
        )
        for name, revision, withdrawn in (
            ("a", "244dda6e0354be158ee1bce1919f95f8", None),
            ("b", "an-older-text", 970.0),
        ):
            connection.execute(
                text(
                    "INSERT INTO consents VALUES (:id, 'e', 'u', :client, 'g', 2, :revision, 'en', 950.5, "
                    "1950.5, :covers, :withdrawn, 960.0)"
                ),
                {
                    "id": f"c-{name}",
                    "client": name,
                    "revision": revision,
                    "covers": json.dumps({name: {"r": ["read"]}}),
                    "withdrawn": withdrawn,
                },
            )
    async with open_store(url) as store:
        (user,) = await store.users.users_of("e")
        assert not user.must_change_password
        known, unknown = await store.acceptances.acceptances_of("e", "u")
        assert known == Acceptance(
            "c-a", "e", "u", "a", "g", "c-a", 2, "244dda6e0354be158ee1bce1919f95f8", "en", 950.5, 1950.5,
            {"a": {"r": ("read",)}}, known.wording,
        )  # fmt: skip
        assert await store.acceptances.find_wording("e", known.wording) == {
            "agreement": {
                "name": "Agent Terms",
                "version": 2,
                "language": "en",
                "title": "Terms",
                "content_type": "text/plain",
                "text": "I agree to it",
            }
        }
        assert (unknown.client_id, unknown.withdrawn_at, unknown.wording) == ("b", 970.0, None)


async def test_refresh_tokens_of_revision_0018_count_as_uses_of_their_agents(tmp_path):
    url = sqlite_url(tmp_path)
    with database_at(url, "0018") as connection:
        for table, values in (
            ("environments", {"id": "e", "name": "Test", "document": "{}"}),
            (
                "users",
                {"id": "u", "environment_id": "e", "username": "ada", "password_hash": "", "enabled": 1},
            ),
            (
                "directory_objects",
                {
                    "id": "a",
                    "environment_id": "e",
                    "kind": "agent",
                    "name": "A",
                    "document": "{}",
                    "term": "t",
                }
                | {"history": "{}"},
            ),
            (
                "grants",
                dict.fromkeys(("client_term", "user_term", "policy_term", "resource_term"), "t")
                | {"id": "g", "environment_id": "e", "client_id": "a", "user_id": "u", "session_id": "s"}
                | {"auth_time": 900, "acr": "A", "scopes": "[]", "consents": "[]"}
                | {"created_at": 900.0, "expires_at": 5000.0},
            ),
            (
                "refresh_tokens",
                {"grant_id": "g", "digest": "d", "generation": 1, "rotated_at": 950.0, "expires_at": 5000.0},
            ),
        ):
            names = ", ".join(values)
            marks = ", ".join(f":{name}" for name in values)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)  # noqa: S608
    async with open_store(url) as store:
        assert await store.listings.last_uses("e", ["a"]) == {"a": 950.0}
        assert (await store.refresh_tokens.find_refresh_token("d")).grant_id == "g"
