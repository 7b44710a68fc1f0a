import asyncio
from types import SimpleNamespace

import pytest

from deputize.http.listener.limits import ListenerLimits
from deputize.http.listener.request_head import ITSELF, Refused
from deputize.http.listener.request_reader import RequestReader
from deputize.http.messages import BodyBroken, BodyTooLarge
from deputize.kernel.uris import Origin

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"


def reader_with(*, secure=False, **limits):
    calls = SimpleNamespace(flow=0, wanted=0)

    def flow():
        calls.flow += 1

    def wanted():
        calls.wanted += 1

    reader = RequestReader(
        asyncio.get_running_loop(), ListenerLimits(**limits), secure=secure, on_flow=flow, on_continue=wanted
    )
    return reader, calls


def status_of(data, **limits):
    reader, _ = reader_with(**limits)
    with pytest.raises(Refused) as refusal:
        reader.feed(data)
    assert not reader.ready
    return refusal.value.status


async def test_a_whole_request_has_its_body_at_hand():
    reader, _ = reader_with()
    reader.feed(
        b"POST /mcp?a=1 HTTP/1.1\r\nHost: Gateway.Example:8080\r\nX-A:  b \t\r\nContent-Length: 3\r\n\r\nabc"
    )
    (request,) = reader.ready
    assert (request.method, str(request.target), request.version) == ("POST", "/mcp?a=1", "1.1")
    assert request.origin == Origin("http", "gateway.example", 8080)
    assert request.headers.raw == [
        (b"Host", b"Gateway.Example:8080"),
        (b"X-A", b"b"),
        (b"Content-Length", b"3"),
    ]
    assert request.body.buffered == b"abc"
    assert reader.body is None
    assert not reader.in_head


