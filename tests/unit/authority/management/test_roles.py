"""Each operation and each role: who may is what the API's description says."""

import pytest

from deputize.authority.administration.administrators import ROLES
from deputize.authority.management.app import document
from deputize.oauth.records.store import Factor
from support.authority import Browser
from support.management import ROOT, Management

OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in document()["paths"].items()
    for method, operation in methods.items()
]
OBJECTS = {
    "resources": "test",
    "agreements": "Agent Consent",
    "policies": "Agent-Consent-Login",
    "agents": "MCP Tutorial",
    "users": "demouser",
}
"""What the operations of a tag are tried on."""
BODIES = {
    "createEnvironment": {"environment": "Second"},
    "replaceEnvironment": {},
    "changeEnvironment": {},
    "explainDecision": {"agent": "MCP Tutorial", "resource": "test"},
    "applyFile": {"text": "environment: Second\n"},
    "createResource": {"name": "new"},
    "createAgreement": {"name": "new", "enabled": False},
    "createPolicy": {"name": "new", "steps": [{"login": {}}]},
    "createAgent": {"name": "new"},
    "createUser": {"username": "new"},
    "createAdministratorInvitation": {"username": "new", "roles": ["auditor"]},
    **{f"change{noun}": {} for noun in ("Resource", "Agreement", "Policy", "Agent", "User")},
}
"""What is sent, where it is not what there is."""


def roles_of(operation):
    return {role for way in operation["security"] for roles in way.values() for role in roles}


async def prepare(api: Management) -> dict[str, dict[str, str]]:
    """Let there be one of everything, and the agent owner own an agent; the parameters of paths, by tag."""
    found = {kinds: await api.find(kinds, name) for kinds, name in OBJECTS.items()}
    ids = {kinds: {"object_id": each["id"]} for kinds, each in found.items()}
    agent, user = found["agents"]["id"], found["users"]["id"]
    for method, path, body in (
        ("PATCH", f"/agents/{agent}", {"owner": "agent_owner"}),
        ("PATCH", "", {"registration": {"open": False, "initial_access_tokens": True}}),
        ("POST", "/keys/rotate", {"algorithms": ["RS256"]}),
    ):
        assert (await api.ask(method, path, body)).status_code == 200
    invitation = (await api.ask("POST", "/invitations")).json()["object"]["id"]
    body = {"username": "guest", "roles": ["auditor"]}
    invited = await api.ask("POST", "/v1/administrators/invitations", body)
    other = (await api.ask("POST", "/users", {"username": "other"})).json()["object"]["id"]
    for session_id, user_id in (("s1", user), ("s2", other)):
        await api.add_session(session_id, user_id)
    await api.add_consent(user, agent)
    keys = (await api.ask("GET", "/keys")).json()["items"]
    activities = (await api.ask("GET", "/activities")).json()["items"]
    ids["users"]["agent_id"] = agent
    return {
        **ids,
        "sessions": {"object_id": "s2"},
        "invitations": {"object_id": invitation},
        "administrators": {"object_id": invited.json()["object"]["id"]},
        "keys": {"object_id": next(each["id"] for each in keys if each["facts"]["state"] == "retired")},
        "activities": {"object_id": activities[0]["id"]},
    }


async def attempt(api: Management, ids, method, path, operation, role):
    """Ask for what changes nothing where that can be: a rehearsal, or of something that is another by now."""
    values = {"environment": api.console.environment, **ids.get(operation["tags"][0], {})}
    names = {each["name"].lower() for each in operation.get("parameters", ())}
    body = None
    if operation.get("requestBody", {}).get("required"):
        body = BODIES.get(operation["operationId"])
    if method == "PUT" and body is None:
        body = (await api.ask("GET", path.format(**values))).json()["entry"]
    query = "?dry_run=true" if "dry_run" in names else ""
    headers = {"If-Match": '"another"'} if "if-match" in names else {}
    return await api.ask(method, path.format(**values) + query, body, role=role, headers=headers)


