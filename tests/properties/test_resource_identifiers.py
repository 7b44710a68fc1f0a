"""Resource identifiers are equal as RFC 3986 sections 6.2.2 and 6.2.3 say, and in no other case."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.kernel.uris import is_same_resource, normalise_resource

MCP = "https://ig.example.com/mcp"
SEGMENTS = st.text("abcXYZ09-._~!$&'()*+,;=:@", min_size=1, max_size=6).filter(
    lambda text: text not in {".", ".."}
)
HOSTS = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,5}){1,2}", fullmatch=True
) | st.sampled_from(["[::1]", "127.0.0.1"])


@st.composite
def identifiers(draw):
    """An identifier in its plain spelling: scheme, host, port (0.

    None), path segments, and whether a slash ends them.
    """
    return (
        draw(st.sampled_from(["http", "https"])),
        draw(HOSTS),
        draw(st.sampled_from([0, 8443, 8080])),
        draw(st.lists(SEGMENTS, max_size=3)),
        draw(st.booleans()),
    )


def plain(scheme, host, port, segments, slash):
    path = "".join(f"/{segment}" for segment in segments) + ("/" if slash or not segments else "")
    return f"{scheme}://{host}{f':{port}' if port else ''}{path}"


@st.composite
def respelled(draw, parts):
    """The same identifier written otherwise."""
    scheme, host, port, segments, slash = parts

    def recased(text):
        return "".join(draw(st.sampled_from([each.lower(), each.upper()])) for each in text)

    def escaped(text):
        unreserved = string.ascii_letters + string.digits + "-._~"
        return "".join(
            draw(st.sampled_from([each, f"%{ord(each):02x}", f"%{ord(each):02X}"]))
            if each in unreserved
            else each
            for each in text
        )

    default = {"http": ":80", "https": ":443"}[scheme]
    authority = recased(host) + (f":{port}" if port else draw(st.sampled_from(["", ":", default])))
    path = "".join(
        f"{draw(st.sampled_from(['', '/.', '/x/..', '/%2e', '/y/%2E.']))}/{escaped(segment)}"
        for segment in segments
    )
    if slash or not segments:
        path += "/" if segments else draw(st.sampled_from(["", "/", "/.", "/x/.."]))
    return f"{recased(scheme)}://{authority}{path}"


@given(st.data(), identifiers())
def test_every_spelling_of_an_identifier_is_the_same_resource(data, parts):
    spelling = data.draw(respelled(parts))

    assert normalise_resource(spelling) == plain(*parts)
    assert is_same_resource(spelling, plain(*parts))


@given(identifiers(), identifiers())
def test_different_identifiers_stay_different(one, other):
    assert is_same_resource(plain(*one), plain(*other)) is (plain(*one) == plain(*other))


@given(st.text(max_size=30) | st.text("htps:/.%2eEA@[]?#\\ \t\nag1", max_size=30).map("https://".__add__))
def test_normalising_is_idempotent_and_takes_any_text(text):
    once = normalise_resource(text)

    assert normalise_resource(once) == once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTPS://IG.Example.COM/mcp", MCP),
        ("https://ig.example.com:443/mcp", MCP),
        ("https://ig.example.com:/mcp", MCP),
        ("https://ig.example.com", "https://ig.example.com/"),
        ("https://ig.example.com?q=1", "https://ig.example.com/?q=1"),
        ("http://ig.example.com:80", "http://ig.example.com/"),
        ("https://ig.example.com/%6Dcp", MCP),
        ("https://ig.example.com/%e2%82%ac", "https://ig.example.com/%E2%82%AC"),
        ("https://ig.example.com/a/../mcp", MCP),
        ("https://ig.ex%41mple.com/mcp", MCP),
        ("https://ig.%c3%a9xample.com/mcp", "https://ig.%C3%A9xample.com/mcp"),
        ("URN:example:a", "urn:example:a"),
        ("urn:example:%61", "urn:example:a"),
        ("https://[::AB]/", "https://[::ab]"),
    ],
)
def test_spellings_that_the_specification_calls_equal(one, other):
    assert is_same_resource(one, other)


@pytest.mark.parametrize(
    "other",
    [
        "https://ig.example.com/mcp/",
        "https://ig.example.com/MCP",
        "http://ig.example.com/mcp",
        "https://ig.example.com:8443/mcp",
        "https://ig.example.com:0443/mcp",
        "http://ig.example.com:443/mcp",
        "https://ig.example.com/mcp?",
        "https://ig.example.com/mcp#",
        "https://ig.example.com/%2Fmcp",
        "https://ig.example.com//mcp",
        "https://ig.example.com/mcp%00",
        "https://ig.example.com./mcp",
        "https://user@ig.example.com/mcp",
        "https://ig.example.com\\mcp",
        " https://ig.example.com/mcp",
        "https://ig.example.com/mcp\n",
        "https://ig.exam\tple.com/mcp",
        "https:ig.example.com/mcp",
        "//ig.example.com/mcp",
        "https://ig.example.com/%mcp",
    ],
)
def test_anything_else_is_another_resource(other):
    assert not is_same_resource(other, MCP)


def test_names_are_only_equal_to_themselves():
    assert is_same_resource("Weather API", "Weather API")
    assert not is_same_resource("Weather API", "weather api")
    assert not is_same_resource("", "/")