async def test_an_unfinished_body_is_a_stream():
    reader, _ = reader_with()
    reader.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab")
    (request,) = reader.ready
    assert (request.body.buffered, request.body.length) == (None, 6)
    pieces = aiter(request.body)
    assert await anext(pieces) == b"ab"
    reader.feed(b"cdefGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [piece async for piece in pieces] == [b"cdef"]
    assert [str(each.target) for each in reader.ready] == ["/", "/next"]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        # exactly one valid Host
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (HEAD + b"Host: a\r\n\r\n", 400),
        (HEAD + b"hOST: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a:0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        # CL.TE, TE.CL, TE.TE and other framings that two programs read differently
        (HEAD + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-encoding: chunked\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: identity\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding : chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        (HEAD + b"Content-Length: 3, 3\r\n\r\nabc", 400),
        (HEAD + b"Content-Length: +3\r\n\r\nabc", 400),
        (HEAD + b"Content-Length: -3\r\n\r\nabc", 400),
        (HEAD + b"Content-Length: 0x3\r\n\r\nabc", 400),
        (HEAD + b"Content-Length: 3 4\r\n\r\nabc", 400),
        (HEAD + b"Content-Length:\r\n\r\nabc", 400),
        (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nabc", 400),
        # line ends, folding, control characters
        (HEAD + b"X: a\r\n b\r\n\r\n", 400),
        (HEAD + b" X: a\r\n\r\n", 400),
        (HEAD + b"X: a\n\r\n", 400),
        (HEAD + b"X: a\rb\r\n\r\n", 400),
        (HEAD + b"X: a\0b\r\n\r\n", 400),
        (HEAD + b"X: a\x7fb\r\n\r\n", 400),
        (HEAD + b"X\0: a\r\n\r\n", 400),
        (HEAD + b"X Y: a\r\n\r\n", 400),
        (HEAD + b": a\r\n\r\n", 400),
        (HEAD + b"X\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        # targets
        # an absolute target must say what Host and the connection say (RFC 9112 section 3.2.2)
        (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
        (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://a\\@b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://a/../x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://a#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://a HTTP/1.0\r\n\r\n", 400),
        (b"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 421),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET //a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        # one blank between method, target and version, and no other protocol's name
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / RTSP/1.0\r\nHost: a\r\n\r\n", 400),
        (b"OPTIONS / RTSP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / ICE/1.0\r\nHost: a\r\n\r\n", 400),
        (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        # who asks is said once
        (HEAD + b"Authorization: Bearer a\r\nauthorization: Bearer a\r\n\r\n", 400),
        (HEAD + b"Authorization: Bearer a\r\nX: y\r\nAUTHORIZATION: Basic b\r\n\r\n", 400),
        (b"GET /mcp/%2e%2e/admin HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /mcp/../admin HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /mcp//admin HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /mcp%2Fadmin HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        # methods and versions
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 505),
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"SOURCE /x ICE/1.0\r\nHost: a\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        # expectations
        (HEAD + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417),
    ],
)
async def test_what_could_be_read_in_two_ways_is_refused(head, status):
    assert status_of(head) == status


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 200 + b" HTTP/1.1\r\n", 414),
        (b"GET /" + b"a" * 900, 414),
        (HEAD + b"X: " + b"a" * 300 + b"\r\n\r\n", 431),
        (HEAD + b"X: " + b"a" * 900, 431),
        (HEAD + b"X: 1\r\n" * 11 + b"\r\n", 431),
        (HEAD + b"Content-Length: 101\r\n\r\n", 413),
    ],
)
async def test_sizes_are_limited(data, status):
    limits = {"request_line_bytes": 100, "header_bytes": 200, "header_count": 10, "body_bytes": 100}
    assert status_of(data, **limits) == status


async def test_what_fits_the_limits_exactly_passes():
    reader, _ = reader_with(request_line_bytes=5, header_bytes=22, header_count=2, body_bytes=2)
    reader.feed(b"GET /1234 HTTP/1.1\r\nHost: a\r\nX: 1234567\r\n\r\n" * 3)
    assert len(reader.ready) == 3


async def test_a_head_that_trickles_in_without_end_is_refused():
    reader, _ = reader_with(request_line_bytes=100, header_bytes=200)
    reader.feed(HEAD + b"X: ")
    for _ in range(200):
        reader.feed(b"a")
    with pytest.raises(Refused) as refusal:
        reader.feed(b"a" * 100)
    assert refusal.value.status == 431


async def test_a_chunked_body_beyond_the_limit_breaks_off():
    reader, _ = reader_with(body_bytes=5)
    reader.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    (request,) = reader.ready
    with pytest.raises(Refused) as refusal:
        reader.feed(b"3\r\ndef\r\n")
    assert (refusal.value.status, refusal.value.in_body) == (413, True)
    with pytest.raises(BodyTooLarge):
        await request.body.read(100)


@pytest.mark.parametrize(
    "rest",
    [b"z\r\n", b"3\nabc\r\n", b"3\r\nabcd\r\n", b"ffffffffffffffffff\r\n", b"-1\r\n", b"3 \r\nabc\r\n"],
)
async def test_a_malformed_chunk_breaks_the_body_off(rest):
    reader, _ = reader_with()
    reader.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    (request,) = reader.ready
    with pytest.raises(Refused) as refusal:
        reader.feed(rest)
    assert (refusal.value.status, refusal.value.in_body) == (400, True)
    with pytest.raises(BodyBroken):
        await request.body.read(100)


async def test_endless_trailers_are_refused():
    reader, _ = reader_with(header_bytes=100)
    reader.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
    reader.feed(b"Trailer: x\r\n" * 7)
    with pytest.raises(Refused):
        reader.feed(b"Trailer: x\r\n" * 3)


async def test_trailers_are_dropped():
    reader, _ = reader_with()
    reader.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nAuthorization: evil\r\n\r\n")
    assert reader.ready[0].headers.get("Authorization") is None
    assert reader.ready[0].body.buffered == b"a"


async def test_hop_by_hop_fields_end_here():
    reader, _ = reader_with()
    reader.feed(
        HEAD + b"Connection: X-Private, Host, Authorization\r\nAuthorization: b\r\nX-Private: 1\r\nTE: "
        b"trailers\r\nX: 2\r\n\r\n"
    )
    assert [name for name, _ in reader.ready[0].headers] == ["Host", "Authorization", "X"]


@pytest.mark.parametrize("name", ["X-Forwarded-For", "x-forwarded-host", "X-Forwarded-Proto", "Forwarded"])
async def test_a_client_does_not_take_back_what_a_proxy_says_of_it(name):
    reader, _ = reader_with()
    reader.feed(HEAD + f"Connection: {name.lower()}, close\r\n{name}: 192.0.2.1\r\n\r\n".encode())
    assert reader.ready[0].headers.get(name) == "192.0.2.1"


@pytest.mark.parametrize(
    ("head", "last"),
    [(b"HTTP/1.1\r\n", False), (b"HTTP/1.1\r\nConnection: close\r\n", True), (b"HTTP/1.0\r\n", True)],
)
async def test_when_no_request_may_follow(head, last):
    reader, _ = reader_with()
    reader.feed(b"GET / " + head + b"Host: a\r\n\r\n")
    assert reader.last is last


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(
    "fields", [b"", b"Content-Length: 1\r\n", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"]
)
async def test_nothing_is_read_behind_the_last_request(fields, split):
    """As what behind an answer without a length is taken for its body, there must be no answer behind it."""
    reader, _ = reader_with()
    asked = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n" + fields + b"\r\n" + b"x" * (b"Content" in fields)
    for data in [asked, asked] if split else [asked * 2]:
        reader.feed(data)
    assert len(reader.ready) == 1
    assert reader.last


async def test_http_1_0_may_leave_host_out():
    reader, _ = reader_with()
    reader.feed(b"GET / HTTP/1.0\r\n\r\n")
    assert (reader.ready[0].origin, reader.ready[0].version) == (None, "1.0")


@pytest.mark.parametrize(
    ("host", "secure", "origin"),
    [
        (b"a", False, Origin("http", "a", 80)),
        (b"a", True, Origin("https", "a", 443)),
        (b"A.b:8443", True, Origin("https", "a.b", 8443)),
        (b"[::1]:80", False, Origin("http", "::1", 80)),
        (b"127.0.0.1:1", False, Origin("http", "127.0.0.1", 1)),
    ],
)
async def test_the_origin_is_read_from_host(host, secure, origin):
    reader, _ = reader_with(secure=secure)
    reader.feed(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert reader.ready[0].origin == origin


async def test_requests_before_a_bad_one_stay_ready():
    reader, _ = reader_with()
    with pytest.raises(Refused) as refusal:
        reader.feed(HEAD + b"\r\n" + HEAD + b"\r\n" + b"BAD\r\n")
    assert (len(reader.ready), refusal.value.in_body) == (2, False)


async def test_the_client_is_asked_for_a_body_once_and_only_when_it_is_read():
    reader, calls = reader_with()
    reader.feed(HEAD + b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n")
    (request,) = reader.ready
    assert "Expect" not in request.headers
    assert calls.wanted == 0
    reading = asyncio.ensure_future(request.body.read(10))
    await asyncio.sleep(0)
    assert calls.wanted == 1
    reader.feed(b"a")
    await asyncio.sleep(0)
    reader.feed(b"b")
    assert await reading == b"ab"
    assert calls.wanted == 1


async def test_a_full_body_says_so():
    reader, calls = reader_with()
    reader.feed(HEAD + b"Content-Length: 200000\r\n\r\n" + b"x" * 70_000)
    body = reader.body
    assert body.full
    assert calls.flow == 1
    assert len(await anext(aiter(reader.ready[0].body))) == 70_000
    assert not body.full
    assert calls.flow == 2


async def test_many_declined_upgrades_in_one_piece():
    reader, _ = reader_with()
    reader.feed((HEAD + b"Upgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\nx") * 2000)
    assert len(reader.ready) == 2000
    assert {each.body.buffered for each in reader.ready} == {b"x"}
    assert "Upgrade" not in reader.ready[0].headers


@pytest.mark.parametrize(
    ("line", "host", "target"),
    [
        (b"GET http://a/mcp?x=1", b"a", "/mcp?x=1"),
        (b"GET HTTP://A:80", b"a", "/"),
        (b"GET http://a?x", b"A:80", "/?x"),
        (b"POST http://[::1]:8080/mcp", b"[::1]:8080", "/mcp"),
        (b"OPTIONS http://a/", b"a", "/"),
        (b"OPTIONS http://a", b"a", "*"),
        (b"OPTIONS *", b"a", "*"),
    ],
)
async def test_a_target_may_be_absolute_and_options_may_ask_about_the_server(line, host, target):
    reader, _ = reader_with()
    reader.feed(line + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    (request,) = reader.ready
    assert str(request.target) == target
    assert (request.target is ITSELF) == (target == "*")


async def test_an_absolute_target_has_the_scheme_of_its_connection():
    reader, _ = reader_with(secure=True)
    reader.feed(b"GET https://a/x HTTP/1.1\r\nHost: a:443\r\n\r\n")
    assert str(reader.ready[0].target) == "/x"
    reader, _ = reader_with(secure=True)
    with pytest.raises(Refused):
        reader.feed(b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n")


BODIES = [
    b"Content-Length: 19\r\n\r\nGET / HTTP/1.1\r\nHos",
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n",
    b"\r\n",
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("empty", [b"", b"\r\n"])
@pytest.mark.parametrize("size", [1, 2, 7, 30, 10_000])
async def test_request_lines_are_found_behind_one_another_however_they_are_split(body, empty, size):
    """And the last, which has a blank too many, is refused."""
    requests = [empty + b"POST /%d HTTP/1.1\r\nHost: a\r\n" % number + body for number in range(4)]
    data = b"".join(requests) + b"GET  /last HTTP/1.1\r\nHost: a\r\n\r\n"
    reader, _ = reader_with()

    def feed_all():
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])

    with pytest.raises(Refused, match="request line"):
        feed_all()
    assert [str(each.target) for each in reader.ready] == ["/0", "/1", "/2", "/3"]


TWINS = (
    b"X_Agent: evil\r\nX-Agent: good\r\nX.Agent: evil\r\nx~agent: evil\r\n"
    b"Transfer_Encoding: chunked\r\nContent_Length: 9\r\nX1: one\r\n\r\n"
)


async def test_names_that_servers_take_for_others_are_dropped():
    reader, _ = reader_with()
    reader.feed(HEAD + TWINS)
    assert list(reader.ready[0].headers) == [("Host", "a"), ("X-Agent", "good"), ("X1", "one")]


async def test_underscores_are_kept_where_they_are_allowed():
    reader, _ = reader_with(underscores_in_headers=True)
    reader.feed(HEAD + TWINS)
    headers = reader.ready[0].headers
    assert [name for name, _ in headers] == [
        "Host",
        "X_Agent",
        "X-Agent",
        "Transfer_Encoding",
        "Content_Length",
        "X1",
    ]
    headers.remove("X-Agent")
    assert [name for name, _ in headers] == ["Host", "Transfer_Encoding", "Content_Length", "X1"]


@pytest.mark.parametrize(
    ("host", "accepted"),
    [
        (b"gateway.example", True),
        (b"Gateway.EXAMPLE:8443", True),
        (b"[::1]:80", True),
        (b"evil.example", False),
        (b"gateway.example.evil", False),
        (b"127.0.0.1", False),
    ],
)
async def test_hosts_that_are_not_this_listeners_are_misdirected(host, accepted):
    reader, _ = reader_with(host_names=frozenset({"gateway.example", "::1"}))
    request = b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    if accepted:
        reader.feed(request)
        assert len(reader.ready) == 1
    else:
        with pytest.raises(Refused) as refusal:
            reader.feed(request)
        assert refusal.value.status == 421


async def test_a_request_that_names_no_host_is_misdirected_where_hosts_are_listed():
    assert status_of(b"GET / HTTP/1.0\r\n\r\n", host_names=frozenset({"a"})) == 421
