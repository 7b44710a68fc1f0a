import pytest

from deputize.authority.administration import InUse, ListQuery, NoSuchObject, NotPermitted
from deputize.authority.directory.assemble import assemble
from deputize.authority.directory.objects import ADMINISTRATORS
from deputize.authority.environment_file import Application, EnvironmentFileInvalid
from deputize.authority.storage import DirectoryConflict
from deputize.oauth.records.store import Consent, Session

from .conftest import ADMINISTRATOR, ALICE, AUDITOR, FILE

REGISTRATION = {
    "dynamic": True,
    "initial_access_tokens": True,
    "agent": {"policies": ["Ask"], "scopes": {"api": ["read"]}},
}


def session(administered, number, user_id):
    environment, now = administered.environment_id, administered.clock.now()
    return Session(
        f"s{number}", environment, user_id, f"cookie{number}", int(now), now + 60, created_at=now + number
    )


async def test_environments_come_are_set_up_and_go_with_all_that_is_in_them(administered):
    environments = administered.administration.environments
    made = await environments.create(ADMINISTRATOR, {"environment": "Second", "session_lifetime": 120})
    assert made.view.entry == {"environment": "Second", "session_lifetime": "2 minutes"}
    with pytest.raises(DirectoryConflict):
        await environments.create(ADMINISTRATOR, {"environment": "Second"})
    listed = [each.name for each in (await environments.list(AUDITOR)).items]
    assert listed == ["Second", "Test"]
    changed = await environments.change(
        ADMINISTRATOR, made.view.id, {"environment": "Renamed"}, expected=made.view.etag
    )
    assert changed.view.name == "Renamed"
    replaced = await environments.change(ADMINISTRATOR, made.view.id, {}, replaces=True)
    assert replaced.view.entry == {"environment": "Renamed"}
    with pytest.raises(EnvironmentFileInvalid, match="no setting"):
        await environments.change(ADMINISTRATOR, made.view.id, {"agents": []})
    with pytest.raises(NotPermitted):
        await environments.remove(AUDITOR, administered.environment_id)
    told = await environments.remove(ADMINISTRATOR, administered.environment_id, dry_run=True)
    assert (told.ends["users"], told.ends["agent"], told.lines) == (2, 2, ("- environment Test",))
    await environments.remove(ADMINISTRATOR, administered.environment_id)
    assert await environments.find(ADMINISTRATOR, administered.environment_id) is None
    rows = await administered.store.directory_rows.load()
    assert {row.environment_id for row in rows.objects} == {made.view.id}


async def test_the_administrators_environment_stays_what_it_is(administered):
    environments = administered.administration.environments
    made = await environments.create(ADMINISTRATOR, {"environment": ADMINISTRATORS})
    with pytest.raises(InUse):
        await environments.remove(ADMINISTRATOR, made.view.id)
    with pytest.raises(EnvironmentFileInvalid, match="for good"):
        await environments.change(ADMINISTRATOR, made.view.id, {"environment": "Other"})
    with pytest.raises(EnvironmentFileInvalid, match="for good"):
        await environments.change(ADMINISTRATOR, administered.environment_id, {"environment": ADMINISTRATORS})
    root = {"username": "root", "roles": ["administrator"]}
    with pytest.raises(EnvironmentFileInvalid, match="have roles") as raised:
        await administered.change("user", root)
    assert raised.value.errors[0].position.pointer == "/roles"
    created = await administered.administration.change(ADMINISTRATOR, made.view.id, "user", root)
    assert created.view.entry == root
    user = await administered.store.users.find_user(made.view.id, "root")
    assert user.roles == "administrator"
    found = await administered.administration.list(
        ADMINISTRATOR, made.view.id, "user", ListQuery(role="administrator")
    )
    assert [each.name for each in found.items] == ["root"]


async def test_an_owner_learns_the_names_of_environments_with_agents_of_his(administered):
    environments = administered.administration.environments
    await environments.create(ADMINISTRATOR, {"environment": "Second"})
    (view,) = (await environments.list(ALICE)).items
    assert (view.name, view.entry, view.facts) == ("Test", {"environment": "Test"}, {})
    with pytest.raises(NotPermitted):
        await environments.export(ALICE, administered.environment_id)