async def test_the_description_says_who_may(api):
    ids = await prepare(api)
    for method, path, operation in OPERATIONS:
        allowed = roles_of(operation)
        assert allowed, path
        for role in sorted(ROLES, key=allowed.__contains__):  # who may not first: nothing is changed by them
            response = await attempt(api, ids, method, path, operation, role)
            told = (operation["operationId"], role, response.status_code, response.text[:300])
            expected = {200, 201, 412} if role in allowed else {403, 404}
            assert response.status_code in expected, told
            assert str(response.status_code) in operation["responses"], told


async def test_without_a_role_nothing_is_reached(api):
    ids = await prepare(api)
    for method, path, operation in OPERATIONS:
        for role, expected in (("nobody", 403), (None, 401)):
            response = await attempt(api, ids, method, path, operation, role)
            assert response.status_code == expected, (operation["operationId"], response.text)
            assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("scope", ROLES)
async def test_a_token_opens_what_both_it_and_its_user_may(api, scope):
    api.tokens["narrow"] = await api.sign_on("administrator", scope)
    me = (await api.ask("GET", "/v1/me", role="narrow")).json() if scope == "administrator" else None
    if me:
        assert (me["kind"], me["name"], me["roles"], me["actor"]) == (
            "user",
            "administrator",
            ["administrator"],
            api.program_id,
        )
    else:
        assert (await api.ask("GET", "/v1/me", role="narrow")).status_code == 403


async def test_an_agent_of_its_own_has_the_roles_of_its_token(api):
    api.tokens["program"] = await api.program_token("auditor")
    me = (await api.ask("GET", "/v1/me", role="program")).json()
    assert (me["kind"], me["id"], me["roles"]) == ("agent", api.program_id, ["auditor"])
    assert (await api.ask("GET", "/agents", role="program")).status_code == 200
    assert (await api.ask("POST", "/users", {"username": "x"}, role="program")).status_code == 403


async def test_what_ended_opens_nothing_at_once(api):
    path = "/v1/me"
    users = (await api.ask("GET", f"{api.home}/users?search=auditor")).json()["items"]
    assert (await api.ask("GET", path, role="auditor")).status_code == 200
    await api.ask("PATCH", f"{api.home}/users/{users[0]['id']}", {"roles": []})
    assert (await api.ask("GET", path, role="auditor")).status_code == 403
    await api.ask("POST", f"{api.home}/users/{users[0]['id']}/disable")
    refused = await api.ask("GET", path, role="auditor")
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers.get_list("www-authenticate")[0]


@pytest.mark.parametrize("credentials", ["", "Bearer", "Bearer x.y.z", "Basic YTpi", "DPoP x.y.z"])
async def test_other_credentials_open_nothing(api, credentials):
    refused = await api.ask("GET", "/v1/me", role=None, headers={"Authorization": credentials})
    assert refused.status_code == 401
    assert refused.headers.get_list("www-authenticate")


async def test_a_token_for_another_resource_opens_nothing(api):
    administration = api.authority.services.administration
    entry = {"name": "other", "audience": "http://authority.test/v2", "scopes": [{"name": "administrator2"}]}
    await administration.change(ROOT, api.console.home, "resource", entry)
    scopes = {"Management": list(ROLES), "other": ["administrator2"]}
    await administration.change(ROOT, api.console.home, "agent", {"scopes": scopes}, object_id=api.program_id)
    api.tokens["other"] = await api.program_token("administrator2")
    assert (await api.ask("GET", "/v1/me", role="other")).status_code == 401


async def test_no_token_is_had_by_the_password_alone_of_who_has_an_app(api):
    """The console demands it, whatever the policy says; what the API does is the same."""
    user = await api.authority.store.users.find_user(api.console.home, "administrator")
    app = Factor("f1", api.console.home, user.id, "totp", user.id, "", "sealed", 0, 1.0)
    assert await api.authority.store.factors.add_factor(app, 10)
    async with api.authority.client() as client:
        browser = Browser(api.authority, client)
        await browser.get(api.authorize_path())
        await browser.sign_on(username="administrator")
        assert (browser.response.status_code, browser.heading) == (200, "Enter your code")
        assert await browser.get(api.authorize_path(prompt="none"))
        assert browser.answer["error"] in {"interaction_required", "login_required"}
    assert await api.sign_on("auditor"), "who has nothing more is asked for nothing more"
