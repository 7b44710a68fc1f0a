"""One guarded fetch: which addresses are connected to, and what of an answer is taken."""

import asyncio
import socket
from collections import Counter
from ipaddress import ip_address, ip_network

import pytest
import uvloop

from deputize.authority.fetching import Fetcher, FetchFailed, Fetching
from deputize.authority.fetching import fetch as fetching
from deputize.authority.fetching.addresses import is_public
from deputize.authority.fetching.fetch import FetcherBusy
from deputize.kernel.uris import UriError
from deputize.oauth.document_urls import parse_document_url
from support.document_hosts import (
    BROKEN,
    ENDLESS,
    LOOPBACK,
    UNACCEPTABLE,
    DocumentHost,
    connection_attempts,
    drip,
    json_answer,
    resolving,
    say_nothing,
)
from support.patience import PATIENCE

LIMIT = 10_000
FORBIDDEN = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
]
SPELLINGS = [
    "127.1",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "127.0.0.1.",
    "[::ffff:7f00:1]",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:0:0:1]",
    "[::1%25lo]",
    "localhost.",
    "LOCALHOST",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "ⓛocalhost",
    "user@localhost",
]
LOCAL_NAMES = ["localhost", "127.0.0.1", "[::1]"]


@pytest.fixture
def connecting():
    with connection_attempts() as tried:
        yield tried


async def fetch(fetcher, url):
    return await fetcher.fetch(parse_document_url(url), LIMIT)


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_no_name_leads_to_an_address_that_is_not_public(address, connecting):
    resolve = resolving(["8.8.8.8", address])
    with pytest.raises(FetchFailed) as failed:
        await fetch(Fetcher(resolve=resolve), "https://clients.example/client.json")
    assert str(ip_address(address)) in str(failed.value)
    assert not failed.value.may_pass
    assert resolve.asked == ["clients.example"]
    assert connecting == []


@pytest.mark.parametrize("host", LOCAL_NAMES)
async def test_a_local_host_is_not_connected_to(host, connecting):
    with pytest.raises(FetchFailed):
        await fetch(Fetcher(), f"https://{host}/client.json")
    assert connecting == []


@pytest.mark.parametrize("host", SPELLINGS)
def test_an_address_in_disguise_is_no_url_of_a_document(host):
    with pytest.raises(UriError):
        parse_document_url(f"https://{host}/client.json")


@pytest.mark.parametrize("url", ["https://8.8.8.8/client.json", "https://[2606:4700::1111]/client.json"])
async def test_a_public_address_needs_a_name(url, connecting):
    with pytest.raises(FetchFailed, match="only a host's name"):
        await fetch(Fetcher(), url)
    assert connecting == []


async def test_another_port_is_for_networks_that_the_operator_named(connecting):
    with pytest.raises(FetchFailed, match="port 443"):
        await fetch(Fetcher(resolve=resolving(["8.8.8.8"])), "https://clients.example:22/client.json")
    assert connecting == []


def test_public_addresses_are_public():
    assert all(
        is_public(ip_address(each)) for each in ("1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111")
    )


@pytest.mark.parametrize("answers", [[], None])
async def test_a_name_without_address_may_have_one_later(answers):
    async def resolve(host):
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers

    with pytest.raises(FetchFailed) as failed:
        await fetch(Fetcher(resolve=resolve), "https://clients.example/client.json")
    assert failed.value.may_pass


async def test_the_document_comes_from_the_address_that_was_judged_under_the_hosts_name():
    async with DocumentHost(json_answer(b'{"a":1}', fields=[("Cache-Control", "max-age=7")])) as host:
        headers, content = await fetch(host.fetcher(), f"{host.origin}/client.json?v=1")
    assert content == b'{"a":1}'
    assert headers.get("cache-control") == "max-age=7"
    [request] = host.requests
    assert request.startswith("GET /client.json?v=1 HTTP/1.1\r\n")
    assert f"Host: {host.name}:{host.port}\r\n" in request
    assert "Accept-Encoding: identity\r\n" in request
    assert "Cookie" not in request


