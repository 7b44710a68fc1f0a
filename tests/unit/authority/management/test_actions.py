"""What the API does beside objects: environments, people, keys, invitations, monitoring."""

import yaml

from support.console import USE_CASE


async def test_an_environment_comes_is_set_up_and_goes(api):
    entry = {
        "environment": "Second",
        "session_lifetime": "2 minutes",
        "users": [{"username": "ada", "password": "correct horse"}],
    }
    made = await api.ask("POST", "/v1/environments", entry)
    assert made.status_code == 201, made.text
    path = made.headers["location"].removeprefix(api.authority.base_url)
    read = await api.ask("GET", path)
    assert read.json()["entry"] == {"environment": "Second", "session_lifetime": "2 minutes"}
    users = (await api.ask("GET", f"{path}/users")).json()["items"]
    assert [each["name"] for each in users] == ["ada"]
    listed = (await api.ask("GET", "/v1/environments")).json()["items"]
    assert [each["name"] for each in listed] == ["Administrators", "Agent Delegation", "Second"]
    changed = await api.ask("PATCH", path, {"session_lifetime": "3 minutes", "organization_id": None})
    assert changed.json()["object"]["entry"]["session_lifetime"] == "3 minutes"
    wrong = await api.ask("PATCH", path, {"registration": {"dynamic": True}, "sesion_lifetime": 1})
    assert {each["pointer"] for each in wrong.json()["errors"]} == {"/sesion_lifetime"}
    wrong = await api.ask("PATCH", path, {"registration": {"dynamic": True}})
    assert wrong.json()["errors"][0]["pointer"].startswith("/registration")
    assert "line" not in wrong.json()["errors"][0]
    replaced = await api.ask("PUT", path, {}, headers={"If-Match": read.headers["etag"]})
    assert replaced.status_code == 412
    replaced = await api.ask("PUT", path, {})
    assert replaced.json()["object"]["entry"] == {"environment": "Second"}
    rehearsed = await api.ask("DELETE", f"{path}?dry_run=true")
    assert rehearsed.json()["ends"]["users"] == 1
    assert (await api.ask("DELETE", path)).status_code == 200
    assert (await api.ask("GET", path)).status_code == 404
    assert (await api.ask("DELETE", api.home)).status_code == 409


async def test_a_file_is_applied_with_what_its_tokens_stand_for_and_written_out_again(api):
    text = USE_CASE.read_text().replace("environment: Agent Delegation", "environment: Copy")
    body = {"text": text, "file": "copy.yaml"}
    refused = await api.ask("POST", "/v1/apply", body)
    (error,) = refused.json()["errors"]
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "DEMO_PASSWORD" in each)
    assert (refused.status_code, error["pointer"], error["line"]) == (422, "/users/0/password", line)
    body["settings"] = {"DEMO_PASSWORD": "correct horse battery"}
    rehearsed = (await api.ask("POST", "/v1/apply?dry_run=true", body)).json()
    assert (rehearsed["environment"]["id"], rehearsed["secrets"], rehearsed["objects"]) == (None, [], [])
    applied = (await api.ask("POST", "/v1/apply", body)).json()
    assert [each["name"] for each in applied["differences"]] == [
        each["name"] for each in rehearsed["differences"]
    ]
    assert {each["name"] for each in applied["secrets"]} == {"test", "agent", "MCP Tutorial", "Other Agent"}
    assert applied["environment"]["issuer"].startswith(api.authority.base_url)
    path = f"/v1/environments/{applied['environment']['id']}"
    exported = await api.ask("GET", f"{path}/export")
    assert (exported.headers["content-type"], exported.headers["cache-control"]) == (
        "application/yaml",
        "no-store",
    )
    original = await api.ask("GET", "/export")
    assert original.text.replace("Agent Delegation", "Copy") == exported.text
    assert "id" in yaml.safe_load((await api.ask("GET", f"{path}/export?ids=true")).text)
    again = await api.ask(
        "POST", "/v1/apply", content=exported.content, headers={"Content-Type": "application/yaml"}
    )
    assert again.json()["differences"] == []


async def test_digests_of_passwords_are_for_administrators(api):
    path = "/export?password_hashes=true"
    assert "$argon2id$" in (await api.ask("GET", path)).text
    assert (await api.ask("GET", path, role="auditor")).status_code == 403
    assert "$argon2id$" not in (await api.ask("GET", "/export", role="auditor")).text


