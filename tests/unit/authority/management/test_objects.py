"""Objects of every kind: listed, made, read, replaced, merged, removed."""

import json

import pytest

from deputize.authority.management.app import document
from deputize.kernel.segments import write_segment
from support.management import ROOT

ENTRIES = {
    "resources": {"name": "books", "scopes": [{"name": "read"}], "token_lifetime": "5 minutes"},
    "agreements": {"name": "Terms", "languages": [{"locale": "en", "title": "T", "text": "x"}]},
    "policies": {"name": "Simple", "steps": [{"login": {}}]},
    "agents": {"name": "Reader", "grants": ["client_credentials"], "scopes": {"test": ["test"]}},
    "users": {"username": "grace", "email": "grace@example.com", "attributes": {"level": 3}},
}
CHANGES = {
    "resources": {"description": "Books"},
    "agreements": {"description": "Terms of use"},
    "policies": {"steps": [{"login": {}}, {"agreement_prompt": {"agreement": "Agent Consent"}}]},
    "agents": {"description": "Reads"},
    "users": {"given_name": "Grace"},
}


@pytest.mark.parametrize("kinds", ENTRIES)
async def test_an_object_is_made_read_changed_and_removed(api, kinds):
    made = await api.ask("POST", f"/{kinds}", ENTRIES[kinds])
    assert made.status_code == 201, made.text
    view = made.json()["object"]
    path = f"/{kinds}/{view['id']}"
    assert made.headers["location"] == f"{api.authority.base_url}{api.environment}{path}"
    assert view["entry"] == ENTRIES[kinds]
    read = await api.ask("GET", path)
    assert (read.status_code, read.json(), read.headers["etag"]) == (200, view, made.headers["etag"])
    assert (await api.ask("GET", path, headers={"If-None-Match": read.headers["etag"]})).status_code == 304
    listed = await api.ask("GET", f"/{kinds}?search={view['name'].lower()}")
    assert [each["id"] for each in listed.json()["items"]] == [view["id"]]

    rehearsed = await api.ask("PATCH", f"{path}?dry_run=true", CHANGES[kinds])
    assert rehearsed.json()["dry_run"]
    assert (await api.ask("GET", path)).json() == view
    changed = await api.ask("PATCH", path, CHANGES[kinds], headers={"If-Match": read.headers["etag"]})
    assert changed.status_code == 200, changed.text
    assert changed.json()["object"]["entry"] == {**ENTRIES[kinds], **CHANGES[kinds]}
    assert changed.json()["differences"] == rehearsed.json()["differences"]
    stale = await api.ask("PATCH", path, CHANGES[kinds], headers={"If-Match": read.headers["etag"]})
    assert (stale.status_code, stale.headers["etag"]) == (412, changed.headers["etag"])

    replaced = await api.ask("PUT", path, ENTRIES[kinds])
    assert replaced.json()["object"]["entry"] == ENTRIES[kinds]
    removed = await api.ask("DELETE", path)
    assert (removed.status_code, removed.json()["object"]) == (200, None)
    for method in ("GET", "DELETE"):
        assert (await api.ask(method, path)).status_code == 404
    assert (await api.ask("PUT", path, ENTRIES[kinds])).status_code == 404, "nothing comes of a path"


@pytest.mark.parametrize(
    ("kinds", "members", "pointer"),
    [
        ("", {"environment": " Bank"}, "/environment"),
        ("", {"environment": "Ban\u202ek"}, "/environment"),
        ("/resources", {"name": "books\u200b"}, "/name"),
        ("/agents", {"name": "Reader", "names": {"de": "L\u0435ser"}}, "/names/de"),
        ("/users", {"username": "grace", "given_name": "Gr\u00adace"}, "/given_name"),
    ],
)
async def test_names_that_deceive_are_refused_with_their_place(api, kinds, members, pointer):
    answer = await api.ask("POST" if kinds else "PATCH", f"{api.environment}{kinds}", members)
    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    if not kinds:
        assert (await api.ask("POST", "/v1/environments", members)).status_code == 422


async def test_lists_come_a_page_at_a_time(api):
    for number in range(5):
        await api.ask("POST", "/users", {"username": f"reader{number}"})
    names, cursor = [], ""
    while cursor is not None:
        page = (await api.ask("GET", f"/users?search=reader&limit=2{cursor and f'&cursor={cursor}'}")).json()
        names.append([each["name"] for each in page["items"]])
        cursor = page["next_cursor"]
    assert names == [["reader0", "reader1"], ["reader2", "reader3"], ["reader4"]]
    wrong = await api.ask("GET", "/users?cursor=made-up")
    assert (wrong.status_code, wrong.json()["errors"][0]["parameter"]) == (400, "cursor")
    wrong = await api.ask("GET", "/users?limit=1000&foo=1")
    assert (wrong.status_code, wrong.json()["errors"][0]["parameter"]) == (400, "limit")


