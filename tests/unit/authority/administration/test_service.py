import pytest

from deputize.authority.administration import (
    EtagMismatch,
    InUse,
    ListQuery,
    NoSuchObject,
    NotPermitted,
    Operator,
)
from deputize.authority.environment_file import EnvironmentFileInvalid
from deputize.authority.storage import DirectoryConflict

from .conftest import ADMINISTRATOR, ALICE, AUDITOR

NEW = {
    "resource": {"name": "new"},
    "agreement": {"name": "New", "languages": [{"locale": "en", "title": "T", "text": "T"}]},
    "policy": {"name": "New", "steps": [{"login": {}}]},
    "agent": {"name": "New", "redirect_uris": ["https://b.example.com/"]},
    "user": {"username": "new", "password": "correct horse"},
}


@pytest.mark.parametrize("kind", NEW)
async def test_an_object_comes_is_found_listed_and_goes(administered, kind):
    created = await administered.change(kind, NEW[kind], creates=True)
    name = NEW[kind].get("name", "new")
    view = await administered.find(kind, name)
    assert (view, view.name) == (created.view, name)
    assert created.lines[0] == f"+ {kind} {name}"
    page = await administered.administration.list(ADMINISTRATOR, administered.environment_id, kind)
    assert view in page.items
    with pytest.raises(DirectoryConflict):
        await administered.change(kind, NEW[kind], creates=True)
    how = (ADMINISTRATOR, administered.environment_id, kind, view.id)
    assert (await administered.administration.remove(*how, dry_run=True)).lines == (f"- {kind} {name}",)
    await administered.administration.remove(*how)
    assert await administered.administration.find(*how) is None
    with pytest.raises(NoSuchObject):
        await administered.administration.remove(*how)


async def test_a_patch_keeps_what_it_does_not_name_and_null_gives_the_default(administered):
    before = await administered.find("agent", "Alice's")
    changed = await administered.change("agent", {"description": "Other", "owner": None}, object_id=before.id)
    assert changed.view.entry == {
        **{name: value for name, value in before.entry.items() if name != "owner"},
        "description": "Other",
    }
    assert changed.view.etag != before.etag


async def test_a_put_gives_what_it_does_not_name_its_default_and_keeps_secrets(administered):
    before = await administered.find("agent", "Alice's")
    entry = {"name": "Alice's", "redirect_uris": ["https://c.example.com/"]}
    changed = await administered.change("agent", entry, object_id=before.id, replaces=True)
    assert (changed.view.entry, changed.secrets) == (entry, ())
    assert changed.view.facts["secrets"] == before.facts["secrets"] != []
    ada = await administered.find("user", "ada")
    changed = await administered.change("user", {"username": "ada"}, object_id=ada.id, replaces=True)
    assert (changed.view.entry, changed.view.facts) == ({"username": "ada"}, {"password": True})


async def test_a_change_is_refused_that_was_made_for_another_state(administered):
    before = await administered.find("agent", "Alice's")
    await administered.change("agent", {"description": "Other"}, object_id=before.id, expected=before.etag)
    with pytest.raises(EtagMismatch) as raised:
        await administered.change("agent", {"description": "x"}, object_id=before.id, expected=before.etag)
    assert raised.value.current == (await administered.find("agent", "Alice's")).etag
    with pytest.raises(EtagMismatch):
        await administered.administration.remove(
            ADMINISTRATOR, administered.environment_id, "agent", before.id, expected=before.etag
        )


async def test_errors_point_into_the_entry(administered):
    entry = {"name": "Agent", "scopes": {"api": ["nothing"], "none": []}, "grants": ["unheard_of"], "x": 1}
    with pytest.raises(EnvironmentFileInvalid) as raised:
        await administered.change("agent", entry)
    pointers = {each.position.pointer for each in raised.value.errors}
    assert pointers == {"/scopes/api/0", "/scopes/none", "/grants/0", "/x"}


async def test_a_dry_run_tells_and_changes_nothing(administered):
    rows = await administered.store.directory_rows.load()
    told = await administered.change("agent", NEW["agent"], dry_run=True)
    assert (told.lines[0], told.view.id, told.dry_run) == ("+ agent New", "", True)
    assert await administered.store.directory_rows.load() == rows
    assert administered.records == []


@pytest.mark.parametrize(
    ("kind", "name", "by"),
    [
        ("resource", "api", 'the agent "Alice\'s"'),
        ("agreement", "Terms", "the policy 'Ask'"),
        ("policy", "Ask", 'the agent "Alice\'s"'),
        ("policy", "Single_Factor", "default_policy"),
    ],
)
async def test_nothing_is_removed_that_others_refer_to(administered, kind, name, by):
    object_id = (await administered.ids(kind))[name]
    with pytest.raises(InUse, match=by):
        await administered.administration.remove(ADMINISTRATOR, administered.environment_id, kind, object_id)


