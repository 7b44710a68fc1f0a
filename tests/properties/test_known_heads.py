"""An answer whose head is remembered is read as if it were parsed."""

import asyncio
import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from deputize.http.received_body import nothing
from deputize.http.upstream.errors import UpstreamProtocolError
from deputize.http.upstream.known_heads import LONGEST, MOST, PAUSE, KnownHeads
from deputize.http.upstream.response_reader import ResponseReader

HEAD_BYTES = 700
DATE_NAMES = [b"Date", b"date", b"DATE"]
DATES = [b"Fri, 27 Nov 2026 02:04:17 GMT", b"Sat, 28 Nov 2026 23:59:59 GMT", b"yesterday", b""]
LENGTHS = [
    b"0",
    b"2",
    b"3",
    b"03",
    b"10",
    b"+2",
    b"2 ",
    b" 2",
    b"2, 2",
    b"999999999999999999",
    b"9" * 19,
    b"",
]
FIELDS = st.one_of(
    st.builds(b"%b: %b".__mod__, st.tuples(st.sampled_from(DATE_NAMES), st.sampled_from(DATES))),
    st.builds(
        b"%b:%b%b".__mod__,
        st.tuples(
            st.sampled_from([b"Content-Length", b"content-length", b"Content-length", b"X-Content-Length"]),
            st.sampled_from([b" ", b" ", b" ", b"", b"\t"]),
            st.sampled_from(LENGTHS),
        ),
    ),
    st.sampled_from(
        [
            b"Connection: keep-alive", b"Connection: close", b"Connection: X-A", b"Keep-Alive: timeout=5",
            b"Transfer-Encoding: chunked", b"Upgrade: h2c", b"X-A: b", b"X-A:", b"X-A: b ", b" folded: 1",
            b"X-A: \xe9", b"X-A: a\rb", b"X-A: a\nDate: x", b"X: " + b"a" * 620,
        ]
    ),
)  # fmt: skip
STARTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.1 204 N", b"HTTP/1.1 304 N",
        b"HTTP/1.0 200 OK", b"HTTP/1.1 404 N", b"HTTP/1.1 103 E", b"HTTP/1.1 600 X", b"\r\nHTTP/1.1 200 OK",
        b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK",
    ]
)  # fmt: skip
TAILS = st.sampled_from(
    [b"", b"", b"", b"\r\n", b"\n", b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
)
TEMPLATES = st.tuples(STARTS, st.lists(FIELDS, max_size=5))


@st.composite
def conversations(draw):
    """Answers, each with its request's method and in pieces: few heads, so that each comes several times."""
    templates = draw(st.lists(TEMPLATES, min_size=1, max_size=3))
    answers = []
    for _ in range(draw(st.integers(2, 8))):
        start, fields = draw(st.sampled_from(templates))
        body = draw(st.sampled_from([b"", b"ok", b"abc", b"0123456789", b"2\r\nok\r\n0\r\n\r\n"]))
        fitting = draw(st.booleans())
        lines = [
            b"%b: %d" % (line.partition(b":")[0], len(body))
            if fitting and line.lower().startswith(b"content-length:")
            else line
            for line in fields
        ]
        if draw(st.booleans()):
            lines = [
                line[:6] + DATES[1] if line.lower().startswith(b"date: ") and len(line) == 35 else line
                for line in lines
            ]
        data = b"\r\n".join([start, *lines, b"", b""]) + body + draw(TAILS)
        places = draw(st.one_of(st.just([]), st.lists(st.integers(0, len(data)), max_size=3)))
        edges = sorted({0, len(data), *places})
        pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
        answers.append((draw(st.sampled_from(["GET", "POST", "POST", "HEAD"])), pieces))
    return answers


def converse(answers, known, *, resting=False):
    """What each answer is read as, one after the other on one connection for as long as it lasts.

    `resting`: the connection is silent after each piece.
    """
    loop = asyncio.new_event_loop()
    reader = None
    seen = []
    for method, pieces in answers:
        reader = reader or ResponseReader(loop, HEAD_BYTES, nothing, nothing, known)
        reader.expect(method)
        response, failure = None, None
        try:
            for piece in pieces:
                response = reader.feed(piece) or response
                if resting:
                    reader.rest()
        except UpstreamProtocolError as error:
            failure = str(error)
        reusable = failure is None and reader.complete and reader.reusable
        seen.append((describe(loop, response), failure, reader.complete, reusable))
        if not reusable:
            reader.close(None)
            reader = None
    loop.close()
    return seen


def describe(loop, response):
    if response is None:
        return None
    body = response.body

    async def read():
        pieces = []
        try:
            async with asyncio.timeout(0):
                async for piece in body:
                    pieces.append(piece)
        except (TimeoutError, UpstreamProtocolError) as error:
            return type(error).__name__, b"".join(pieces)
        return b"".join(pieces)

    return (
        response.status,
        response.reason,
        list(response.headers.raw),
        body.length,
        loop.run_until_complete(read()),
    )


CHUNKS = st.lists(
    st.sampled_from(
        [
            b"2\r\nok\r\n", b"2;a=b\r\nok\r\n", b"1\r\n\n\r\n", b"2\r\n\r\n\r\n", b"0\r\n", b"\r\n",
            b"X: y\r\n", b"2\r\n", b"2", b"ok", b"\r", b"\n", b"0", b"HTTP/1.1 200 OK\r\n",
            b"A" * 700 + b": x\r\n",
        ]
    ),
    max_size=8,
)  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from([b"", b"Connection: close\r\n"]), CHUNKS), min_size=1, max_size=3),
    st.lists(st.floats(0, 1), max_size=8),
)
@example([(b"", [b"2\r\nok\r\n", b"0\r\n", b"\r\n"])], [0.7, 0.8, 0.9])
@example([(b"Connection: close\r\n", [b"2\r\nok\r\n", b"0\r\n", b"\r\n", b"2\r\nok\r\n"])], [])
def test_a_parser_that_rests_while_nothing_comes_reads_alike(streams, places):
    answers = []
    for fields, chunks in streams:
        data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + fields + b"\r\n" + b"".join(chunks)
        edges = sorted({0, len(data), *(int(place * len(data)) for place in places)})
        answers.append(("GET", [data[start:end] for start, end in itertools.pairwise(edges)]))
        ends = itertools.accumulate(map(len, chunks), initial=len(data) - sum(map(len, chunks)))
        answers.append(("GET", [data[start:end] for start, end in itertools.pairwise([0, *ends])]))
    assert converse(answers, None, resting=True) == converse(answers, None)


