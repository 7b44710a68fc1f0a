"""Whatever a stranger names, and however the host's name resolves, only public addresses are connected to."""

import asyncio
import json
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.fetching import Fetcher, FetchFailed
from deputize.authority.fetching.addresses import is_public
from deputize.authority.fetching.freshness import LONGEST, SHORTEST, lifetime
from deputize.http.messages import Headers
from deputize.kernel.uris import UriError
from deputize.oauth.client_metadata import read_document
from deputize.oauth.document_urls import parse_document_url
from deputize.oauth.errors import InvalidClientMetadata
from support.examples import examples

EMBEDDINGS = [
    lambda address: address,  # compatible
    lambda address: 0xFFFF << 32 | address,  # mapped
    lambda address: 0xFFFF << 48 | address,  # translated (RFC 2765)
    lambda address: 0x64FF9B << 96 | address,  # NAT64
    lambda address: 0x64FF9B0001 << 80 | address,  # local NAT64
    lambda address: 0x2002 << 112 | address << 80,  # 6to4
    lambda address: 0x20010000 << 96 | address ^ 0xFFFFFFFF,  # Teredo: the client's, inverted
    lambda address: 0xFE80 << 112 | 0x5EFE << 32 | address,  # ISATAP
]
ADDRESSES = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    st.builds(
        lambda embed, address: IPv6Address(embed(int(address))),
        st.sampled_from(EMBEDDINGS),
        st.ip_addresses(v=4),
    ),
)


def connections_to(addresses):
    """The addresses that a fetch connects to where its host resolves to these."""
    tried = []

    class Recording(Fetcher):
        async def _ask_any(self, request, addresses, take):
            tried.extend(addresses)
            raise FetchFailed("nothing is there")

    async def resolve(host):
        return [str(each) for each in addresses]

    async def fetch():
        try:
            await Recording(resolve=resolve).fetch(parse_document_url("https://clients.example/x"), 100)
        except FetchFailed:
            return tried

    return asyncio.run(fetch())


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(ADDRESSES, max_size=5))
def test_a_host_is_connected_to_only_if_each_of_its_addresses_is_public(addresses):
    tried = connections_to(addresses)
    assert set(tried) <= set(addresses)
    for address in addresses if tried else ():
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_private


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(EMBEDDINGS), st.ip_addresses(v=4))
def test_no_ipv4_address_is_reached_in_the_disguise_of_an_ipv6_address(embed, address):
    assert not is_public(IPv6Address(embed(int(address))))


@settings(max_examples=examples(300), deadline=None)
@given(st.ip_addresses(v=4))
def test_of_ipv4_nothing_is_public_that_the_registries_say_is_not(address):
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


PIECES = [
    *("https://", "http://", "//", "/", "\\", "@", ":", "443", "8443", "#", "?", "%2e", "..", ".", "[::1]"),
    *("127.0.0.1", "0x7f.1", "2130706433", "localhost", "a.example", "A.example", "xn--a", "é", " ", "\t"),
]
URL_PARTS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@settings(max_examples=examples(500), deadline=None)
@given(URL_PARTS | st.text(max_size=40).map("https://".__add__))
def test_what_is_asked_for_is_what_every_program_reads_in_the_url(url):
    try:
        parts = parse_document_url(url)
    except UriError:
        return
    read = urlsplit(url)
    assert f"{parts.origin}{parts.target}" == url
    assert (read.scheme, read.hostname, read.port or 443) == parts.origin
    assert (read.username, read.password, read.fragment) == (None, None, "")
    assert not {".", ".."} & set(read.path.split("/"))
    assert read.path.startswith("/")


SAID = ["max-age=10", "s-maxage=99999999", "no-store", "0", "Thu, 01 Dec 9999 16:00:00 GMT"]
FIELDS = st.tuples(
    st.sampled_from([b"Cache-Control", b"Expires", b"Date", b"Age"]),
    st.one_of(st.sampled_from(SAID), st.text(st.characters(max_codepoint=255), max_size=30)).map(
        lambda text: text.encode("latin-1")
    ),
)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(FIELDS, max_size=5), st.floats(0, 1e11))
def test_whatever_an_answer_says_it_counts_for_a_bounded_time(fields, now):
    assert SHORTEST <= lifetime(Headers(fields), now) <= LONGEST


NAMES = ["client_id", "redirect_uris", "jwks", "keys", "kty", "client_name", "jwks_uri"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
)
URL = "https://a.example/x"


@settings(max_examples=examples(300), deadline=None)
@given(
    st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(NAMES), VALUES).map(
        lambda members: json.dumps({**members, "client_id": URL}).encode()
    )
)
def test_whatever_a_document_holds_it_is_read_or_refused(content):
    try:
        metadata = read_document(URL, content)
    except InvalidClientMetadata:
        return
    assert metadata.redirect_uris