async def test_sessions_and_consents_are_listed_and_ended(api):
    user, agent = await api.find("users", "demouser"), await api.find("agents", "MCP Tutorial")
    for number in range(3):
        await api.add_session(f"s{number}", user["id"])
    await api.add_consent(user["id"], agent["id"])
    page = (await api.ask("GET", f"/sessions?user_id={user['id']}&limit=2")).json()
    assert (len(page["items"]), page["next_cursor"] is None) == (2, False)
    assert {each["name"] for each in page["items"]} == {"demouser"}
    assert (await api.ask("DELETE", "/sessions/s0")).json()["ends"] == {"sessions": 1}
    assert (await api.ask("DELETE", "/sessions/s0")).status_code == 404
    assert (await api.ask("DELETE", f"/users/{user['id']}/sessions")).json()["ends"] == {"sessions": 2}
    consents = (await api.ask("GET", f"/consents?agent_id={agent['id']}")).json()["items"]
    assert [(each["facts"]["agent"], each["facts"]["in_force"]) for each in consents] == [
        ("MCP Tutorial", True)
    ]
    path = f"/users/{user['id']}/consents/{agent['id']}"
    assert (await api.ask("DELETE", path)).json()["ends"] == {"consents": 1}
    assert (await api.ask("DELETE", path)).status_code == 404
    assert (await api.ask("GET", "/sessions?cursor=AAAA")).status_code == 400


async def test_a_user_is_unlocked_and_gets_rid_of_lost_factors(api):
    user = await api.find("users", "demouser")
    for action in (("POST", "unlock"), ("DELETE", "factors")):
        response = await api.ask(action[0], f"/users/{user['id']}/{action[1]}")
        assert response.status_code == 200, response.text
        assert (await api.ask(action[0], f"/users/none/{action[1]}")).status_code == 404


async def test_keys_are_rotated_and_retired(api):
    before = (await api.ask("GET", "/keys")).json()["items"]
    rotated = await api.ask("POST", "/keys/rotate")
    assert rotated.status_code == 200, rotated.text
    after = (await api.ask("GET", "/keys")).json()["items"]
    current = {each["id"] for each in before if each["facts"]["state"] == "current"}
    retired = {each["id"] for each in after if each["facts"]["state"] == "retired"}
    assert current == retired
    assert "private" not in str(after)
    (kid,) = sorted(retired)[:1]
    assert (await api.ask("DELETE", f"/keys/{kid}")).status_code == 200
    (working,) = [each["id"] for each in after if each["facts"]["state"] == "current"][:1]
    assert (await api.ask("DELETE", f"/keys/{working}")).status_code == 409
    assert (await api.ask("POST", "/keys/rotate", {"algorithms": ["none"]})).status_code in {409, 422}


