"""What is read does not depend on how the bytes were cut; what is written cannot be read as anything else."""

import asyncio
import contextlib
import itertools

from hypothesis import given
from hypothesis import strategies as st

from deputize.http.heads import HOP_BY_HOP, chunk, request_head, response_head
from deputize.http.listener.limits import ListenerLimits
from deputize.http.listener.request_head import Refused, sort_out, without_twins
from deputize.http.listener.request_reader import RequestReader
from deputize.http.messages import Body, HeaderError, Headers, Request, Response
from deputize.http.sse import EventReader
from deputize.http.upstream.errors import UpstreamProtocolError
from deputize.http.upstream.response_reader import ResponseReader
from deputize.kernel.uris import Target, parse_target

TOKENS = st.text("abcXYZ-_.019", min_size=1, max_size=12).filter(lambda text: not text.startswith("-"))
PLAIN_NAMES = st.text("abcXYZ-019", max_size=12).map("X-{}".format)
"""Names that reach a handler whatever the settings."""
VALUES = st.text('abc XYZ;=,"/\t~é', max_size=20).map(str.strip)
BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=4)


def in_loop(work):
    loop = asyncio.new_event_loop()
    try:
        return work(loop)
    finally:
        loop.close()


def nothing():
    return None


@st.composite
def requests(draw):
    """The bytes of one request, and what must be read from them."""
    fields = draw(st.lists(st.tuples(PLAIN_NAMES, VALUES), max_size=4))
    target = "/" + draw(st.text("abc%20-", max_size=8)).replace("%", "%41")
    pieces = draw(BODIES)
    head = [f"POST {target} HTTP/1.1", "Host: a", *(f"{name}: {value}" for name, value in fields)]
    if draw(st.booleans()):
        framing, body = "Transfer-Encoding: chunked", b"".join(map(chunk, pieces)) + b"0\r\n\r\n"
    else:
        framing, body = f"Content-Length: {sum(map(len, pieces))}", b"".join(pieces)
    if draw(st.booleans()):
        head += ["Connection: Upgrade", "Upgrade: h2c"]
    data = "\r\n".join([*head, framing, "", ""]).encode("latin-1") + body
    return data, (
        target,
        [(name.encode(), value.encode("latin-1")) for name, value in fields],
        b"".join(pieces),
    )