def test_a_parser_rests_only_between_chunks_and_wakes_for_the_next():
    loop = asyncio.new_event_loop()
    reader = ResponseReader(loop, 65536, nothing, nothing)
    reader.expect("GET")
    rested = []
    for piece in (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\n", b"ok", b"\r", b"\n", b"1",
        b"\r\na\r\n", b"1\r\nb\r\n1\r\nc\r\n", b"0\r\n\r\n",
    ):  # fmt: skip
        reader.feed(piece)
        before = reader._parser
        reader.rest()
        rested.append(reader._parser is not before)
    loop.close()
    assert rested == [False, False, False, False, True, False, True, True, False]
    assert reader.complete
    assert reader.reusable


PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: %b\r\n\r\nok"


IN_PIECES = [PLAIN[:-2] % DATES[1], b"o", b"k"]


@given(conversations())
@example([("GET", [PLAIN % DATES[0]]), ("GET", IN_PIECES), ("GET", IN_PIECES)])
@example([("GET", [PLAIN % DATES[0]]), ("GET", [*IN_PIECES[:2], b"k\r\n"]), ("GET", IN_PIECES)])
@example([("GET", [PLAIN % DATES[0]]), ("GET", [*IN_PIECES[:2], b"kHTTP/1.1 200 OK\r\n\r\n"])])
@example([("GET", [PLAIN % DATES[0]]), ("GET", IN_PIECES[:2])])
@example([("GET", [PLAIN % DATES[0]]), ("HEAD", [PLAIN % DATES[1]]), ("GET", [PLAIN % DATES[1]])])
@example(
    [("POST", [PLAIN % DATES[0]]), ("POST", [PLAIN % DATES[1], b"\r\n"]), ("POST", [PLAIN % DATES[1] + b"x"])]
)
def test_with_and_without_remembering_answers_are_read_alike(answers):
    assert converse(answers, KnownHeads(HEAD_BYTES)) == converse(answers, None)


def read(known, data, method="POST"):
    reader = ResponseReader(None, 65536, nothing, nothing, known)  # no loop: the answer is at hand
    reader.expect(method)
    return reader.feed(data)


