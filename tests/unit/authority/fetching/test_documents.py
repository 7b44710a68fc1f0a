"""Documents, remembered: when their hosts are asked, and what counts when they do not answer."""

import asyncio

import pytest

from deputize.authority.fetching import Documents, FetchFailed, documents
from deputize.authority.fetching.fetch import FetcherBusy
from deputize.authority.fetching.freshness import LONGEST
from deputize.http.messages import Headers
from deputize.kernel.errors import DeputizeError

URL = "https://clients.example/client.json"
GONE = FetchFailed("answered with status 404 instead of 200")
SILENT = FetchFailed("not complete within 5 seconds", may_pass=True)


class Clock:
    time = 1_000_000.0

    def now(self):
        return self.time


class Fetcher:
    """Answers with one outcome after the other, for ever with the last; `asked` counts."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def fetch(self, url, max_bytes, *, is_known=False):
        self.asked += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        await self.may_answer.wait()
        if isinstance(outcome, Exception):
            raise outcome
        return Headers([(b"Cache-Control", b"max-age=100")]), outcome


def read(url, content):
    if content == b"invalid":
        raise DeputizeError("the document is invalid")
    return content


def remembering(*outcomes):
    fetcher, clock = Fetcher(*outcomes), Clock()
    return Documents(fetcher, clock, read, max_bytes=100), fetcher, clock


async def test_a_fresh_document_is_not_fetched_again_and_a_changed_one_counts_then():
    kept, fetcher, clock = remembering(b"1", b"2")
    assert [await kept.get(URL), await kept.get(URL)] == [b"1", b"1"]
    clock.time += 99
    assert await kept.get(URL) == b"1"
    assert fetcher.asked == 1
    clock.time += 1
    assert await kept.get(URL) == b"2"


async def test_all_who_ask_at_once_share_one_fetch_whoever_gives_up():
    kept, fetcher, _ = remembering(b"1")
    fetcher.may_answer.clear()
    asking = [asyncio.create_task(kept.get(URL)) for _ in range(10)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    fetcher.may_answer.set()
    assert await asyncio.gather(*asking[1:]) == [b"1"] * 9
    assert fetcher.asked == 1


@pytest.mark.parametrize("failure", [GONE, SILENT, b"invalid"])
async def test_a_failure_is_remembered_for_a_while(failure):
    kept, fetcher, clock = remembering(failure, b"1")
    for _ in range(3):
        with pytest.raises(FetchFailed):
            await kept.get(URL)
    assert fetcher.asked == 1
    clock.time += documents.RETRY_SECONDS
    assert await kept.get(URL) == b"1"


@pytest.mark.parametrize("failure", [GONE, b"invalid"])
async def test_a_document_that_is_gone_or_invalid_counts_no_longer(failure):
    kept, _, clock = remembering(b"1", failure, SILENT)
    await kept.get(URL)
    for _ in range(2):
        clock.time += 100
        with pytest.raises(FetchFailed):
            await kept.get(URL)


async def test_while_its_host_is_silent_the_last_copy_counts_for_a_day():
    kept, fetcher, clock = remembering(b"1", SILENT)
    await kept.get(URL)
    clock.time += LONGEST - 1
    assert [await kept.get(URL), await kept.get(URL)] == [b"1", b"1"]
    assert fetcher.asked == 2
    clock.time += 1
    with pytest.raises(FetchFailed):
        await kept.get(URL)


async def test_a_full_fetcher_says_nothing_about_the_document():
    kept, _, _ = remembering(FetcherBusy("64 fetches are under way"), b"1")
    with pytest.raises(FetchFailed):
        await kept.get(URL)
    assert await kept.get(URL) == b"1"


async def test_what_is_missing_in_a_document_is_looked_for_once_in_a_while():
    kept, fetcher, clock = remembering(b"1", b"2", SILENT)
    assert await kept.get_newer(URL) == b"1"
    for _ in range(100):
        assert await kept.get_newer(URL) == b"1"
    assert fetcher.asked == 1
    clock.time += documents.RETRY_SECONDS
    assert await kept.get_newer(URL) == b"2"
    clock.time += documents.RETRY_SECONDS
    for _ in range(100):
        assert await kept.get_newer(URL) == b"2"
    assert fetcher.asked == 3


async def test_a_clock_that_was_set_back_keeps_nothing_fresh():
    kept, _, clock = remembering(b"1", b"2")
    await kept.get(URL)
    clock.time -= 1_000_000
    assert await kept.get(URL) == b"2"


async def test_neither_documents_nor_failures_fill_the_memory():
    kept, _, _ = remembering(b"1")
    failing, _, _ = remembering(GONE)
    for number in range(2 * documents.MOST):
        await kept.get(f"{URL}{number}")
        with pytest.raises(FetchFailed):
            await failing.get(f"{URL}{number}")
    assert 0 < len(kept._copies) <= documents.MOST
    assert 0 < len(failing._failures) <= documents.MOST
    assert not kept._flights
