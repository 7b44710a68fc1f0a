"""What a person sees of what agents did: their own only, as it was reported, and what stopping one did."""

import dataclasses
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deputize.authority.activities.search import ActivityQuery
from deputize.authority.serve import purge
from deputize.authority.storage import EnvironmentRow, Put
from deputize.authority.storage.activities import Activity
from deputize.oauth.records.directory import Directory
from support.agent_delegation import (
    AGENT_ID,
    CONSENT,
    ENVIRONMENT_ID,
    NOW,
    OTHER_ID,
    TEST_ID,
    USER_ID,
)
from support.authority import HASHER, PASSWORD, USER, Browser
from support.examples import examples
from support.records import replace
from unit.authority.activities.test_delivered import deliver, jti, record_of  # noqa: F401
from unit.authority.activities.test_written import delegated  # noqa: F401

EMMA = replace(
    USER,
    id="11111111-0000-4000-8000-000000000000",
    username="emma",
    password_hash=HASHER.hash(PASSWORD),
    term="emma-1",
)
ELSEWHERE_ID = "22222222-0000-4000-8000-000000000000"


async def my(authority, browser, query=""):
    return (await browser.get(f"{authority.path}/my/agents{query}")).text


def rows(page):
    """The text of each line of calls on a page, white space left out."""
    listed = re.findall(r'<ul class="calls">(.*?)</ul>', page, re.DOTALL)
    lines = [line for each in listed for line in re.findall(r"<li>(.*?)</li>", each, re.DOTALL)]
    return [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in lines]


async def test_calls_are_told_with_tool_decision_and_time(delegated, browser, jti):  # noqa: F811
    refused = {"decision": "DENY", "client": {"method": "tools/call", "param": "drop_<b>table"}}
    handshake = {"client": {"method": "initialize"}}
    await deliver(delegated, record_of(jti), record_of(jti, 2, **refused), record_of(jti, 3, **handshake))
    page = await my(delegated, browser)
    assert [each for each in sorted(rows(page)) if "at test" in each] == [
        "drop_&lt;b&gt;table at test refused 2026-03-20 20:48 UTC",
        "get_forecast at test permitted 2026-03-20 20:48 UTC",
    ]
    assert not any("initialize" in each for each in rows(page))
    assert "Single calls are not reported to this page by: agent." in page
    assert rows(page) == rows(await my(delegated, browser, f"?calls={AGENT_ID}"))


async def test_without_reports_the_page_tells_of_access_and_says_so(delegated, browser):  # noqa: F811
    page = await my(delegated, browser)
    assert set(rows(page)) == {
        "Obtained access at agent permitted 2026-03-20 20:48 UTC",
        "Obtained access at test permitted 2026-03-20 20:48 UTC",
    }
    note = "Single calls are not reported to this page by: agent, test."
    assert note in page.replace("test, agent", "agent, test")


async def test_another_agent_s_part_is_told_under_both(delegated, browser):  # noqa: F811
    both = call_by(USER_ID, AGENT_ID, 1)
    await delegated.store.activities.add([dataclasses.replace(both, agent_ids=(OTHER_ID, AGENT_ID))])
    assert rows(await my(delegated, browser, f"?calls={AGENT_ID}"))[0].startswith("tool-1 by Other Agent")
    assert rows(await my(delegated, browser, f"?calls={OTHER_ID}"))[0].startswith("tool-1 permitted")


async def test_what_stopping_did_is_said(delegated, browser):  # noqa: F811
    await my(delegated, browser)
    page = (await browser.submit(form=1)).text
    assert "Your consent is withdrawn" in page
    shown = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "MCP Tutorial is stopped 2026-03-20 20:48 UTC Withdrawn Agent Consent It can no longer" in shown
    assert "Use the tools" in shown
    assert "may let it through until 2026-03-20 21:48 UTC" in shown
    delegated.clock.instant += 3601
    again = await my(delegated, browser, f"?stopped={AGENT_ID}")
    assert "MCP Tutorial is stopped" in again
    assert "may let it through" not in again


async def test_stopping_an_agent_that_others_passed_to_names_them(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.accept()
    [consent] = await authority.store.consents.consents_of(ENVIRONMENT_ID, USER_ID)
    covers = {AGENT_ID: {TEST_ID: ("test",)}, OTHER_ID: {TEST_ID: ("test",)}}
    await authority.store.consents.record_consent(replace(consent, covers=covers), consent)
    await my(authority, browser)
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.response.text).group(1)
    own = f"{authority.path}/my/agents"
    answer = await browser.client.post(own, data={"csrf": csrf, "agent": OTHER_ID})
    page = " ".join(re.sub(r"<[^>]+>", " ", (await browser.get(answer.headers["location"])).text).split())
    assert "Other Agent is stopped" in page
    assert "have to ask you anew before they pass to it MCP Tutorial" in page