async def test_a_whole_file_is_applied_and_recorded(administered):
    applied = await administered.administration.environments.apply(
        ADMINISTRATOR, Application(FILE.replace("What it is", "Other").encode(), "f", {}.get)
    )
    assert applied.lines == ("~ agent Alice's: description What it is -> Other",)
    assert [event[3]["changes"][0]["name"] for event in administered.records] == ["Alice's"]
    with pytest.raises(NotPermitted):
        await administered.administration.environments.apply(AUDITOR, Application(FILE.encode(), "f", {}.get))


async def test_sessions_are_listed_a_page_at_a_time_and_ended(administered):
    sessions, environment = administered.administration.sessions, administered.environment_id
    ada = (await administered.ids("user"))["ada"]
    for number in range(3):
        await administered.store.sessions.add_session(session(administered, number, ada))
    seen, cursor = [], None
    for _ in range(3):
        page = await sessions.list(AUDITOR, environment, ListQuery(limit=1, cursor=cursor), user_id=ada)
        assert (await sessions.list(AUDITOR, "elsewhere", user_id=ada)).items == ()
        seen += [each.id for each in page.items]
        cursor = page.next_cursor
    assert (seen, cursor) == (["s2", "s1", "s0"], None)
    with pytest.raises(NotPermitted):
        await sessions.end(AUDITOR, environment, "s0")
    with pytest.raises(NoSuchObject):
        await sessions.end(ADMINISTRATOR, environment, "s0", user_id="another")
    await sessions.end(ADMINISTRATOR, environment, "s0", user_id=ada)
    with pytest.raises(NoSuchObject):
        await sessions.end(ADMINISTRATOR, environment, "s0")
    assert (await sessions.end_all(ADMINISTRATOR, environment, ada)).ends == {"sessions": 2}
    assert (await sessions.list(AUDITOR, environment)).items == ()


async def test_consents_are_listed_and_withdrawn(administered):
    consents, environment = administered.administration.consents, administered.environment_id
    ada = (await administered.ids("user"))["ada"]
    agents, agreements = await administered.ids("agent"), await administered.ids("agreement")
    for number, agent in enumerate(agents.values()):
        given = Consent(f"c{number}", environment, ada, agent, agreements["Terms"], 1, "r", "en", 1.0, None)
        await administered.store.consents.record_consent(given, None)
    first = await consents.list(AUDITOR, environment, ListQuery(limit=1))
    rest = await consents.list(AUDITOR, environment, ListQuery(limit=1, cursor=first.next_cursor))
    assert {each.facts["agent"] for each in (*first.items, *rest.items)} == set(agents)
    assert first.items[0].facts["agreement"] == "Terms"
    ended = await consents.withdraw(ADMINISTRATOR, environment, ada, agents["Alice's"])
    assert ended.ends == {"consents": 1}
    left = (await consents.list(AUDITOR, environment, agent_id=agents["Alice's"])).items
    assert [each.facts["in_force"] for each in left] == [False]
    with pytest.raises(NoSuchObject):
        await consents.withdraw(ADMINISTRATOR, environment, ada, agents["Alice's"])


async def test_keys_are_rotated_and_retired_by_administrators(administered):
    keys, environment = administered.administration.keys, administered.environment_id
    before = (await keys.list(AUDITOR, environment)).items
    told = {"algorithm", "state", "created_at", "retired_at", "verifies_until"}
    assert {name for each in before for name in each.facts} == told
    with pytest.raises(NotPermitted):
        await keys.rotate(AUDITOR, environment)
    await keys.rotate(ADMINISTRATOR, environment, ["ES256"])
    states = {each.id: each.facts["state"] for each in (await keys.list(AUDITOR, environment)).items}
    (retired,) = (kid for kid, state in states.items() if state == "retired")
    await keys.retire(ADMINISTRATOR, environment, retired)
    assert retired not in {each.id for each in (await keys.list(AUDITOR, environment)).items}
    assert len(administered.records) == 3


