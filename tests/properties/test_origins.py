"""Only the origins listed pass, however somebody spells another one."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from deputize.gateway.filters.cors import CorsPolicy
from deputize.gateway.filters.mcp_validation import McpValidationFilter
from deputize.kernel.uris import normalise_origin
from support.gateway import built
from support.mcp_messages import LEGACY_VERSION, legacy_call
from support.oauth_filters import oauth_heap, posting, through_to

SCHEMES = st.sampled_from(["http", "https"])
HOSTS = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,4}[a-z0-9])?(\.[a-z]{2,4}){1,2}", fullmatch=True
) | st.sampled_from(["[::1]", "localhost"])
PORTS = st.sampled_from([None, 80, 443, 3000])
ORIGINS = st.builds(lambda scheme, host, port: (scheme, host, port), SCHEMES, HOSTS, PORTS)
DEFAULTS = {"http": 80, "https": 443}
NASTY = st.sampled_from(
    [
        "/",
        "/x",
        "?",
        "#",
        "@evil.example",
        ".evil.example",
        "%2e",
        " ",
        ",",
        ":",
        "\t",
        "\\",
        "x",
        ".",
        "0",
        "*",
        "|",
    ]
)


def written(scheme, host, port):
    return f"{scheme}://{host}" + ("" if port is None else f":{port}")


def same(one, other):
    return (*one[:2], one[2] or DEFAULTS[one[0]]) == (*other[:2], other[2] or DEFAULTS[other[0]])


def accepted(entries, origin):
    some_filter = built(
        McpValidationFilter,
        {"type": "McpValidationFilter", "config": {"acceptedOrigins": entries}},
        oauth_heap(),
    )
    exchange = posting(legacy_call(), LEGACY_VERSION, ("Origin", origin))
    status = asyncio.run(through_to(some_filter, exchange))[0].status
    assert status in {200, 403}
    return status == 200


@given(st.lists(ORIGINS, min_size=1, max_size=3), ORIGINS, st.booleans())
def test_an_origin_passes_exactly_when_it_is_listed(listed, origin, upper):
    text = written(*origin).upper() if upper else written(*origin)
    entries = [written(*each) for each in listed]

    assert accepted(entries, text) is any(same(each, origin) for each in listed)
    assert CorsPolicy(acceptedOrigins=entries).accepts(text) is any(same(each, origin) for each in listed)


@given(ORIGINS, NASTY, st.data())
def test_what_is_added_to_an_origin_makes_it_another(listed, nasty, data):
    entry = written(*listed)
    at = data.draw(st.integers(0, len(entry)))
    text = entry[:at] + nasty + entry[at:]

    if text.strip(" \t") != entry and normalise_origin(text) != normalise_origin(entry):
        assert not accepted([entry], text)
        assert not CorsPolicy(acceptedOrigins=[entry]).accepts(text)


@given(st.text(max_size=30) | ORIGINS.map(lambda each: written(*each)))
def test_normalising_is_idempotent(text):
    once = normalise_origin(text)

    assert once is None or normalise_origin(once) == once