def test_the_second_of_two_like_answers_is_recognised_and_has_its_own_values():
    known = KnownHeads(65536)
    first = read(known, PLAIN % DATES[0])
    others = [
        read(
            known,
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nDate: %b\r\n\r\n%b" % (len(body), DATES[1], body),
        )
        for body in (b"", b"a", b"a" * 12)
    ]
    assert first.known is None
    assert others[0].known is others[1].known is others[2].known is not None
    assert [other.headers.get("content-length") for other in others] == ["0", "1", "12"]
    assert [other.headers.get("date") for other in others] == [DATES[1].decode()] * 3
    assert others[0].headers.date == DATES[1]


def test_an_answer_whose_body_comes_later_is_recognised_by_its_head():
    loop = asyncio.new_event_loop()
    reader = ResponseReader(loop, 65536, nothing, nothing, known := KnownHeads(65536))
    read(known, PLAIN % DATES[0])
    for pieces in (IN_PIECES, [*IN_PIECES[:2], b"k\r\n"]):
        reader.expect("POST")
        response = reader.feed(pieces[0])
        assert response.known is not None
        for piece in pieces[1:]:
            assert not reader.complete
            assert reader.feed(piece) is None
        assert reader.complete
        assert loop.run_until_complete(response.body.read(2)) == b"ok"
        assert reader.reusable is (pieces is IN_PIECES)
    loop.close()


def test_an_answer_that_was_changed_is_not_known():
    known = KnownHeads(65536)
    read(known, PLAIN % DATES[0])
    for change in (
        lambda response: response.headers.add("X", "1"),
        lambda response: response.headers.set("Date", "now"),
        lambda response: response.headers.remove("date"),
        lambda response: setattr(response.headers, "raw", [*response.headers.raw]),
        lambda response: setattr(response, "status", 201),
        lambda response: setattr(response, "reason", "Fine"),
    ):
        changed, other = read(known, PLAIN % DATES[0]), read(known, PLAIN % DATES[0])
        changed.headers.remove("X-Not-There")
        assert changed.known is other.known is not None
        change(changed)
        assert changed.known is None
        assert other.headers.raw == [(b"Content-Length", b"2"), (b"Date", DATES[0])]


def test_no_more_heads_are_remembered_than_allowed_and_no_longer_ones():
    known = KnownHeads(65536)
    for number in range(2 * MOST + 10):
        read(known, b"HTTP/1.1 200 OK\r\nX: %d\r\nContent-Length: 0\r\n\r\n" % number)
        assert len(known._heads) <= MOST
    assert known._heads
    long = b"HTTP/1.1 200 OK\r\nX: %b\r\nContent-Length: 0\r\n\r\n" % (b"x" * LONGEST)
    read(known, long)
    assert read(known, long).known is None


def test_heads_that_never_come_again_are_not_remembered_for_a_while():
    known = KnownHeads(65536)
    answer = b"HTTP/1.1 200 OK\r\nX-Request-Id: %d\r\nContent-Length: 0\r\n\r\n"
    for number in range(MOST + 2):
        read(known, answer % number)
    for _ in range(PAUSE - 1):
        assert known.recognise(answer % 0) is None
    assert read(known, answer % 0).known is None
    assert read(known, answer % 0).known is not None


def test_heads_that_come_again_are_remembered_anew_when_there_are_too_many():
    known = KnownHeads(65536)
    answer = b"HTTP/1.1 200 OK\r\nX-Session: %d\r\nContent-Length: 0\r\n\r\n"
    for number in range(MOST):
        for _ in range(2):
            read(known, answer % number)
    for number in range(MOST, MOST + 10):
        assert read(known, answer % number).known is None
        assert read(known, answer % number).known is not None


def test_a_known_head_that_comes_in_pieces_is_not_taken_for_whole():
    """Wherever it is cut: also behind a digit of its length, or a line, as a shorter head might end."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n%bContent-Length: 12\r\n%b\r\n0123456789ab"
    date = b"Date: Fri, 27 Nov 2026 02:04:17 GMT\r\n"
    for data in (head % (b"", b""), head % (b"", date), head % (date, b""), head % (b"", b"X-A: b\r\n")):
        for place in range(1, len(data)):
            answers = [("POST", [data]), ("POST", [data]), ("POST", [data[:place], data[place:]])]
            assert converse(answers, KnownHeads(HEAD_BYTES)) == converse(answers, None), data[:place]