def cut(data, places):
    """`data` cut at the given fractions of its length."""
    edges = sorted({0, len(data), *(int(place * len(data)) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def read_requests(loop, pieces, *, rests=False):
    """Read them, with a silence before each piece if the reader `rests`."""
    reader = RequestReader(loop, ListenerLimits(), secure=False, on_flow=nothing, on_continue=nothing)
    refused = None
    for piece in pieces:
        try:
            if rests:
                reader.rest()
            reader.feed(piece)
        except Refused as error:
            refused = error.status
            break
    seen = []
    for request in reader.ready:
        fields = [pair for pair in request.headers.raw if pair[0].lower() not in {b"host", b"content-length"}]
        seen.append((str(request.target), fields, loop.run_until_complete(complete(request.body))))
    return seen, refused


async def complete(body):
    """Everything of a body that has come, or its failure's class."""
    pieces = []
    try:
        async with asyncio.timeout(0):
            async for piece in body:
                pieces.append(piece)
    except TimeoutError:
        return b"".join(pieces), "unfinished"
    except Exception as error:  # noqa: BLE001 - which one is what is compared
        return type(error).__name__
    return b"".join(pieces)


@given(st.lists(requests(), min_size=1, max_size=4), st.lists(st.floats(0, 1), max_size=12))
def test_requests_are_read_alike_however_they_are_cut(messages, places):
    data = b"".join(each for each, _ in messages)
    assert in_loop(lambda loop: read_requests(loop, cut(data, places))) == (
        [expected for _, expected in messages],
        None,
    )


@given(st.lists(requests(), min_size=1, max_size=2), st.lists(st.floats(0, 1), max_size=6), st.data())
def test_damaged_requests_are_read_alike_however_they_are_cut(messages, places, data):
    damaged = bytearray(b"".join(each for each, _ in messages))
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at : at + 1] = data.draw(
        st.sampled_from([b"\r", b"\n", b"\0", b" ", b":", b"\r\n", b"", b"\t", b"0", b"\x80", b","])
    )
    whole = in_loop(lambda loop: read_requests(loop, [bytes(damaged)]))
    pieces = in_loop(lambda loop: read_requests(loop, cut(bytes(damaged), places)))
    assert whole[1] == pieces[1]
    for one, other in zip(whole[0], pieces[0], strict=False):
        assert one[:2] == other[:2]


def read_responses(loop, method, pieces):
    reader = ResponseReader(loop, 65536, nothing, nothing)
    reader.expect(method)
    response = None
    try:
        for piece in pieces:
            response = reader.feed(piece) or response
    except UpstreamProtocolError:
        return "refused"
    if response is None:
        return None
    reader.close(None)
    return response.status, response.headers.raw, loop.run_until_complete(complete(response.body))


@given(
    st.integers(200, 599),
    st.lists(st.tuples(TOKENS.map("X-{}".format), VALUES), max_size=4),
    BODIES,
    st.sampled_from(["chunked", "length", "close"]),
    st.lists(st.floats(0, 1), max_size=12),
)
def test_responses_are_read_alike_however_they_are_cut(status, fields, pieces, framing, places):
    raw = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    empty = status in {204, 304}
    content = b"" if empty else b"".join(pieces)
    lines = [b"HTTP/1.1 %d X" % status, *(b": ".join(pair) for pair in raw)]
    if framing == "chunked" and not empty:
        lines.append(b"Transfer-Encoding: chunked")
    if framing == "length":
        lines.append(b"Content-Length: %d" % len(content))
        raw = [*raw, (b"Content-Length", b"%d" % len(content))]
    body = b"".join(map(chunk, pieces)) + b"0\r\n\r\n" if framing == "chunked" and not empty else content
    data = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + b"\r\n".join([*lines, b"", b""]) + body
    assert in_loop(lambda loop: read_responses(loop, "GET", cut(data, places))) == (status, raw, content)


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=12)), max_size=5), st.binary(max_size=20))
def test_a_written_head_has_the_lines_that_were_put_in_or_is_not_written(fields, target):
    request = Request("GET", Target("/" + target.decode("latin-1"), None), Headers(fields))
    try:
        head = request_head(request, "a")
    except HeaderError:
        return
    assert head.endswith(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")
    assert lines[0] == b"GET /" + target + b" HTTP/1.1"
    assert lines[0].count(b" ") == 2
    assert len(lines) <= 2 + len(fields)
    assert b"\r" not in b"".join(lines)
    assert b"\n" not in b"".join(lines)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"X", b"Content-Length", b"transfer-encoding", b"Connection"]),
            st.binary(max_size=12),
        ),
        max_size=5,
    )
)
def test_the_framing_of_a_written_response_is_ours_alone(fields):
    response = Response(200, Headers(fields), Body(b"abc"))
    try:
        head = response_head("GET", response, b"Date: x", b"Content-Length: 3", close=False)
    except HeaderError:
        return
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")]
    assert names.count(b"content-length") == 1
    assert not {b"transfer-encoding", b"connection"} & set(names)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"Connection", b"X-A", b"Host", b"TE", b"Upgrade", b"X-B"]),
            st.sampled_from([b"x-a", b"host, TE", b"close", b""]),
        ),
        max_size=8,
    )
)
def test_dropping_hop_by_hop_fields_is_idempotent_and_complete(fields):
    kept, _ = sort_out(list(fields))
    assert sort_out(list(kept))[0] == kept
    assert not {name.lower() for name, _ in kept} & HOP_BY_HOP
    assert [pair for pair in fields if pair[0] == b"Host"] == [pair for pair in kept if pair[0] == b"Host"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["data", "event", "id", "retry", "", "other"]), st.text("ab: é", max_size=8)
        ),
        max_size=12,
    ),
    st.sampled_from(["\n", "\r", "\r\n"]),
    st.lists(st.floats(0, 1), max_size=12),
    st.integers(1, 60),
)
def test_events_are_read_alike_however_they_are_cut(lines, end, places, limit):
    data = (
        b"\xef\xbb\xbf"
        + "".join((f"{name}:{value}" if value else name) + end for name, value in lines).encode()
        + end.encode() * 2
    )
    whole, pieces = EventReader(limit), EventReader(limit)
    assert whole.feed(data) == [event for piece in cut(data, places) for event in pieces.feed(piece)]
    assert whole.skipped == pieces.skipped


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_header_is_added_as_one_line_or_not_at_all(name, value):
    headers = Headers()
    try:
        headers.add(name, value)
    except HeaderError:
        assert headers.raw == []
        return
    assert list(headers) == [(name, value)]
    assert not set("\r\n\0") & set(name + value)
    assert value == value.strip(" \t")


