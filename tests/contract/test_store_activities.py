"""Activities: each is found by everything that can be asked for, the newest first, page by page."""

from dataclasses import replace

import pytest

from deputize.authority.storage import EnvironmentRow, Put, Remove
from deputize.authority.storage import activities as module
from deputize.authority.storage import activity_statements as statements
from deputize.authority.storage.activities import Activity, ActivityQuery, CursorInvalid
from deputize.oauth.records.store import User
from support.store_records import ENVIRONMENT, USER_ID

AGENT, PLANNER = "33333333-3333-4333-8333-333333333333", "https://planner.example/client.json"
RESOURCE = "44444444-4444-4444-8444-444444444444"
ELSEWHERE = "99999999-9999-4999-8999-999999999999"
OTHER_USER = User("55555555-5555-4555-8555-555555555555", ENVIRONMENT, "other", "$argon2id$...")
CALL = Activity(
    id="0",
    environment_id=ENVIRONMENT,
    happened_at=1000.0,
    source="gateway",
    event="mcp message",
    outcome="permitted",
    user_id=USER_ID,
    agent_ids=(AGENT, PLANNER),
    resource_id=RESOURCE,
    method="tools/call",
    tool="get_forecast",
    session_id=None,
    grant_id=None,
    jti="grant.one.two",
    transaction_id="gateway-0001",
    caller_transaction_id=None,
    record="{}",
)
ISSUED = replace(
    CALL,
    id="1",
    happened_at=999.0,
    source="authority",
    event="token issued",
    outcome="refused",
    agent_ids=(AGENT,),
    method=None,
    tool=None,
    jti="grant.one",
    transaction_id="authority-1",
    caller_transaction_id="gateway-0001",
)


@pytest.fixture
async def two(store):
    version = await store.directory_rows.version()
    await store.directory_rows.change(
        [Put(OTHER_USER), Put(EnvironmentRow(ELSEWHERE, "Elsewhere", {}))], version
    )
    assert await store.activities.add([CALL, ISSUED]) == 2
    return store.activities


async def ids(activities, environment=ENVIRONMENT, **asked):
    page = await activities.find(environment, ActivityQuery(**asked))
    return [each.id for each in page.items]


async def test_what_was_written_is_what_is_read(two):
    page = await two.find(ENVIRONMENT, ActivityQuery())
    assert page.items == (CALL, ISSUED)
    assert page.next_cursor is None
    assert await two.find_one(ENVIRONMENT, "1") == ISSUED
    assert await two.find_one(ELSEWHERE, "1") is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"since": 1000.0}, ["0"]),
        ({"before": 1000.0}, ["1"]),
        ({"source": "gateway"}, ["0"]),
        ({"event": "token issued"}, ["1"]),
        ({"outcome": "refused"}, ["1"]),
        ({"user_id": USER_ID}, ["0", "1"]),
        ({"user_id": OTHER_USER.id}, []),
        ({"agent_id": AGENT}, ["0", "1"]),
        ({"agent_id": PLANNER}, ["0"]),
        ({"agent_id": PLANNER, "user_id": USER_ID, "resource_id": RESOURCE}, ["0"]),
        ({"agent_id": PLANNER, "event": "token issued"}, []),
        ({"user_id": USER_ID, "agent_id": PLANNER, "outcome": "permitted", "since": 1.0}, ["0"]),
        ({"resource_id": RESOURCE}, ["0", "1"]),
        ({"tool": "get_forecast"}, ["0"]),
        ({"transaction_id": "gateway-0001"}, ["0"]),
        ({"jti": "grant.one"}, ["1"]),
        ({"text": "get_"}, ["0"]),
        ({"text": "token"}, ["1"]),
        ({"text": "gateway-"}, ["0"]),
        ({"text": "et_"}, []),
        ({"text": "%"}, []),
        ({"text": "get_", "user_id": OTHER_USER.id}, []),
    ],
)
async def test_each_thing_that_can_be_asked_for_counts(two, asked, expected):
    assert await ids(two, **asked) == expected
    assert await ids(two, ELSEWHERE, **asked) == []


CHANGE = replace(
    CALL,
    id="2",
    happened_at=998.0,
    event="environment changed",
    agent_ids=(),
    record='{"operator":{"id":"A"},"changes":[{"kind":"resource","id":"50%_!"}]}',
)


@pytest.mark.parametrize(
    ("pieces", "is_found"),
    [
        (('"kind":"resource","id":"50%_!"',), True),
        (("RESOURCE", '"operator":{"id":"a"'), True),
        (("resource", "policy"), False),
        (("5%!",), False),
        (("50_",), False),
    ],
)
async def test_pieces_of_a_record_are_found_as_they_are(two, pieces, is_found):
    await two.add([CHANGE])
    assert await ids(two, event=CHANGE.event, record_says=pieces) == ["2"] * is_found


async def test_what_fulfils_any_of_several_queries_is_found_once_and_page_by_page(two):
    await two.add([CHANGE])
    queries = [ActivityQuery(event=CALL.event, limit=1), ActivityQuery(resource_id=RESOURCE, limit=1)]
    queries.append(ActivityQuery(event=CHANGE.event, record_says=("resource",), limit=1))
    found, cursor = [], None
    while cursor or not found:
        page = await two.find(ENVIRONMENT, *(replace(each, cursor=cursor) for each in queries))
        found += [each.id for each in page.items]
        cursor = page.next_cursor
    assert found == ["0", "1", "2"]


