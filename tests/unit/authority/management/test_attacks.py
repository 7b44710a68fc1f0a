"""What nobody may reach, set or change: other environments, other owners, members that no entry has."""

import asyncio
import contextlib
import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from deputize.authority.management.app import document
from deputize.authority.storage.tables import METADATA
from support.console import ROLES
from support.examples import examples
from support.management import ROOT, running_management
from unit.authority.management.test_roles import BODIES, OPERATIONS, prepare

KINDS = {
    "resources": "test",
    "agreements": "Agent Consent",
    "policies": "Agent-Consent-Login",
    "agents": "MCP Tutorial",
    "users": "demouser",
}


async def state(api):
    """All that is stored of the directory and users."""
    rows = await api.authority.store.directory_rows.load()
    users = await api.authority.store.users.users_of(api.console.environment)
    return rows.objects, rows.secrets, rows.signing_keys, sorted(users, key=lambda user: user.id)


async def test_ids_of_one_environment_mean_nothing_in_another(api):
    """Every operation on something, asked for in the other environment by who may do everything."""
    ids = {kinds: (await api.find(kinds, name))["id"] for kinds, name in KINDS.items()}
    await api.add_session("s1", ids["users"])
    await api.add_consent(ids["users"], ids["agents"])
    await api.ask("PATCH", "", {"registration": {"open": False, "initial_access_tokens": True}})
    ids["invitations"] = (await api.ask("POST", "/invitations")).json()["object"]["id"]
    await api.ask("POST", "/keys/rotate")
    keys = (await api.ask("GET", "/keys")).json()["items"]
    ids["keys"] = next(each["id"] for each in keys if each["facts"]["state"] == "retired")
    ids["activities"] = (await api.ask("GET", "/activities")).json()["items"][0]["id"]
    ids["sessions"] = "s1"
    before, tried = await state(api), 0
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if "{object_id}" not in path or "{environment}" not in path:
                continue
            tag = operation["tags"][0]
            target = path.format(environment=api.console.home, object_id=ids[tag], agent_id=ids["agents"])
            body = {} if "requestBody" in operation else None
            response = await api.ask(method.upper(), target, body)
            if operation["operationId"] == "endSessionsOfUser":
                assert response.json()["differences"] == []
            else:
                assert response.status_code in {404, 409}, (operation["operationId"], response.text)
            tried += 1
    assert tried > 30
    assert await state(api) == before
    assert (await api.ask("GET", "/sessions")).json()["items"]


async def test_an_owner_reaches_own_agents_only(api):
    agent, other = await api.find("agents", "MCP Tutorial"), await api.find("agents", "Other Agent")
    administration = api.authority.services.administration
    await administration.change(
        ROOT, api.console.environment, "agent", {"owner": "agent_owner"}, object_id=agent["id"]
    )
    listed = (await api.ask("GET", "/agents", role="agent_owner")).json()["items"]
    assert [each["name"] for each in listed] == ["MCP Tutorial"]
    before = await state(api)
    for method, path, body in (
        ("GET", f"/agents/{other['id']}", None),
        ("GET", f"/agents/{other['id']}/activities", None),
        ("GET", f"/activities?agent_id={agent['id']}", None),
        ("PATCH", f"/agents/{other['id']}", {"enabled": False}),
        ("POST", f"/agents/{other['id']}/disable", None),
        ("POST", f"/agents/{other['id']}/secrets", None),
        ("DELETE", f"/agents/{other['id']}", None),
        ("PATCH", f"/agents/{agent['id']}", {"owner": "somebody"}),
        ("PATCH", f"/agents/{agent['id']}", {"scopes": {"test": ["test"]}}),
        ("PATCH", f"/agents/{agent['id']}", {"name": "Renamed"}),
        ("PUT", f"/agents/{agent['id']}", {"description": "x"}),
        ("DELETE", f"/agents/{agent['id']}", None),
        ("POST", "/agents", {"name": "Mine", "owner": "agent_owner"}),
        ("POST", "/v1/apply", {"text": "environment: Agent Delegation\n"}),
    ):
        response = await api.ask(method, path, body, role="agent_owner")
        assert response.status_code in {403, 404}, (method, path, response.text)
    assert await state(api) == before
    stopped = await api.ask("POST", f"/agents/{agent['id']}/disable", role="agent_owner")
    assert stopped.json()["object"]["entry"]["enabled"] is False
    again = await api.ask("POST", f"/agents/{agent['id']}/enable", role="agent_owner")
    assert again.status_code == 403, "whoever stopped it had a reason"


@pytest.mark.parametrize(
    "member",
    [
        {"environment_id": "x"}, {"secret_digests": ["x"]}, {"term": "x"}, {"secrets": []}, {"kind": "user"},
        {"waiting": False}, {"introduction": {}}, {"created_at": 1}, {"etag": "x"}, {"facts": {}},
    ],
)  # fmt: skip
async def test_members_that_no_entry_has_are_refused(api, member):
    agent, user = await api.find("agents", "MCP Tutorial"), await api.find("users", "demouser")
    before = await state(api)
    for path in (f"/agents/{agent['id']}", f"/users/{user['id']}"):
        for method in ("PATCH", "PUT"):
            response = await api.ask(method, path, member)
            assert response.status_code == 422, (path, response.text)
            assert response.json()["errors"][0]["pointer"] == f"/{next(iter(member))}"
    assert await state(api) == before


async def test_roles_are_given_in_the_administrators_environment_only(api):
    user = await api.find("users", "demouser")
    for body in ({"roles": ["administrator"]},):
        response = await api.ask("PATCH", f"/users/{user['id']}", body)
        assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/roles")


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "&{HOME}",
        "${7*7}",
        "' OR 1=1 --",
        "\u202e",
    ]
)