GRAMMAR = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"GET / HTTP/1.1\r\n", b"POST /a HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n", (b"HTTP/1.1 100 "
                                                                                        b"C\r\n"),
                                                                                        b"HTTP/1.0 204\r\n",
                b"Host: a\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
                b"Connection: close\r\n", b"Upgrade: h2c\r\n",
                b"Connection: upgrade\r\n", b"Expect: 100-continue\r\n", b"\r\n", b"3\r\nabc\r\n",
                b"0\r\n\r\n", b"abc", b" ", b"\n", b"\0",
            ]
        ),
        st.binary(max_size=6),
    ),
    max_size=24,
)  # fmt: skip


@given(st.lists(st.one_of(GRAMMAR.map(b"".join), requests().map(lambda each: each[0])), max_size=6))
def test_requests_are_read_alike_whether_or_not_the_reader_rests_in_between(parts):
    pieces = [each for each in parts if each]
    rested, read = in_loop(
        lambda loop: (read_requests(loop, pieces, rests=True), read_requests(loop, pieces))
    )
    assert rested == read


@given(GRAMMAR, st.lists(st.floats(0, 1), max_size=6))
def test_no_bytes_make_the_request_reader_fail_otherwise_than_by_refusing(parts, places):
    _, status = in_loop(lambda loop: read_requests(loop, cut(b"".join(parts), places)))
    assert status is None or 400 <= status <= 505


@given(GRAMMAR, st.lists(st.floats(0, 1), max_size=6), st.sampled_from(["GET", "HEAD", "POST"]))
def test_no_bytes_make_the_response_reader_fail_otherwise_than_by_refusing(parts, places, method):
    in_loop(lambda loop: read_responses(loop, method, cut(b"".join(parts), places)))


@given(GRAMMAR, st.lists(st.floats(0, 1), max_size=6))
def test_a_request_that_is_read_has_one_host_one_framing_and_a_plain_target(parts, places):
    def read(loop):
        reader = RequestReader(loop, ListenerLimits(), secure=False, on_flow=nothing, on_continue=nothing)
        with contextlib.suppress(Refused):
            for piece in cut(b"".join(parts), places):
                reader.feed(piece)
        return list(reader.ready)

    for request in in_loop(read):
        names = [name.lower() for name, _ in request.headers.raw]
        assert names.count(b"host") == 1 or request.version == "1.0"
        assert names.count(b"content-length") <= 1
        assert not HOP_BY_HOP & set(names)
        assert parse_target(str(request.target).encode()) == request.target


NAME_CHARACTERS = "abXY19-_.~!+"


@given(
    st.lists(st.text(NAME_CHARACTERS, min_size=1, max_size=4), min_size=1, max_size=6),
    st.text("abXY-", min_size=1, max_size=4),
)
def test_no_name_that_was_removed_reaches_a_server_under_another(names, removed):
    """CGI upper-cases names and makes `_` of what is neither letter nor digit.

    So do its descendants, some for `-` only.
    """
    headers = Headers(without_twins([(name.encode(), b"evil") for name in names], underscores=False))
    headers.remove(removed)
    assert variable(removed) not in {variable(name) for name, _ in headers}


def variable(name):
    return "".join(character if character.isalnum() else "_" for character in name.upper())