async def test_nothing_counts_twice(two):
    again = replace(CALL, outcome="refused", tool="another")
    assert await two.add([CALL, again, replace(CALL, id="2")]) == 1
    assert await ids(two) == ["2", "0", "1"]
    [calls, issued] = await two.totals(ENVIRONMENT, [AGENT])
    assert (calls.event, calls.tool, calls.permitted, calls.refused) == ("mcp message", "get_forecast", 2, 0)
    assert (issued.event, issued.tool, issued.permitted, issued.refused) == ("token issued", None, 0, 1)
    assert await two.totals_of_user(ENVIRONMENT, USER_ID, 0.0) == (calls, issued)
    assert await two.totals_of_user(ENVIRONMENT, OTHER_USER.id, 0.0) == ()


@pytest.mark.parametrize(
    ("happened", "last"),
    [
        ([("permitted", 10.0), ("refused", 20.0)], 10.0),
        ([("refused", 20.0), ("permitted", 10.0)], 10.0),
        ([("permitted", 30.0), ("refused", 20.0), ("permitted", 10.0)], 30.0),
        ([("refused", 20.0), ("refused", 10.0)], 20.0),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_was_refused_moves_no_last_use(store, happened, last, at_once):
    calls = [
        replace(CALL, id=f"{number:03}", happened_at=at, outcome=outcome)
        for number, (outcome, at) in enumerate(happened)
    ]
    for each in [calls] if at_once else [[call] for call in calls]:
        await store.activities.add(each)
    [total] = await store.activities.totals(ENVIRONMENT, [AGENT])
    assert total.last_at == last
    assert await store.activities.totals_of_user(ENVIRONMENT, USER_ID, 0.0) == (total,)


@pytest.mark.parametrize("looked_at", [1, 2, 3, 100])
@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_pages_together_are_the_whole(store, monkeypatch, looked_at, limit):
    monkeypatch.setattr(statements, "MAX_LOOKED_AT", looked_at)
    for cached in (statements.find, statements.last_looked_at):
        cached.cache_clear()
    many = [
        replace(
            CALL,
            id=f"{number:03}",
            happened_at=1000.0 + number // 3,
            outcome="refused" if number % 4 == 0 else "permitted",
            tool=f"get_{number % 3}",
        )
        for number in range(24)
    ]
    await store.activities.add(many)
    for asked in (
        {},
        {"outcome": "refused"},
        {"outcome": "refused", "source": "gateway"},
        {"text": "get_"},
        {"text": "get_", "outcome": "refused"},
        {"agent_id": PLANNER, "outcome": "refused", "user_id": USER_ID},
    ):
        found, cursor = [], None
        for _ in range(200):
            page = await store.activities.find(
                ENVIRONMENT, ActivityQuery(limit=limit, cursor=cursor, **asked)
            )
            assert len(page.items) <= limit
            found += page.items
            if (cursor := page.next_cursor) is None:
                break
        expected = [each for each in reversed(many) if "outcome" not in asked or each.outcome == "refused"]
        assert found == expected
    for cached in (statements.find, statements.last_looked_at):
        cached.cache_clear()


@pytest.mark.parametrize("cursor", ["", "x", "nan_", "0x1p0", "0x1p99999_a", "\x00_\x00", "inf_1"])
async def test_a_cursor_that_was_made_up_is_refused_or_finds_nothing_wrong(two, cursor):
    try:
        page = await two.find(ENVIRONMENT, ActivityQuery(cursor=cursor))
    except CursorInvalid:
        return
    assert set(page.items) <= {CALL, ISSUED}


async def test_a_transaction_is_followed_across_both_programs(two):
    await two.add([replace(CALL, id="2", transaction_id="another", jti="grant.other")])
    assert await two.follow(ENVIRONMENT, ["gateway-0001"], []) == (ISSUED, CALL)
    assert await two.follow(ENVIRONMENT, [], ["grant.one.two", "grant.one"]) == (ISSUED, CALL)
    assert await two.follow(ENVIRONMENT, ["authority-1"], ["none"]) == (ISSUED,)
    assert await two.follow(ELSEWHERE, ["gateway-0001"], ["grant.one"]) == ()


async def test_a_user_s_deletion_removes_what_is_theirs(two, store):
    theirs = replace(CALL, id="2", user_id=OTHER_USER.id)
    await two.add([theirs])
    await store.users.remove_user(ENVIRONMENT, USER_ID)
    assert await ids(two) == ["2"]
    assert await ids(two, agent_id=AGENT) == ["2"]
    # Nor does what comes late about them bring anything back, or keep the rest away.
    assert await two.add([replace(CALL, id="3"), replace(theirs, id="4")]) == 1
    assert await ids(two) == ["4", "2"]


async def test_an_activity_about_a_user_of_another_environment_is_not_kept(two):
    assert await two.add([replace(CALL, id="2", environment_id=ELSEWHERE)]) == 0


async def test_an_environment_takes_its_activities_with_it(two, store):
    rows = await store.directory_rows.load()
    await store.directory_rows.change(
        [Remove(row) for row in rows.environments if row.id == ENVIRONMENT],
        await store.directory_rows.version(),
    )
    assert await ids(two) == []
    assert await two.totals(ENVIRONMENT, [AGENT]) == ()


async def test_what_is_old_is_forgotten_however_much_it_is(two, monkeypatch):
    monkeypatch.setattr(module, "_PURGED_AT_ONCE", 2)
    await two.add([replace(CALL, id=f"old{number}", happened_at=10.0 + number) for number in range(5)])
    assert await two.purge(ENVIRONMENT, 1000.0) == 6
    assert await two.purge(ELSEWHERE, 9999.0) == 0
    assert await ids(two) == ["0"]
    assert [each.event for each in await two.totals(ENVIRONMENT, [AGENT])] == ["mcp message"]
    assert await two.purge(ENVIRONMENT, 2000.0) == 1
    assert await two.totals(ENVIRONMENT, [AGENT]) == ()
