"""What users agreed to is kept each time, in its words, when consents change and agreements go."""

from dataclasses import replace

from deputize.authority.storage import ObjectRow, Put, Remove
from deputize.authority.storage.acceptances import MOST_ACCEPTANCES
from deputize.authority.storage.store import KEPT_SECONDS
from deputize.oauth.records.store import Wording
from support.store_records import AGENT, AGREEMENT, CONSENT, ENVIRONMENT, USER_ID

WORDING = Wording("d" * 64, {"agreement": {"title": "Terms ☕", "text": "I agree"}})


async def accepted(store):
    return await store.acceptances.acceptances_of(ENVIRONMENT, USER_ID)


async def test_each_acceptance_is_kept_with_its_words_the_newest_first(store):
    assert await store.consents.record_consent(CONSENT, None, WORDING)
    wider = replace(CONSENT, accepted_at=960.0, covers={AGENT: {"r": ("agent", "more")}}, version=2)
    assert await store.consents.record_consent(wider, CONSENT)
    newest, first = await accepted(store)
    assert (newest.consent_id, newest.version, newest.covers) == (CONSENT.id, 2, wider.covers)
    assert newest.wording is None
    assert (first.accepted_at, first.covers, first.wording) == (950.0, CONSENT.covers, WORDING.digest)
    assert newest.id != first.id
    assert await store.acceptances.find_wording(ENVIRONMENT, WORDING.digest) == WORDING.document


async def test_what_was_not_recorded_was_not_accepted(store):
    assert await store.consents.record_consent(CONSENT, None, WORDING)
    assert not await store.consents.record_consent(replace(CONSENT, id="c2"), None, WORDING)
    assert not await store.consents.record_consent(CONSENT, replace(CONSENT, version=7), WORDING)
    assert len(await accepted(store)) == 1


async def test_others_do_not_see_them(store):
    await store.consents.record_consent(CONSENT, None, WORDING)
    assert await store.acceptances.acceptances_of("other", USER_ID) == ()
    assert await store.acceptances.acceptances_of(ENVIRONMENT, "other") == ()
    assert await store.acceptances.find_wording("other", WORDING.digest) is None


async def test_a_withdrawal_is_written_beside_what_it_withdrew(store):
    await store.consents.record_consent(CONSENT, None, WORDING)
    await store.consents.record_consent(replace(CONSENT, id="c2", client_id="another"), None, WORDING)
    await store.consents.withdraw_consents(ENVIRONMENT, USER_ID, AGENT, 970.0)
    before = {each.client_id: each for each in await store.consents.consents_of(ENVIRONMENT, USER_ID)}
    again = replace(CONSENT, id="c3", accepted_at=980.0)
    assert await store.consents.record_consent(again, before[AGENT], WORDING)
    found = [(each.client_id, each.accepted_at, each.withdrawn_at) for each in await accepted(store)]
    assert found[0] == (AGENT, 980.0, None)
    assert sorted(found[1:], key=str) == [(AGENT, 950.0, 970.0), ("another", 950.0, None)]


async def test_they_outlive_agreement_and_agent_but_not_the_user(store):
    rows = [
        ObjectRow(AGREEMENT, ENVIRONMENT, "agreement", "Terms", {}),
        ObjectRow(AGENT, ENVIRONMENT, "agent", "Agent", {}),
    ]
    await store.directory_rows.change([Put(each) for each in rows], await store.directory_rows.version())
    await store.consents.record_consent(CONSENT, None, WORDING)
    await store.directory_rows.change([Remove(each) for each in rows], await store.directory_rows.version())
    assert await store.consents.consents_of(ENVIRONMENT, USER_ID) == ()
    assert len(await accepted(store)) == 1
    await store.users.remove_user(ENVIRONMENT, USER_ID)
    assert await accepted(store) == ()


async def test_words_go_when_nobody_agreed_to_them(store):
    kept = replace(WORDING, digest="e" * 64)
    await store.consents.record_consent(CONSENT, None, WORDING)
    await store.consents.record_consent(replace(CONSENT, id="c2", client_id="another"), None, kept)
    later = CONSENT.accepted_at + KEPT_SECONDS + 1
    await store.purge(later)
    assert await store.acceptances.find_wording(ENVIRONMENT, WORDING.digest) is not None
    await store.users.remove_user(ENVIRONMENT, USER_ID)
    await store.purge(later - 2)
    assert await store.acceptances.find_wording(ENVIRONMENT, kept.digest) is not None, (
        "somebody may just agree"
    )
    await store.purge(later)
    assert await store.acceptances.find_wording(ENVIRONMENT, WORDING.digest) is None
    assert await store.acceptances.find_wording(ENVIRONMENT, kept.digest) is None


async def test_nobody_fills_the_database_by_agreeing(store):
    consent = CONSENT
    assert await store.consents.record_consent(consent, None, WORDING)
    for number in range(MOST_ACCEPTANCES + 3):
        again = replace(consent, accepted_at=1000.0 + number)
        assert await store.consents.record_consent(again, consent, WORDING)
        consent = again
    found = await accepted(store)
    assert len(found) == MOST_ACCEPTANCES
    assert found[0].accepted_at == consent.accepted_at
    assert found[-1].accepted_at == consent.accepted_at - MOST_ACCEPTANCES + 1