def test_text_comes_back_exactly(tmp_path):
    with asyncio.Runner() as runner:
        running = contextlib.AsyncExitStack()
        api = runner.run(running.enter_async_context(running_management(tmp_path / "data")))

        @settings(max_examples=examples(100), deadline=None)
        @given(
            TEXTS,
            st.dictionaries(TEXTS, st.recursive(TEXTS | st.integers(-9, 9), st.lists, max_leaves=4)),
        )
        def check(text, attributes):
            runner.run(keep_texts(api, text, attributes))

        check()
        runner.run(running.aclose())


async def keep_texts(api, text, attributes):
    agent, user = await api.find("agents", "MCP Tutorial"), await api.find("users", "demouser")
    changed = await api.ask("PATCH", f"/agents/{agent['id']}", {"description": text})
    assert changed.status_code in {200, 422}
    if changed.status_code == 200:
        read = await api.ask("GET", f"/agents/{agent['id']}")
        assert read.json()["entry"]["description"] == text
        assert read.headers["content-type"] == "application/json"
        assert read.headers["x-content-type-options"] == "nosniff"
    changed = await api.ask("PUT", f"/users/{user['id']}", {"attributes": attributes})
    assert changed.status_code in {200, 422}
    if changed.status_code == 200:
        read = (await api.ask("GET", f"/users/{user['id']}")).json()["entry"]
        assert read.get("attributes", {}) == attributes
        exported = await api.ask("GET", "/export")
        again = await api.ask(
            "POST",
            "/v1/apply?dry_run=true",
            content=exported.content,
            headers={"Content-Type": "application/yaml"},
        )
        assert again.json()["differences"] == [], exported.text


def keys(x):
    """The public key of RFC 8037, appendix A, or one like it."""
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k"}]}


OWN, ANOTHER = (keys(f"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR{last}") for last in ("o", "8"))


@pytest.mark.parametrize(
    ("scopes", "is_more"), [(["agent_owner"], False), (["auditor"], True), (ROLES, True)]
)
async def test_nobody_administers_more_by_an_agent_of_his_own(api, scopes, is_more):
    """Whoever has an agent's secret or key is the agent, and gets tokens with all that it was granted."""
    entry = {"owner": "agent_owner", "scopes": {"Management": [*scopes]}, "grants": ["client_credentials"]}
    paths, kept = [], {}
    for more in ({"name": "Secret"}, {"name": "Key", "client_auth": "private_key_jwt", "jwks": OWN}):
        made = await api.ask("POST", f"{api.home}/agents", {**entry, **more})
        assert made.status_code == 201, made.text
        paths.append(f"{api.home}/agents/{made.json()['object']['id']}")
        kept[paths[-1]] = (await api.ask("GET", paths[-1])).json()
    by_secret, by_key = paths
    answers = [
        await api.ask("POST", f"{by_secret}/secrets", role="agent_owner"),
        await api.ask("PATCH", by_key, {"jwks": ANOTHER}, role="agent_owner"),
        await api.ask("PATCH", by_key, {"jwks": ANOTHER, "description": "Mine"}, role="agent_owner"),
    ]
    assert [each.status_code for each in answers] == [403 if is_more else 200] * 3
    for path in paths:
        assert ((await api.ask("GET", path)).json() == kept[path]) == is_more
        stopping = {"enabled": False, "description": "Stopped"}
        assert (await api.ask("PATCH", path, stopping, role="agent_owner")).status_code == 200


def operations(parameter):
    """The operations that take this parameter, each as method, path and itself."""
    return [
        each
        for each in OPERATIONS
        if parameter in {named["name"].lower() for named in each[2].get("parameters", ())}
    ]


def address(api, ids, path, operation):
    return path.format(environment=api.console.environment, **ids.get(operation["tags"][0], {}))


async def test_a_rehearsal_changes_nothing(api):
    def read(connection):
        tables = [each for each in METADATA.sorted_tables if not each.name.startswith("activit")]
        return {each.name: sorted(map(str, connection.execute(select(each)).all())) for each in tables}

    ids = await prepare(api)
    for method, path, operation in operations("dry_run"):
        place, body = address(api, ids, path, operation), BODIES.get(operation["operationId"])
        if method == "PUT" and body is None:
            body = (await api.ask("GET", place)).json()["entry"]
        before = await api.authority.store.database.write(read)
        answer = await api.ask(method, f"{place}?dry_run=true", body)
        assert answer.status_code in {200, 409, 422}, (method, path, answer.text)
        assert await api.authority.store.database.write(read) == before, (method, path)


def cursor_of(parts):
    return urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


CURSORS = [
    *map(cursor_of, ([""], ["1", "2"], ["nan", "x"], ["inf", "x"], ["1e400", "x"], ["a", "b", "c"])),
    *map(cursor_of, (["\ud800"], ["\0"], ["x" * 5000], [1], {}, "x", None, [[[]]])),
    *("", "%25", "A", "%3D%3D%3D%3D", "x" * 9000, "%C3%A4"),
]


async def test_a_made_up_cursor_is_refused_or_an_odd_place_to_begin(api):
    ids = await prepare(api)
    for method, path, operation in operations("cursor"):
        for cursor in CURSORS:
            answer = await api.ask(method, f"{address(api, ids, path, operation)}?cursor={cursor}")
            assert answer.status_code in {200, 400, 422}, (path, cursor, answer.text)


async def test_no_answer_stays_in_a_cache(api):
    ids = await prepare(api)
    for method, path, operation in OPERATIONS:
        body = BODIES.get(operation["operationId"]) if "requestBody" in operation else None
        for role in ("auditor", None):
            answer = await api.ask(method, address(api, ids, path, operation), body, role=role)
            assert answer.headers["cache-control"] == "no-store", (method, path, answer.status_code)
