import pytest

from deputize.http.sse import EventReader, EventRewriter, RewrittenChunks, SseEvent


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\n\n", [SseEvent(b"a")]),
        (b"data:a\r\rdata: b\r\n\r\n", [SseEvent(b"a"), SseEvent(b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [SseEvent(b"a")]),
        (b"data: a\ndata:  b\ndata\n\n", [SseEvent(b"a\n b\n")]),
        (
            b"event: message\nid: 7\ndata: {}\n\ndata: x\n\n",
            [SseEvent(b"{}", "message", "7"), SseEvent(b"x", "message", "7")],
        ),
        (b"event: endpoint\ndata: /x\n\n", [SseEvent(b"/x", "endpoint")]),
        (b"id: a\0b\ndata: x\n\n", [SseEvent(b"x")]),
        (b": comment\n\nretry: 5\n\n", []),
        (b"event: lonely\n\ndata: x\n\n", [SseEvent(b"x")]),
        (b"data: unfinished\n", []),
        (b"id: primed\ndata:\n\n", [SseEvent(b"", "message", "primed")]),
    ],
)
def test_events(data, events):
    assert EventReader().feed(data) == events


def test_an_event_is_there_as_soon_as_its_empty_line_is():
    reader = EventReader()
    assert reader.feed(b"data: a\n") == []
    assert reader.feed(b"\n") == [SseEvent(b"a")]
    assert reader.feed(b"data: b\r\n\r") == [SseEvent(b"b")]
    assert reader.feed(b"\ndata: c\n\n") == [SseEvent(b"c")]


def test_an_event_too_long_is_passed_over_and_nothing_of_it_held():
    reader = EventReader(limit=100)
    assert reader.feed(b"data: a\n\ndata: ") == [SseEvent(b"a")]
    for _ in range(100):
        assert reader.feed(b"x" * 1000) == []
    assert len(reader._line) <= 100
    for _ in range(100):
        assert reader.feed(b"\ndata: y") == []
    assert len(reader._data) <= 100
    assert reader.feed(b"\n\ndata: b\n\n") == [SseEvent(b"b")]
    assert reader.skipped == 1


def test_only_pieces_of_whole_events_are_passed_over():
    reader = EventReader()
    assert reader.pass_over(b"data: a\n\ndata: b\r\n\r\n")
    assert not reader.pass_over(b"data: c\n")
    assert not reader.pass_over(b"data: c\r\n\r")  # the line feed may follow
    assert reader.feed(b"data: c\r\n\r") == [SseEvent(b"c")]
    assert not reader.pass_over(b"\n\n")
    assert reader.feed(b"\n\xef\xbb\xbfdata: d\n\ndata: e") == []
    assert not reader.pass_over(b"\n\n")
    assert reader.feed(b"\n\n") == [SseEvent(b"e")]
    assert reader.pass_over(b"data: f\n\n")
    assert reader.feed(b"data: g\n") == []
    assert not reader.pass_over(b"data: h\n\n")


def test_a_byte_order_mark_after_what_was_passed_over_is_no_first_one():
    reader = EventReader()
    assert reader.pass_over(b"data: a\n\n")
    assert reader.feed(b"\xef\xbb\xbfdata: b\n\n") == []


def test_an_event_is_rewritten_once_it_is_complete():
    rewriter = EventRewriter(lambda data: data.upper().replace(b"\n", b" "), 100)
    assert rewriter.feed(b"id: 7\r\ndata: a\r\n") == b""
    assert rewriter.feed(b": said\r\n\r") == b"id: 7\n: said\ndata: A\n\n"
    assert rewriter.feed(b"\ndata: b\ndata: c\n\ndata: d") == b"data: B C\n\n"
    assert rewriter.end() == b"data: D"


def test_of_an_event_that_is_too_long_nothing_is_passed_on_or_held():
    told = []
    rewriter = EventRewriter(lambda data: told.append(data) or b"{}", 100)
    passed = b"".join(rewriter.feed(b"data: secret\n") for _ in range(100))
    assert passed == b""
    assert rewriter.feed(b"data: a\n\ndata: b\n\n") == b"data: {}\n\ndata: {}\n\n"
    assert told == [None, b"b"]
    assert rewriter.feed(b"data: " + b"x" * 200 + b"\n\n") == b"data: {}\n\n"
    assert told[-1] is None


async def test_chunks_in_which_nothing_is_complete_are_waited_out():
    async def pieces():
        for piece in (b"data: a", b"\n", b"\n", b"data: b\n\n", b"data: c"):
            yield piece

    chunks = RewrittenChunks(pieces(), EventRewriter(lambda data: data, 100))
    assert [each async for each in chunks] == [b"data: a\n\n", b"data: b\n\n", b"data: c"]