def test_it_works_on_the_servers_event_loop():
    async def run():
        async with DocumentHost(json_answer(b"{}")) as host:
            _, content = await fetch(host.fetcher(), f"{host.origin}/client.json")
            refusing = Fetcher(Fetching(ca_pem=host.ca_pem))
            with pytest.raises(FetchFailed, match=r"127\.0\.0\.1|::1"):
                await fetch(refusing, f"https://localhost:{host.port}/client.json")
        return content, host.connections

    assert uvloop.run(run()) == (b"{}", 1)


async def test_a_resolver_that_answers_differently_the_second_time_is_not_asked_twice(connecting):
    answers = [["127.0.0.1"], ["127.0.0.99"]]

    async def resolve(host):
        return answers.pop(0)

    async with DocumentHost(json_answer(b"{}")) as host:
        fetcher = Fetcher(Fetching((ip_network("127.0.0.1/32"),), host.ca_pem), resolve)
        await fetch(fetcher, f"{host.origin}/client.json")
        with pytest.raises(FetchFailed, match=r"127\.0\.0\.99"):
            await fetch(fetcher, f"{host.origin}/client.json")
    assert [each[0] for each in connecting] == ["127.0.0.1"]


async def test_the_next_address_is_tried_when_one_refuses():
    async with DocumentHost(json_answer(b"{}")) as host:
        _, content = await fetch(host.fetcher(["127.0.0.2", "127.0.0.1"]), f"{host.origin}/client.json")
    assert content == b"{}"


async def test_a_form_is_posted_by_the_same_rules(connecting):
    async with DocumentHost(b"HTTP/1.1 204 No Content\r\n\r\n") as host:
        url = parse_document_url(f"{host.origin}/logout")
        assert await host.fetcher().post_form(url, b"logout_token=x") == 204
        assert host.requests[0].startswith("POST /logout HTTP/1.1\r\n")
        assert "Content-Type: application/x-www-form-urlencoded\r\n" in host.requests[0]
        host.answer = json_answer(b"", "307 Temporary Redirect", [("Location", host.origin)])
        assert await host.fetcher().post_form(url, b"logout_token=x") == 307
        with pytest.raises(FetchFailed, match=r"127\.0\.0\.1"):
            await host.fetcher(networks=()).post_form(url, b"logout_token=x")
    assert len(connecting) == host.connections == 2


async def test_a_certificate_of_another_name_is_refused():
    async with DocumentHost(json_answer(b"{}"), name="other.example") as host:
        with pytest.raises(FetchFailed, match="certificate") as failed:
            await fetch(host.fetcher(), f"https://clients.example:{host.port}/client.json")
    assert failed.value.may_pass
    assert host.requests == []


@pytest.mark.parametrize("kind", UNACCEPTABLE)
async def test_what_is_no_small_plain_document_is_refused(kind, connecting):
    async with DocumentHost(UNACCEPTABLE[kind]) as host:
        with pytest.raises(FetchFailed) as failed:
            await fetch(host.fetcher(), f"{host.origin}/client.json")
    assert not failed.value.may_pass
    assert host.connections == 1
    assert len(connecting) == 1


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_host_that_does_not_answer_properly_may_later(kind):
    async with DocumentHost(BROKEN[kind]) as host:
        with pytest.raises(FetchFailed) as failed:
            await fetch(host.fetcher(), f"{host.origin}/client.json")
    assert failed.value.may_pass