async def test_invitations_are_drawn_once_listed_without_their_text_and_withdrawn(administered):
    invitations, environment = administered.administration.invitations, administered.environment_id
    with pytest.raises(EnvironmentFileInvalid, match="takes no initial access tokens"):
        await invitations.create(ADMINISTRATOR, environment)
    await administered.administration.environments.change(
        ADMINISTRATOR, environment, {"registration": REGISTRATION}
    )
    made = await invitations.create(ADMINISTRATOR, environment, uses=2)
    (listed,) = (await invitations.list(AUDITOR, environment)).items
    assert (listed.id, listed.facts["uses_left"]) == (made.view.id, 2)
    assert made.secrets[0].text not in str(administered.records) + str(listed)
    await invitations.withdraw(ADMINISTRATOR, environment, made.view.id)
    assert (await invitations.list(AUDITOR, environment)).items == ()
    with pytest.raises(NoSuchObject):
        await invitations.withdraw(ADMINISTRATOR, environment, made.view.id)


async def test_whoever_calls_a_renamed_object_by_its_name_follows(administered):
    environment = administered.environment_id
    await administered.administration.environments.change(
        ADMINISTRATOR, environment, {"registration": REGISTRATION, "default_policy": "Ask"}
    )
    policy, resource = await administered.ids("policy"), await administered.ids("resource")
    changed = await administered.change("policy", {"name": "Asked"}, object_id=policy["Ask"])
    assert {each.kind for each in changed.differences} == {"policy", "agent", "environment"}
    await administered.change("resource", {"name": "renamed"}, object_id=resource["api"])
    assert (await administered.find("agent", "Alice's")).entry["policies"] == ["Asked"]
    settings = (await administered.administration.environments.find(ADMINISTRATOR, environment)).entry
    assert settings["default_policy"] == "Asked"
    assert settings["registration"]["agent"] == {"policies": ["Asked"], "scopes": {"renamed": ["read"]}}


async def snapshot(administered):
    rows = await administered.store.directory_rows.load()
    assembled = assemble(rows, "http://localhost:9080", administered.clock.now())
    return assembled, assembled.directory.environments[administered.environment_id]


async def test_an_agent_whose_time_is_over_is_as_if_disabled_and_more_time_begins_a_new_term(administered):
    agent_id = (await administered.ids("agent"))["Alice's"]
    end = "2026-03-21T00:00:00Z"
    changed = await administered.change("agent", {"expires_at": end}, object_id=agent_id)
    assert (changed.view.entry["expires_at"], changed.view.facts["expired"]) == (end, False)
    assembled, environment = await snapshot(administered)
    term = environment.agents[agent_id].term
    assert (environment.agents[agent_id].enabled, term in environment.live_terms) == (True, True)
    administered.clock.instant = assembled.valid_until
    _, environment = await snapshot(administered)
    assert (environment.agents[agent_id].enabled, term in environment.live_terms) == (False, False)
    assert (await administered.find("agent", "Alice's")).facts["expired"] is True
    await administered.change("agent", {"expires_at": "2027-03-21T00:00:00+01:00"}, object_id=agent_id)
    _, environment = await snapshot(administered)
    assert (environment.agents[agent_id].enabled, term in environment.live_terms) == (True, False)
    for wrong in ("2027-03-21", "tomorrow", "2027-03-21T00:00:00"):
        with pytest.raises(EnvironmentFileInvalid, match="no instant"):
            await administered.change("agent", {"expires_at": wrong}, object_id=agent_id)


async def test_what_ends_is_told_before_it_is_ended(administered):
    ada = (await administered.ids("user"))["ada"]
    await administered.store.sessions.add_session(session(administered, 0, ada))
    told = await administered.change("user", {"enabled": False}, object_id=ada, dry_run=True)
    assert told.ends == {"grants": 0, "consents": 0, "sessions": 1}


async def test_what_introduced_agents_may_use_is_exported_by_words_and_read_back(administered):
    environments, where = administered.administration.environments, administered.environment_id
    in_full = "urn:ietf:params:oauth:grant-type:token-exchange"
    agent = {**REGISTRATION["agent"], "grants": ["refresh_token", in_full]}
    registration = {"registration": {**REGISTRATION, "agent": agent}}
    changed = await environments.change(ADMINISTRATOR, where, registration)
    words = ["refresh_token", "token_exchange"]
    assert changed.view.entry["registration"]["agent"]["grants"] == words
    file = await environments.export(ADMINISTRATOR, where)
    assert in_full not in file
    again = Application(file.encode(), "f", {}.get, dry_run=True)
    assert (await environments.apply(ADMINISTRATOR, again)).lines == ()