async def test_programs_are_invited_and_let_in(api):
    assert (await api.ask("POST", "/invitations", {"uses": 0})).status_code == 422
    takes_none = await api.ask("POST", "/invitations", {"uses": 2})
    assert takes_none.status_code == 422
    await api.ask("PATCH", "", {"registration": {"open": False, "initial_access_tokens": True}})
    drawn = await api.ask("POST", "/invitations", {"uses": 2, "lifetime": "1 hour"})
    assert drawn.status_code == 201, drawn.text
    (secret,) = drawn.json()["secrets"]
    listed = (await api.ask("GET", "/invitations")).json()["items"]
    assert [each["facts"]["uses_left"] for each in listed] == [2]
    assert secret["secret"] not in str(listed)
    async with api.authority.client() as client:
        registered = await client.post(
            f"/{api.console.environment}/as/register",
            json={"client_name": "Stranger", "redirect_uris": ["http://localhost/callback"]},
            headers={"Authorization": f"Bearer {secret['secret']}"},
        )
    assert registered.status_code == 201, registered.text
    (agent,) = (await api.ask("GET", "/agents?introduced=true")).json()["items"]
    assert agent["facts"]["introduced"]["claimed_name"] == "Stranger"
    assert (await api.ask("GET", "/agents?waiting=true")).json()["items"] == []
    switched = await api.ask("POST", f"/agents/{agent['id']}/disable")
    assert switched.json()["object"]["entry"]["enabled"] is False, switched.text
    refused = await api.ask("PATCH", f"/agents/{agent['id']}", {"description": "x"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/description")
    assert (await api.ask("DELETE", f"/agents/{agent['id']}")).status_code == 200
    invitation = drawn.json()["object"]["id"]
    assert (await api.ask("DELETE", f"/invitations/{invitation}")).status_code == 200
    assert (await api.ask("DELETE", f"/invitations/{invitation}")).status_code == 404


async def test_somebody_is_invited_to_administer_once(api):
    path = "/v1/administrators/invitations"
    entry = {"username": "guest", "roles": ["auditor", "agent_owner"]}
    made = await api.ask("POST", path, entry)
    assert (made.status_code, made.json()["object"]["entry"]) == (201, entry)
    link = made.json()["secrets"][0]["secret"]
    assert link.startswith(f"{api.authority.base_url}/console/welcome/")
    (listed,) = (await api.ask("GET", path)).json()["items"]
    assert listed == made.json()["object"]
    assert link.rpartition("/")[2] not in api.authority.audit_file.read_text()
    assert '"before":null,"after":{"name":' in api.authority.audit_file.read_text().replace(" ", "")
    place = made.headers["location"].removeprefix(api.authority.base_url)
    assert (await api.ask("DELETE", place)).status_code == 200
    assert (await api.ask("DELETE", place)).status_code == 404
    assert (await api.ask("GET", path)).json()["items"] == []
    async with api.authority.client() as client:
        assert (await client.get(link)).status_code == 410
    for wrong in (
        {"roles": []},
        {"roles": ["root"]},
        {"username": ""},
        {"username": "auditor"},
        {"user": "x"},
    ):
        assert (await api.ask("POST", path, {**entry, **wrong})).status_code == 422
    for body in ({"roles": ["auditor"]}, {"username": "guest"}, {}):
        assert (await api.ask("POST", path, body)).status_code == 422


async def test_an_owner_sees_what_own_agents_did(api):
    agent = await api.find("agents", "MCP Tutorial")
    await api.ask("PATCH", f"/agents/{agent['id']}", {"owner": "agent_owner"})
    services = api.authority.services
    for reason, agents in (("the one", (agent["id"],)), ("another", ("other",))):
        services.record(
            "token refused", environment=api.console.environment, reason=reason, client_id=agents[0]
        )
    seen = (await api.ask("GET", f"/agents/{agent['id']}/activities", role="agent_owner")).json()["items"]
    assert [each["agent_ids"] for each in seen] == [[agent["id"]]]
    later = f"/agents/{agent['id']}/activities?since=2100-01-01T00:00:00Z"
    assert (await api.ask("GET", later, role="agent_owner")).json()["items"] == []


async def test_what_happened_is_found_followed_and_explained(api):
    agent = await api.find("agents", "MCP Tutorial")
    await api.ask("PATCH", f"/agents/{agent['id']}", {"description": "Other"})
    found = (await api.ask("GET", "/activities?event=environment%20changed&limit=1")).json()
    (activity,) = found["items"]
    assert activity["record"]["changes"][0]["after"] == {"description": "Other"}
    assert activity["record"]["operator"]["name"] == "administrator"
    assert activity["record"]["operator"]["actor"] == api.program_id
    assert (await api.ask("GET", f"/activities/{activity['id']}")).json() == activity
    followed = (await api.ask("GET", f"/activities/{activity['id']}/transaction")).json()
    assert activity in followed["items"]
    since = activity["happened_at"]
    assert (await api.ask("GET", f"/activities?since={since}&before=yesterday")).status_code == 400
    assert (await api.ask("GET", f"/activities?before={since}")).status_code == 200
    assert (await api.ask("GET", "/activities/none")).status_code == 404

    asked = {"agent": "MCP Tutorial", "resource": "test", "user": "demouser"}
    decision = (await api.ask("POST", "/why", asked)).json()
    assert decision["permitted"] is False
    assert decision["steps"][-1]["fix"]
    for wrong in ({}, {"activity_id": activity["id"]}, {"agent": "x", "unknown": 1}):
        assert (await api.ask("POST", "/why", wrong)).status_code == 422


async def test_while_too_many_passwords_are_checked_a_user_is_made_later(api, monkeypatch):
    user = {"username": "ada", "password": "correct horse"}
    with monkeypatch.context() as full:
        full.setattr(api.authority.services.passwords, "_room", 0)
        refused = await api.ask("POST", "/users", user)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert (await api.ask("POST", "/users", user)).status_code == 201
