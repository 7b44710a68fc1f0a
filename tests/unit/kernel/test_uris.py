from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.http.listener import ListenerLimits
from deputize.kernel.uris import Origin, Target, UriError, is_loopback_host, parse_origin, parse_target


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        (b"/", Target("/", None)),
        (b"/mcp", Target("/mcp", None)),
        (b"/mcp?a=1?b", Target("/mcp", "a=1?b")),
        (b"/mcp?", Target("/mcp", "")),
        (b"/a%20b/%C3%A9", Target("/a%20b/%C3%A9", None)),
        (b"/.well-known/x", Target("/.well-known/x", None)),
        (b"/a/...", Target("/a/...", None)),
        (b"/mcp/", Target("/mcp/", None)),
        (b"/a;v=1/..b;x", Target("/a;v=1/..b;x", None)),
    ],
)
def test_plain_targets_pass_unchanged(raw, target):
    assert parse_target(raw) == target
    assert str(target).encode() == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"*",
        b"mcp",
        b"http://other/mcp",
        b"/a/../b",
        b"/a/./b",
        b"/..",
        b"/a/%2e%2e/b",
        b"/a/%2E./b",
        b"/a//b",
        b"//evil/x",
        b"/a%2fb",
        b"/a%5Cb",
        b"/a\\b",
        b"/a%00",
        b"/a%0a",
        b"/a/%0D%0A/b",
        b"/a%1f",
        b"/a%7F",
        b"/a/..;/b",
        b"/a/.;x=1/b",
        b"/a/..;",
        b"/a/%2e.;x/b",
        b"/a/..%3B/b",
        b"/a/%c0%ae%c0%ae/b",
        b"/a%ff",
        b"/a\x00",
        b"/a b",
        b"/a#b",
        b"/a%",
        b"/a%4",
        b"/a%zz",
        b"/\xc3\xa9",
        b"/" + b"a" * 9000,
    ],
)
def test_ambiguous_targets_are_refused(raw):
    with pytest.raises(UriError):
        parse_target(raw)


@given(st.text(alphabet="/.%2eEfF5cCab?0", max_size=24))
def test_what_passes_means_one_thing_to_everyone(text):
    try:
        target = parse_target(b"/" + text.encode())
    except UriError:
        return
    decoded = unquote(target.path)
    assert not {".", ".."} & set(decoded.split("/"))
    assert decoded.count("/") == target.path.count("/")
    assert "//" not in decoded
    assert parse_target(str(target).encode()) == target


@pytest.mark.parametrize(
    ("uri", "origin", "authority"),
    [
        ("https://ig.example.com:8443/mcp", Origin("https", "ig.example.com", 8443), "ig.example.com:8443"),
        ("HTTP://LocalHost/x?y#z", Origin("http", "localhost", 80), "localhost"),
        ("http://[::1]:8000", Origin("http", "::1", 8000), "[::1]:8000"),
        ("https://[2001:db8::1]", Origin("https", "2001:db8::1", 443), "[2001:db8::1]"),
    ],
)
def test_origins(uri, origin, authority):
    assert parse_origin(uri) == origin
    assert origin.authority == authority


@pytest.mark.parametrize(
    "uri", ["", "ig.example.com", "/mcp", "ftp://x/", "http://", "http://x:99999/", "http://[::1/"]
)
def test_not_an_origin(uri):
    with pytest.raises(UriError):
        parse_origin(uri)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("localhost.evil", False),
    ],
)
def test_loopback_hosts(host, loopback):
    assert is_loopback_host(host) is loopback


def test_a_listener_bounds_a_target_sooner_than_parsing_does():
    longest = b"/" + b"a" * 8191
    assert parse_target(longest).path == longest.decode()
    with pytest.raises(UriError):
        parse_target(longest + b"a")
    assert ListenerLimits().request_line_bytes < len(longest)