async def test_changes_are_recorded_with_who_and_what_before_and_after(administered):
    object_id = (await administered.ids("agent"))["Alice's"]
    await administered.change("agent", {"description": "Other"}, object_id=object_id)
    (event,) = administered.records
    assert event[:3] == ("environment changed", administered.environment_id, None)
    assert event[3]["operator"] == {"kind": "user", "id": "u-root", "name": "root"}
    (change,) = event[3]["changes"]
    assert (change["before"], change["after"]) == (
        {"description": "What it is"},
        {"description": "Other"},
    )
    with pytest.raises(NotPermitted):
        await administered.change("agent", {"description": "x"}, AUDITOR, object_id=object_id)
    assert administered.records[-1][2] == "only an administrator may change that"


async def test_pages_follow_each_other_and_are_searched(administered):
    listing = administered.administration.list
    names, cursor = [], None
    while True:
        query = ListQuery(limit=1, cursor=cursor)
        page = await listing(ADMINISTRATOR, administered.environment_id, "user", query)
        names += [each.name for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert names == ["ada", "Änne"]

    async def found(kind, **query):
        page = await listing(ADMINISTRATOR, administered.environment_id, kind, ListQuery(**query))
        return [each.name for each in page.items]

    assert await found("user", search="äN") == ["Änne"]
    assert await found("user", search="EXAMPLE.com") == ["ada"]
    assert await found("user", search="%") == []
    assert await found("user", enabled=False) == ["Änne"]
    assert await found("agent", search="BOB") == ["Bob's"]
    assert await found("agent", owner="alice") == ["Alice's"]
    assert await found("agent", introduced=True) == []
    assert await found("agent", introduced=False, enabled=True, waiting=False) == ["Alice's", "Bob's"]


async def test_an_owner_sees_what_his_agents_rest_on_and_nothing_else(administered):
    listing = administered.administration.list

    async def seen(kind):
        return [each.name for each in (await listing(ALICE, administered.environment_id, kind)).items]

    assert [await seen(kind) for kind in ("agent", "resource", "policy", "agreement")] == [
        ["Alice's"],
        ["api"],
        ["Ask"],
        ["Terms"],
    ]
    with pytest.raises(NotPermitted):
        await seen("user")
    assert await administered.find("agent", "Bob's", ALICE) is None
    assert (await administered.find("agent", "Alice's", ALICE)).name == "Alice's"


@pytest.mark.parametrize("roles", [{"agent_owner"}, {"agent_owner", "auditor"}])
@pytest.mark.parametrize("kept", [{}, {"enabled": False}, {"description": "mine"}])
async def test_an_owner_gets_no_member_changed_by_leaving_it_out(administered, roles, kept):
    """Whatever else he may read: a whole entry that lacks a member gives that its default."""
    before = await administered.document("agent", "Alice's")
    object_id = (await administered.ids("agent"))["Alice's"]
    operator = Operator("user", "u-alice", "alice", frozenset(roles))
    entry = {"name": "Alice's", **kept}
    with pytest.raises(NotPermitted):
        await administered.change("agent", entry, operator, object_id=object_id, replaces=True)
    assert await administered.document("agent", "Alice's") == before


async def test_secrets_are_rotated_with_overlap_and_ended(administered):
    agent_id = (await administered.ids("agent"))["Alice's"]
    how = (ADMINISTRATOR, administered.environment_id, "agent", agent_id)
    drawn = await administered.administration.new_secret(*how, keep_previous=60.0)
    assert len(drawn.secrets[0].text) == 64
    view = await administered.find("agent", "Alice's")
    assert len(view.facts["secrets"]) == 2
    assert drawn.secrets[0].text not in str(view) + str(administered.records)
    await administered.administration.end_previous_secrets(*how)
    assert len((await administered.find("agent", "Alice's")).facts["secrets"]) == 1
    assert len(administered.records) == 2


@pytest.mark.parametrize(
    ("entry", "pointer"), [({"roles": ["auditor"]}, "/roles"), ({"enabled": False}, "/enabled")]
)
async def test_the_last_administrator_stays_one_which_is_said_at_the_member(administered, entry, pointer):
    users = [{"username": "ada", "roles": ["administrator"]}, {"username": "bob", "roles": ["auditor"]}]
    made = await administered.administration.environments.create(
        ADMINISTRATOR, {"environment": "Administrators", "users": users}
    )
    page = await administered.administration.list(ADMINISTRATOR, made.view.id, "user")
    ada = next(user for user in page.items if user.name == "ada")
    for also in ({}, {"email": "ada@example.com"}):
        with pytest.raises(EnvironmentFileInvalid) as refused:
            await administered.administration.change(
                ADMINISTRATOR, made.view.id, "user", {**entry, **also}, object_id=ada.id
            )
        assert [each.position.pointer for each in refused.value.errors] == [pointer]
    with pytest.raises(EnvironmentFileInvalid, match="nobody would be left who administers"):
        await administered.administration.remove(ADMINISTRATOR, made.view.id, "user", ada.id)
