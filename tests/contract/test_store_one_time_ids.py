import asyncio

from deputize.authority.storage import open_store
from support.store_records import ENVIRONMENT

ID, OTHER = "1" * 64, "2" * 64


async def test_an_id_counts_once(store):
    use = store.one_time_ids.use
    assert await use(ENVIRONMENT, "assertion", ID, 2000.0)
    assert not await use(ENVIRONMENT, "assertion", ID, 2000.0)
    assert not await use(ENVIRONMENT, "assertion", ID, 9000.0), "whatever else comes with it"
    assert await use(ENVIRONMENT, "assertion", OTHER, 2000.0)
    assert await use(ENVIRONMENT, "proof", ID, 2000.0)
    assert await use("another environment", "assertion", ID, 2000.0)


async def test_one_of_many_at_once_wins_whichever_process_they_ask(store, store_url):
    async with open_store(store_url) as other:
        wins = await asyncio.gather(
            *(each.one_time_ids.use(ENVIRONMENT, "assertion", ID, 2000.0) for each in [store, other] * 10)
        )
    assert wins.count(True) == 1


async def test_it_is_remembered_after_the_store_is_opened_again(store, store_url):
    assert await store.one_time_ids.use(ENVIRONMENT, "assertion", ID, 2000.0)
    async with open_store(store_url) as again:
        assert not await again.one_time_ids.use(ENVIRONMENT, "assertion", ID, 2000.0)


async def test_it_is_reaped_when_it_is_past_and_not_before(store):
    assert await store.one_time_ids.use(ENVIRONMENT, "assertion", ID, 2000.0)
    assert await store.purge(2000.0) == 0
    assert not await store.one_time_ids.use(ENVIRONMENT, "assertion", ID, 2000.0)
    assert await store.purge(2000.5) == 1
    assert await store.one_time_ids.use(ENVIRONMENT, "assertion", ID, 3000.0)