async def test_calls_of_strangers_are_no_page(delegated, browser):  # noqa: F811
    await my(delegated, browser)
    for query in (f"?calls={OTHER_ID}", "?calls=nobody", f"?calls={AGENT_ID}&cursor=made-up"):
        assert (await browser.client.get(f"{delegated.path}/my/agents{query}")).status_code == 404


async def test_what_is_older_than_it_is_kept_is_gone(delegated, browser, jti):  # noqa: F811
    await deliver(delegated, record_of(jti))
    delegated.directory.replace(activity_retention=3600)
    delegated.clock.instant += 3700
    await purge(delegated.services)
    await my(delegated, browser)
    await browser.sign_on()
    assert rows(browser.response.text) == []


async def test_a_user_s_deletion_removes_what_is_theirs_and_late_records_bring_nothing_back(
    delegated,  # noqa: F811
    jti,  # noqa: F811
):
    await deliver(delegated, record_of(jti))
    await delegated.store.users.remove_user(ENVIRONMENT_ID, USER_ID)
    await deliver(delegated, record_of(jti, 2))
    left = (await delegated.services.activities.find(ENVIRONMENT_ID, ActivityQuery())).items
    assert all(each.user_id is None for each in left)
    assert all(USER_ID not in each.record for each in left if each.event != "activities refused")


def call_by(user_id, agent_id, number, environment_id=ENVIRONMENT_ID, event="mcp message"):
    return Activity(
        id=f"{number:036d}",
        environment_id=environment_id,
        happened_at=NOW + number,
        source="gateway",
        event=event,
        outcome="permitted",
        user_id=user_id,
        agent_ids=(agent_id,),
        resource_id=None,
        method="tools/call",
        tool=f"tool-{number}",
        session_id=None,
        grant_id=None,
        jti=None,
        transaction_id=f"tx-{number}",
        caller_transaction_id=None,
        record="{}",
    )


class People:
    """Two users, each with a twin of the same name in another environment, all signed on."""

    def __init__(self, authority) -> None:
        self.authority, self.browsers = authority, {}

    async def come(self, user):
        browser = self.browsers[user.id, user.environment_id] = Browser(
            self.authority, self.authority.client()
        )
        await browser.get(f"/{user.environment_id}/my")
        await browser.sign_on(username=user.username)
        agreed = {
            "id": f"{user.id[:-2]}c{user.id[-1]}",
            "environment_id": user.environment_id,
            "user_id": user.id,
        }
        await self.authority.store.consents.record_consent(replace(CONSENT, **agreed, accepted_at=NOW), None)


@pytest.fixture
async def people(authority):
    environment = authority.directory.environment
    elsewhere = replace(environment, id=ELSEWHERE_ID, issuer=f"{authority.base_url}/{ELSEWHERE_ID}/as")
    authority.directory.current = Directory(2, {environment.id: environment, ELSEWHERE_ID: elsewhere})
    twins = [
        replace(each, id=f"{each.id[:-1]}f", environment_id=ELSEWHERE_ID, term=f"{each.term}-twin")
        for each in (USER, EMMA)
    ]
    rows = authority.store.directory_rows
    added = [Put(EnvironmentRow(ELSEWHERE_ID, "Elsewhere", {})), Put(EMMA), *map(Put, twins)]
    await rows.change(added, await rows.version())
    coming = People(authority)
    for user in (USER, EMMA, *twins):
        await coming.come(user)
    yield coming
    for browser in coming.browsers.values():
        await browser.client.aclose()


DID = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([AGENT_ID, OTHER_ID]), st.integers(0, 3)), max_size=12
)


@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(did=DID)
async def test_a_person_sees_all_of_their_own_calls_and_nobody_elses(people, did):
    who, store = list(people.browsers), people.authority.store.activities
    own = {each: {AGENT_ID: [], OTHER_ID: []} for each in who}
    activities = []
    for number, (person, agent_id, others) in enumerate(did):
        user_id, environment_id = who[person]
        call = call_by(user_id if others else None, agent_id, number, environment_id)
        activities.append(call)
        if others:
            own[who[person]][agent_id].insert(0, call.tool)
    for _, environment_id in who:
        await store.purge(environment_id, NOW + 1e6)
    await store.add(activities)
    for (user_id, environment_id), browser in people.browsers.items():
        mine = own[user_id, environment_id]
        for agent_id, tools in mine.items():
            page = (await browser.get(f"/{environment_id}/my/agents?calls={agent_id}")).text
            assert [each.split()[0] for each in rows(page)] == tools
        page = (await browser.get(f"/{environment_id}/my")).text
        last = [tool for tools in mine.values() for tool in tools[:5]]
        assert sorted(each.split()[0] for each in rows(page)) == sorted(last)


async def test_pages_of_another_environment_are_closed_to_a_session(people):
    browser = people.browsers[USER_ID, ENVIRONMENT_ID]
    answer = await browser.client.get(f"/{ELSEWHERE_ID}/my/agents?calls={AGENT_ID}")
    assert answer.status_code == 303
