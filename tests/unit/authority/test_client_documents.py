"""What clients publish about themselves: keys."""

import json

import pytest

from deputize.authority.client_documents import FetchedDocuments
from deputize.authority.fetching.documents import RETRY_SECONDS
from deputize.jose import generate_key
from deputize.kernel.clock import Clock
from deputize.oauth.errors import InvalidClient, TemporarilyUnavailable
from support.document_hosts import DocumentHost, json_answer


class SetClock(Clock):
    time = 1_700_000_000.0

    def now(self):
        return self.time


def key_set(*kids):
    return json.dumps({"keys": [generate_key("ES256", kid, 0).public_jwk for kid in kids]}).encode()


async def test_keys_are_fetched_once_and_again_for_an_unknown_one_once_in_a_while():
    clock = SetClock()
    async with DocumentHost(json_answer(key_set("1"))) as host:
        documents, url = FetchedDocuments(host.fetcher(), clock), f"{host.origin}/keys"
        assert [each.kid for each in await documents.keys_of(url)] == ["1"]
        host.answer = json_answer(key_set("2"))
        for _ in range(10):
            assert [each.kid for each in await documents.keys_of(url, newer=True)] == ["1"]
        clock.time += RETRY_SECONDS
        for _ in range(10):
            assert [each.kid for each in await documents.keys_of(url, newer=True)] == ["2"]
    assert len(host.requests) == 2


async def test_a_key_that_was_taken_out_counts_no_longer_when_its_time_is_over():
    clock = SetClock()
    async with DocumentHost(
        json_answer(key_set("1", "2"), fields=[("Cache-Control", "max-age=600")])
    ) as host:
        documents, url = FetchedDocuments(host.fetcher(), clock), f"{host.origin}/keys"
        await documents.keys_of(url)
        host.answer = json_answer(key_set("2"))
        clock.time += 600
        assert [each.kid for each in await documents.keys_of(url)] == ["2"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (json_answer(b"{}"), InvalidClient),
        (json_answer(b'{"keys": []}'), InvalidClient),
        (json_answer(b'{"keys": [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldA"}]}'), InvalidClient),
        (json_answer(b'{"keys": [], "keys": []}'), InvalidClient),
        (json_answer(b"secret of the host", "404 secret"), InvalidClient),
        (json_answer(b"secret of the host", "500 secret"), TemporarilyUnavailable),
    ],
)
async def test_without_keys_the_client_learns_nothing_of_why(answer, error):
    async with DocumentHost(answer) as host:
        documents = FetchedDocuments(host.fetcher(), SetClock())
        with pytest.raises(error) as refused:
            await documents.keys_of(f"{host.origin}/keys")
    assert host.origin in refused.value.detail
    assert not [
        each for each in (host.name, "127.0.0.1", "secret", "500", "404") if each in refused.value.description
    ]
