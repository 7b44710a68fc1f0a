"""Records that a gateway delivers: stored once, about its own resource's tokens, for whom the store says."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deputize.audit.records import timestamp_text
from deputize.authority.activities.delivery import MAX_RECORDS
from deputize.oauth.lineage import MAX_SEGMENTS, SEAL_LENGTH, Lineage, parse_jti
from support.agent_delegation import (
    AGENT_ID,
    AGENT_RESOURCE_ID,
    AGENT_SECRET,
    ENVIRONMENT_ID,
    TEST_ID,
    TEST_SECRET,
    USER_ID,
)
from support.authority import basic
from support.examples import examples
from unit.authority.activities.test_written import delegated, found  # noqa: F401

RESOURCE = basic(TEST_ID, TEST_SECRET)


def record_of(jti, number=1, **changes):
    return {
        "_id": f"t{number}-1",
        "timestamp": timestamp_text(1_774_039_729.0),
        "eventName": "PING-GATEWAY-MCP",
        "transactionId": f"t{number}",
        "userId": "somebody else",
        "sub": "somebody else",
        "act": ["another"],
        "clientId": "another",
        "client": {"ip": "127.0.0.1", "method": "tools/call", "param": "get_forecast"},
        "jti": jti,
        "decision": "PERMIT",
        **changes,
    }


async def deliver(authority, *records, credentials=RESOURCE, kind="application/x-ndjson"):
    lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in records]
    async with authority.client() as client:
        return await client.post(
            f"{authority.path}/as/activities",
            content=b"\n".join(lines),
            headers={**credentials, "Content-Type": kind},
        )


@pytest.fixture
async def jti(delegated):  # noqa: F811
    return (await found(delegated, event="token issued"))[0].read_record()["jti"]


async def test_a_call_is_for_whom_the_store_says_and_stored_once(delegated, jti):  # noqa: F811
    for stored in (1, 0):
        answer = await deliver(delegated, record_of(jti))
        assert answer.json() == {"stored": stored, "refused": 0}
    [call] = await found(delegated, source="gateway")
    assert (call.user_id, call.agent_ids, call.resource_id) == (USER_ID, (AGENT_ID,), TEST_ID)
    assert (call.event, call.method, call.tool, call.outcome) == (
        "mcp message",
        "tools/call",
        "get_forecast",
        "permitted",
    )
    assert "another" not in call.record
    assert "somebody" not in call.record
    story = await delegated.services.activities.follow(ENVIRONMENT_ID, call)
    assert [each.event for each in story][-1] == "mcp message"
    assert story[0].event == "authorization granted"


async def test_calls_of_an_agent_that_was_stopped_since_are_still_taken(delegated, jti):  # noqa: F811
    delegated.directory.replace_agent(enabled=False, term="b-term-9")
    assert (await deliver(delegated, record_of(jti))).json()["stored"] == 1
    assert (await found(delegated, source="gateway"))[0].agent_ids == (AGENT_ID,)


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        basic(TEST_ID, "wrong-secret-wrong-secret-wrong-secret"),
        basic(AGENT_ID, AGENT_SECRET),
        basic(AGENT_RESOURCE_ID, TEST_SECRET),
    ],
)
async def test_nobody_but_the_resource_delivers(delegated, jti, credentials):  # noqa: F811
    answer = await deliver(delegated, record_of(jti), credentials=credentials)
    assert answer.status_code in {400, 401}
    assert await found(delegated, source="gateway") == ()


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", ""])
async def test_only_lines_of_json_are_taken(delegated, jti, kind):  # noqa: F811
    assert (await deliver(delegated, record_of(jti), kind=kind)).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"jti": None},
        {"jti": "made-up"},
        {"jti": 7},
        {"_id": None},
        {"eventName": "DEPUTIZE-TOKEN-ISSUED"},
        {"eventName": ["PING-GATEWAY-MCP"]},
        {"decision": "MAYBE"},
        {"decision": ["PERMIT"]},
        {"transactionId": "line\nbreak"},
        {"transactionId": "x" * 129},
        {"timestamp": "soon"},
        {"timestamp": "2026-03-20T20:48:49"},
        {"timestamp": "9999-12-31T23:59:59Z"},
        {"timestamp": "1970-01-01T00:00:00Z"},
        {"client": {"param": "x" * 20_000}},
    ],
)
async def test_a_hostile_record_is_refused_and_takes_no_other_with_it(delegated, jti, change):  # noqa: F811
    answer = await deliver(delegated, record_of(jti) | change, b"{", b"[]", b"\xff", record_of(jti, 2))
    assert answer.json() == {"stored": 1, "refused": 4}
    [refused] = await delegated.records("ACTIVITIES-REFUSED")
    assert refused["stored"] == 1


async def test_no_record_is_about_a_token_for_another_resource(delegated, jti):  # noqa: F811
    issued = await found(delegated, event="token issued")
    for each in issued[1:]:  # for the agent's own resource
        record = record_of(each.read_record()["jti"])
        assert (await deliver(delegated, record)).json() == {"stored": 0, "refused": 1}
    [refused, *_] = await delegated.records("ACTIVITIES-REFUSED")
    assert "about a token for another resource" in refused["reason"]
    assert await found(delegated, source="gateway") == ()


def altered(lineage: Lineage) -> st.SearchStrategy[str]:
    """What whoever knows the `jti` can make of it, but for itself."""
    segments, grant = lineage.segments, lineage.grant_id
    seals = st.sampled_from([lineage.seal, "", "A" * SEAL_LENGTH, lineage.seal[::-1]])
    parts = st.sampled_from([*segments, *(f"{each[:16]}{'A' * 14}" for each in segments), segments[-1][::-1]])
    lineages = st.builds(
        Lineage,
        st.sampled_from([grant, None, ENVIRONMENT_ID]),
        st.lists(parts, min_size=1, max_size=MAX_SEGMENTS).map(tuple),
        seals,
    ).map(lambda each: each.jti)
    places = st.integers(0, len(lineage.jti) - 1)
    changed = st.builds(
        lambda place, character: lineage.jti[:place] + character + lineage.jti[place + 1 :],
        places,
        st.sampled_from("Aa0-_."),
    )
    cut = places.map(lambda place: lineage.jti[:place])
    return (lineages | changed | cut).filter(lambda each: each != lineage.jti)


@settings(
    max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
async def test_whoever_knows_a_jti_can_make_none_like_it(
    delegated,  # noqa: F811
    jti,
    data,
):
    """Forged, altered, cut, of the same terms, or of another grant."""
    made_up = data.draw(altered(parse_jti(jti)))
    assert (await deliver(delegated, record_of(made_up))).json() == {"stored": 0, "refused": 1}
    assert await found(delegated, source="gateway") == ()


async def test_a_jti_of_another_environment_is_none_here(delegated, jti):  # noqa: F811
    """It differs in nothing but the key: whoever has one of both databases' ids may have chosen them."""
    lineage = parse_jti(jti)
    seals = delegated.services.lineage_seals
    assert (await seals.of(ENVIRONMENT_ID))(lineage) == lineage.seal
    elsewhere = replace(lineage, seal=(await seals.of("another"))(lineage))
    assert (await deliver(delegated, record_of(elsewhere.jti))).json() == {"stored": 0, "refused": 1}