@pytest.mark.parametrize("behaviour", ENDLESS)
async def test_the_whole_fetch_has_one_deadline(behaviour, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_SECONDS", 0.2)
    async with DocumentHost(behaviour) as host, asyncio.timeout(PATIENCE):
        with pytest.raises(FetchFailed, match=r"not complete within 0\.2 seconds") as failed:
            await fetch(host.fetcher(), f"{host.origin}/client.json")
    assert failed.value.may_pass
    assert fetching.MAX_SECONDS < 5


async def test_a_host_that_never_completes_tls_is_given_up(monkeypatch):
    monkeypatch.setattr(fetching, "MAX_SECONDS", 0.2)
    async with DocumentHost(say_nothing, tls=False) as host, asyncio.timeout(PATIENCE):
        with pytest.raises(FetchFailed) as failed:
            await fetch(host.fetcher(), f"{host.origin}/client.json")
    assert failed.value.may_pass


async def test_a_resolver_that_never_answers_is_given_up(monkeypatch, connecting):
    async def resolve(host):
        await asyncio.Event().wait()

    monkeypatch.setattr(fetching, "MAX_SECONDS", 0.05)
    with pytest.raises(FetchFailed, match="not complete"):
        await fetch(Fetcher(resolve=resolve), "https://clients.example/client.json")
    assert connecting == []


@pytest.mark.slow
async def test_five_seconds_are_five_seconds():
    async with DocumentHost(drip) as host:
        async with asyncio.timeout(7):
            with pytest.raises(FetchFailed, match="not complete within 5 seconds"):
                await fetch(host.fetcher(), f"{host.origin}/client.json")


async def test_all_hosts_together_take_a_bounded_number():
    asked, answer = [], asyncio.Event()

    async def resolve(host):
        asked.append(host)
        await answer.wait()
        return ["127.0.0.1"]

    fetcher = Fetcher(resolve=resolve)
    hosts = [f"{number % 20}.example" for number in range(100)]
    tasks = [asyncio.create_task(fetch(fetcher, f"https://{host}/x")) for host in hosts]
    await asyncio.sleep(0)
    while len(asked) < fetching.MOST_AT_ONCE:
        await asyncio.sleep(0)
    assert len(asked) == fetching.MOST_AT_ONCE
    busy = [each for each in tasks if each.done()]
    assert len(tasks) - len(busy) == fetching.MOST_WAITING
    assert all("under way" in str(each.exception()) for each in busy)
    answer.set()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_places_are_given_back():
    fetcher = Fetcher(resolve=resolving(["127.0.0.1"]))
    for _ in range(2 * fetching.MOST_OF_HOST):
        with pytest.raises(FetchFailed, match="public"):
            await fetch(fetcher, "https://clients.example/x")


async def test_one_host_is_asked_a_bounded_number_of_times_and_others_still_are():
    resolve = resolving(["127.0.0.1"])
    fetcher = Fetcher(resolve=resolve)
    for number in range(2 * fetching.HOST_ALLOWANCE.at_once):
        with pytest.raises(FetchFailed):
            await fetch(fetcher, f"https://one.example/{number}")
    with pytest.raises(FetchFailed):
        await fetch(fetcher, "https://two.example/x")
    asked = Counter(resolve.asked)
    assert fetching.HOST_ALLOWANCE.at_once <= asked["one.example"] < 2 * fetching.HOST_ALLOWANCE.at_once
    assert asked["two.example"] == 1


async def test_kinds_of_addresses_take_turns():
    addresses = ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2"]
    fetcher = Fetcher(Fetching((*LOOPBACK, ip_network("::/120"))), resolving(addresses))
    url = parse_document_url("https://clients.example/x")
    assert [str(each) for each in await fetcher._judged_addresses(url)] == ["::1", "127.0.0.1", "::2"]


async def test_one_host_takes_few_places():
    answer = asyncio.Event()

    async def resolve(host):
        await answer.wait()
        return ["127.0.0.1"]

    fetcher = Fetcher(resolve=resolve)
    urls = ["https://one.example/x"] * (fetching.MOST_OF_HOST + 1) + ["https://two.example/x"]
    tasks = [asyncio.create_task(fetch(fetcher, url)) for url in urls]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [each.done() for each in tasks] == [False] * fetching.MOST_OF_HOST + [True, False]
    assert isinstance(tasks[fetching.MOST_OF_HOST].exception(), FetcherBusy)
    answer.set()
    await asyncio.gather(*tasks, return_exceptions=True)
