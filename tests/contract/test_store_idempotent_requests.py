import asyncio
from dataclasses import replace

from deputize.authority.storage import IdempotentRequest, open_store

REQUEST = IdempotentRequest("1" * 64, "a" * 64, 1000.0, 2000.0)
ANSWERED = replace(REQUEST, status=201, fields={"ETag": '"x"'}, body='{"é": 1}')


async def test_a_key_is_taken_once_and_then_leads_to_what_has_it(store):
    begin = store.idempotent_requests.begin
    assert await begin(REQUEST, 0.0) is None
    other = replace(REQUEST, fingerprint="b" * 64, begun_at=1001.0)
    assert await begin(other, 0.0) == REQUEST
    assert await begin(replace(other, key_digest="2" * 64), 0.0) is None


async def test_an_answer_is_kept_durably(store, store_url):
    await store.idempotent_requests.begin(REQUEST, 0.0)
    await store.idempotent_requests.finish(ANSWERED)
    async with open_store(store_url) as again:
        assert await again.idempotent_requests.begin(replace(REQUEST, begun_at=1500.0), 1400.0) == ANSWERED


async def test_one_of_many_at_once_gets_it_whichever_process_they_ask(store, store_url):
    async with open_store(store_url) as other:
        taken = await asyncio.gather(
            *(
                each.idempotent_requests.begin(replace(REQUEST, begun_at=1000.0 + place), 0.0)
                for place, each in enumerate([store, other] * 10)
            )
        )
    assert taken.count(None) == 1


async def test_what_was_never_answered_is_taken_over_once_it_is_overdue(store):
    requests = store.idempotent_requests
    await requests.begin(REQUEST, 0.0)
    later = replace(REQUEST, begun_at=1100.0)
    assert await requests.begin(later, 1000.0) == REQUEST
    assert await requests.begin(later, 1000.5) is None
    await requests.finish(ANSWERED)  # by the one that was slow: its key is another's now
    assert (await requests.begin(later, 0.0)).status is None


async def test_a_key_that_is_given_up_is_free(store):
    await store.idempotent_requests.begin(REQUEST, 0.0)
    await store.idempotent_requests.give_up(replace(REQUEST, begun_at=999.0))
    assert await store.idempotent_requests.begin(REQUEST, 0.0) == REQUEST
    await store.idempotent_requests.give_up(REQUEST)
    assert await store.idempotent_requests.begin(REQUEST, 0.0) is None


async def test_a_key_counts_for_its_time_and_is_reaped_after_it(store):
    requests = store.idempotent_requests
    await requests.begin(REQUEST, 0.0)
    await requests.finish(ANSWERED)
    assert await requests.begin(replace(REQUEST, begun_at=2000.0), 0.0) == ANSWERED
    assert await store.purge(2000.0) == 0
    assert await store.purge(2000.5) == 1
    await requests.begin(REQUEST, 0.0)
    await requests.finish(ANSWERED)
    assert await requests.begin(replace(REQUEST, begun_at=2000.5, kept_until=3000.0), 0.0) is None