async def test_more_records_than_a_delivery_may_hold_are_refused(delegated):  # noqa: F811
    answer = await deliver(delegated, *[b"{}"] * (MAX_RECORDS + 3))
    assert answer.json() == {"stored": 0, "refused": MAX_RECORDS + 3}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.dictionaries(
    st.sampled_from([*record_of(""), "agent_ids", "user_id", "record"]), JSON, max_size=4
)


@settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=MEMBERS)
async def test_whatever_a_record_says_user_agent_and_resource_are_the_token_s(
    delegated,  # noqa: F811
    jti,
    changes,
):
    answer = await deliver(delegated, record_of(jti) | changes)
    assert answer.status_code == 200
    for each in await found(delegated, source="gateway"):
        assert (each.user_id, each.agent_ids, each.resource_id) == (USER_ID, (AGENT_ID,), TEST_ID)
        assert each.jti == parse_jti(jti).id


async def test_what_a_gateway_asked_while_it_answered_a_call_belongs_to_the_call(delegated, jti):  # noqa: F811
    await deliver(delegated, record_of(jti, transactionId="gateway-tx/7"))
    async with delegated.client() as client:
        for header in ("gateway-tx/7/0", "gateway-tx/7/12", "gateway-tx/77/0", "another"):
            await client.post(
                f"{delegated.path}/as/introspect",
                data={"token": "made-up"},
                headers={**RESOURCE, "X-ForgeRock-TransactionId": header},
            )
    [call] = await found(delegated, source="gateway")
    story = await delegated.services.activities.follow(ENVIRONMENT_ID, call)
    asked = [each for each in story if each.event == "token inactive"]
    callers = [each.read_record()["callerTransactionId"] for each in asked]
    assert sorted(callers) == ["gateway-tx/7/0", "gateway-tx/7/12"]
    again = await delegated.services.activities.follow(ENVIRONMENT_ID, asked[0])
    assert call in again
