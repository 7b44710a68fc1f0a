"""What the authority records can be searched at once, and nothing waits for its being written."""

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from deputize.authority.activities import reading
from deputize.authority.activities.search import ActivityQuery
from deputize.authority.activities.writer import ActivityWriter
from deputize.authority.administration import Operator
from deputize.authority.audit import Event
from deputize.authority.serve import purge
from deputize.authority.storage import StorageUnavailable
from deputize.authority.storage.activities import MAX_RECORD_SIZE
from deputize.oauth.lineage import parse_jti
from support.agent_delegation import (
    AGENT_ID,
    ENVIRONMENT_ID,
    REDIRECT_URI,
    TEST_ID,
    USER_ID,
    VERIFIER,
    exchange_request,
)
from support.authority import basic

DAY = 86400.0


async def obtain(authority, client, form):
    answer = await client.post(f"{authority.path}/as/token", data=form, headers=basic())
    return answer.json().get("access_token")


@pytest.fixture
async def delegated(authority, browser):
    """What the use case leaves: a sign-on, an agent's own token, an exchange."""
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.accept()
    form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
    subject = await obtain(authority, browser.client, {**form, "code": browser.answer["code"]})
    actor = await obtain(authority, browser.client, {"grant_type": "client_credentials", "scope": "agent"})
    await obtain(authority, browser.client, {**exchange_request(subject, actor), "scope": "test"})
    return authority


async def found(authority, **asked):
    return (await authority.services.activities.find(ENVIRONMENT_ID, ActivityQuery(**asked))).items


async def test_an_exchange_tells_whom_it_was_for_by_whom_and_on_what(delegated):
    exchanged = (await found(delegated, event="token issued"))[0]
    assert exchanged.outcome == "permitted"
    assert exchanged.source == "authority"
    assert exchanged.user_id == USER_ID
    assert exchanged.agent_ids == (AGENT_ID,)
    assert exchanged.resource_id == TEST_ID
    assert exchanged.method == "urn:ietf:params:oauth:grant-type:token-exchange"
    record = json.loads(exchanged.record)
    assert parse_jti(record["jti"]).id == exchanged.jti
    assert exchanged.jti.startswith(f"{exchanged.grant_id}.")
    assert record["transactionId"] == exchanged.transaction_id


async def test_from_an_exchange_one_comes_to_the_sign_on_it_rests_on(delegated):
    exchanged = (await found(delegated, event="token issued"))[0]
    story = await delegated.services.activities.follow(ENVIRONMENT_ID, exchanged)
    assert [each.event for each in story] == ["authorization granted", "token issued", "token issued"]
    assert {each.user_id for each in story} == {USER_ID}


async def test_a_refusal_is_found_as_one(delegated, browser):
    await obtain(delegated, browser.client, {"grant_type": "refresh_token", "refresh_token": "made up"})
    [refused] = await found(delegated, outcome="refused", agent_id=AGENT_ID)
    assert refused.event == "token refused"
    assert "reason" in json.loads(refused.record)


async def test_refusals_of_who_claims_to_be_an_agent_are_found_with_it_and_are_no_use(delegated, browser):
    activities = delegated.services.activities
    used = await activities.last_used(ENVIRONMENT_ID, [AGENT_ID])
    before = await activities.totals(ENVIRONMENT_ID, [AGENT_ID])
    delegated.clock.instant += 60
    token = f"{delegated.path}/as/token"
    for grant in ("client_credentials", "made up", "made up as well"):  # made-up ones make no totals
        guess = {"grant_type": grant, "scope": "agent"}
        await browser.client.post(token, data=guess, headers=basic(AGENT_ID, "a guess"))
    await browser.get(delegated.authorize_url(redirect_uri="https://other.example/callback"))
    delegated.directory.replace_agent(enabled=False)
    await browser.client.post(token, data={"grant_type": "client_credentials"}, headers=basic())
    refused = await found(delegated, outcome="refused", agent_id=AGENT_ID)
    assert len(refused) == 5
    assert all(json.loads(each.record)["claimedClientId"] == AGENT_ID for each in refused)
    after = await activities.totals(ENVIRONMENT_ID, [AGENT_ID])
    assert sum(each.refused for each in after) == 5
    assert sum(each.permitted for each in after) == sum(each.permitted for each in before)
    assert {each.method for each in after} == {each.method for each in before}
    assert await activities.last_used(ENVIRONMENT_ID, [AGENT_ID]) == used
    other = {"grant_type": "client_credentials"}
    await browser.client.post(token, data=other, headers=basic("nobody", "a guess"))
    assert len(await found(delegated, outcome="refused", agent_id=AGENT_ID)) == 5