async def test_what_is_wrong_with_an_entry_is_told_by_its_place(api):
    entry = {**ENTRIES["agents"], "scopes": {"tset": ["test"]}, "enabled": "perhaps"}
    response = await api.ask("POST", "/agents", entry)
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    problem = response.json()
    assert problem["correlation_id"]
    assert {each["pointer"] for each in problem["errors"]} == {"/scopes/tset", "/enabled"}
    assert next(each["fix"] for each in problem["errors"] if "tset" in each["pointer"])
    assert (await api.ask("POST", "/agents", [])).status_code == 422
    broken = await api.ask(
        "POST", "/agents", content=b'{"name": 1, "name": 2}', headers={"Content-Type": "application/json"}
    )
    assert broken.status_code == 400
    form = await api.ask("POST", "/agents", data={"name": "x"})
    assert (form.status_code, form.headers["accept-post"]) == (415, "application/json")


async def test_a_patch_is_merged_into_what_is_there(api):
    attributes = {"level": 3, "nothing": None, "deep": {"a": 1, "b": [None]}}
    made = await api.ask("POST", "/users", {"username": "grace", "attributes": attributes})
    path = f"/users/{made.json()['object']['id']}"
    patch = {"attributes": {"level": None, "deep": {"a": 2, "c": {"d": None}}}, "email": None}
    changed = await api.ask(
        "PATCH", path, content=json.dumps(patch), headers={"Content-Type": "application/merge-patch+json"}
    )
    assert changed.json()["object"]["entry"]["attributes"] == {
        "nothing": None,
        "deep": {"a": 2, "b": [None], "c": {}},
    }


async def test_the_id_at_the_path_is_the_one_that_counts(api):
    agent, resource = await api.find("agents", "MCP Tutorial"), await api.find("resources", "test")
    response = await api.ask("PATCH", f"/agents/{agent['id']}", {"id": resource["id"], "description": "x"})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/id")
    assert (await api.ask("PATCH", f"/agents/{agent['id']}", {"id": agent["id"]})).status_code == 200


@pytest.mark.parametrize("wrong", [[], {}, ["x"], 1, True, 0.5, ""])
async def test_an_id_or_a_name_of_any_shape_is_refused(api, wrong):
    for kinds, name in (("resources", "test"), ("users", "demouser")):
        path = f"/{kinds}/{(await api.find(kinds, name))['id']}"
        named = "username" if kinds == "users" else "name"
        asked = [("POST", f"/{kinds}", {named: wrong}), ("POST", f"/{kinds}", {named: "new", "id": wrong})]
        for method in ("PUT", "PATCH"):
            asked += [(method, path, {"id": wrong}), (method, path, {named: wrong})]
            asked.append((method, "", {"id": wrong}))
        for each in asked:
            assert (await api.ask(*each)).status_code == 422, each


async def test_secrets_are_told_once_and_work_together_for_a_while(api):
    agent = await api.find("agents", "MCP Tutorial")
    drawn = await api.ask("POST", f"/agents/{agent['id']}/secrets", {"keep_previous": "1 hour"})
    (secret,) = drawn.json()["secrets"]
    assert (secret["id"], len(secret["secret"]) >= 32) == (agent["id"], True)
    view = (await api.ask("GET", f"/agents/{agent['id']}")).json()
    assert len(view["facts"]["secrets"]) == 2
    assert secret["secret"] not in json.dumps(view)
    ended = await api.ask("DELETE", f"/agents/{agent['id']}/secrets/previous")
    assert ended.json()["ends"] == {"secrets": 1}
    assert (await api.ask("POST", f"/agents/{agent['id']}/secrets", {"keep": 1})).status_code == 422


@pytest.mark.parametrize("kinds", ["agents", "users", "agreements"])
async def test_what_can_be_stopped_is_stopped_by_one_word(api, kinds):
    made = (await api.ask("POST", f"/{kinds}", ENTRIES[kinds])).json()["object"]
    for word in ("disable", "enable"):
        switched = await api.ask("POST", f"/{kinds}/{made['id']}/{word}")
        assert switched.json()["object"]["entry"].get("enabled", True) is (word == "enable"), switched.text


async def test_what_others_refer_to_stays(api):
    resource = await api.find("resources", "test")
    refused = await api.ask("DELETE", f"/resources/{resource['id']}")
    assert refused.status_code == 409
    assert "MCP Tutorial" in refused.json()["detail"]


async def test_an_id_that_is_an_address_stands_in_one_segment(api):
    """Agents that introduce themselves by a document have its URL as their id."""
    segment = write_segment("https://a.example.com/client?x=1")
    assert "/" not in segment
    assert (await api.ask("GET", f"/agents/{segment}")).status_code == 404
    assert (await api.ask("GET", f"/agents/{segment}=")).status_code == 404
    views = await api.authority.services.administration.list(ROOT, api.console.environment, "agent")
    assert (await api.ask("GET", f"/agents/{views.items[0].id}")).status_code == 200


async def test_other_methods_are_told_which_there_are(api):
    agent = await api.find("agents", "MCP Tutorial")
    refused = await api.ask("POST", f"/agents/{agent['id']}")
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET, HEAD, PATCH, PUT")
    assert (await api.ask("GET", "/nothing")).status_code == 404


def test_each_operation_has_a_name_of_its_own():
    names = [each["operationId"] for path in document()["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))