async def test_totals_tell_when_an_agent_was_used_last(delegated):
    activities = delegated.services.activities
    assert (await activities.last_used(ENVIRONMENT_ID, [AGENT_ID, TEST_ID])).keys() == {AGENT_ID}
    totals = await activities.totals(ENVIRONMENT_ID, [AGENT_ID])
    issued = [each for each in totals if each.resource_id == TEST_ID]
    assert [(each.event, each.permitted) for each in issued] == [("token issued", 1)]
    mine = await activities.totals_of_user(ENVIRONMENT_ID, USER_ID)
    assert sum(each.permitted for each in mine if each.event == "token issued") == 2


async def test_what_is_older_than_the_environment_keeps_it_is_forgotten(delegated):
    assert await found(delegated)
    delegated.clock.instant += 90 * DAY - 60
    await purge(delegated.services)
    assert await found(delegated)
    delegated.clock.instant += 120
    await purge(delegated.services)
    assert await found(delegated) == ()


async def test_the_authority_itself_and_environments_that_are_gone_leave_no_activity(authority):
    authority.services.record("authority starts", None)
    authority.services.record("token issued", "11111111-1111-4111-8111-111111111111")
    assert await found(authority) == ()


class Hesitant:
    """A store that fails, or waits, as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.written, self.may_go_on = failures, [], asyncio.Event()
        self.may_go_on.set()

    async def add(self, activities):
        await self.may_go_on.wait()
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable("not now")
        self.written += activities


def event(number):
    return Event("token issued", float(number), ENVIRONMENT_ID, {})


async def test_what_could_not_be_written_is_written_later_once_and_in_order(authority):
    store = Hesitant(failures=2)
    writer = ActivityWriter(store, authority.directory)
    for number in range(1200):
        writer.take(event(number))
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await writer.write_all()
    await writer.write_all()
    assert [each.happened_at for each in store.written] == list(range(1200))


async def test_a_write_that_is_given_up_keeps_the_ids_of_what_it_wrote(authority):
    store = Hesitant()
    writer = ActivityWriter(store, authority.directory)
    writer.take(event(1))
    store.may_go_on.clear()
    writing = asyncio.create_task(writer.write_all())
    for _ in range(10):
        await asyncio.sleep(0)
    ready = writer._ready
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    store.may_go_on.set()
    await writer.write_all()
    assert [each.id for each in store.written] == [each.id for each in ready]


async def test_what_comes_while_too_many_wait_is_dropped_and_counted_and_nobody_waits(authority):
    store = Hesitant()
    writer = ActivityWriter(store, authority.directory, capacity=3)
    with capture_logs() as logs:
        for number in range(5):
            writer.take(event(number))
        await writer.write_all()
        writer.take(event(9))
        await writer.write_all()
    assert writer.dropped == 2
    assert [each.happened_at for each in store.written] == [0.0, 1.0, 2.0, 9.0]
    assert [(line["log_level"], line.get("dropped")) for line in logs] == [("error", None), ("warning", 2)]


ROOT = Operator("user", "u-root", "root", frozenset({"administrator"}))
ADA = {"username": "ada", "email": "ada@example.com", "given_name": "Augusta"}


async def administer(authority, name, *arguments, **options):
    """Do something as an administrator, and return what its record says."""
    await getattr(authority.services.administration, name)(ROOT, ENVIRONMENT_ID, *arguments, **options)
    activity = (await found(authority, event="environment changed"))[0]
    return activity, activity.read_record()["changes"]


async def test_changes_of_a_person_are_about_them_and_go_with_them(authority):
    # The environment's first change brings more than a person: of him only that there is one is kept.
    activity, changes = await administer(authority, "change", "user", {"username": "first"}, creates=True)
    assert len(changes) > 1
    assert [each.keys() for each in changes if each["kind"] == "user"] == [{"kind", "id"}]
    others = {activity.id}
    activity, [created] = await administer(authority, "change", "user", ADA, creates=True)
    assert created["after"]["given_name"] == "Augusta"
    assert activity.user_id == created["id"]
    await administer(authority, "change", "user", {"given_name": "Ada"}, object_id=created["id"])
    assert len(await found(authority, user_id=created["id"])) == 2
    activity, changes = await administer(authority, "remove", "user", created["id"])
    assert (activity.user_id, changes) == (None, [{"kind": "user", "id": created["id"], "removed": True}])
    left = await found(authority)
    assert {each.id for each in left} == {activity.id, *others}
    assert not any(word in each.record for each in left for word in ("ada@", "Ada", "Augusta"))
    [*_, removed] = await authority.records("ENVIRONMENT-CHANGED")
    assert removed["changes"][0]["before"]["email"] == "ada@example.com", "the record of proof has it all"


async def test_a_session_that_an_administrator_ends_is_about_its_user(delegated):
    await delegated.services.administration.sessions.end_all(ROOT, ENVIRONMENT_ID, USER_ID)
    [activity] = await found(delegated, event="environment changed")
    assert activity.user_id == USER_ID
    await delegated.services.administration.consents.withdraw(ROOT, ENVIRONMENT_ID, USER_ID, AGENT_ID)
    assert [each.user_id for each in await found(delegated, event="environment changed")] == [USER_ID] * 2


@pytest.mark.parametrize("kind", ["users", "agents"])
async def test_a_change_of_very_many_keeps_back_no_later_event(delegated, kind):
    """One record of an import may be larger than any that is kept to be searched; the audit file has it."""
    names = [f"{number:05d}{'x' * 400}" for number in range(3000)]
    entry = {"users": [{"username": each[:100], "given_name": each} for each in names]}
    if kind == "agents":
        entry = {"agents": [{"name": each[:100], "description": each} for each in names]}
    change = {"kind": kind[:-1], "before": None}
    changes = [{**change, "id": str(number), "after": each} for number, each in enumerate(entry[kind])]
    writer = delegated.services.activity_writer
    writer.take(Event("environment changed", delegated.clock.now(), ENVIRONMENT_ID, {"changes": changes}))
    writer.take(Event("token issued", delegated.clock.now() + 1, ENVIRONMENT_ID, {"jti": "later"}))
    [large] = await found(delegated, event="environment changed")
    assert len(large.record.encode()) <= MAX_RECORD_SIZE
    assert [each["id"] for each in large.read_record()["changes"]] == [str(each) for each in range(3000)]
    assert (await found(delegated))[0].event == "token issued"


async def test_an_event_that_cannot_be_read_keeps_back_no_other(delegated):
    writer = delegated.services.activity_writer
    with capture_logs() as logs:
        writer.take(Event("odd", delegated.clock.now() + 1, ENVIRONMENT_ID, {"changes": [{"kind": "user"}]}))
        writer.take(Event("later", delegated.clock.now() + 2, ENVIRONMENT_ID, {}))
        with pytest.MonkeyPatch.context() as patch:
            read = reading.activity_of
            broken = lambda event, where: 1 / 0 if event.name == "odd" else read(event, where)  # noqa: E731
            patch.setattr("deputize.authority.activities.writer.activity_of", broken)
            assert (await found(delegated))[0].event == "later"
    assert "an event cannot be searched" in [each["event"] for each in logs]
