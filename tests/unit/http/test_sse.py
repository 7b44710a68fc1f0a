import pytest

from deputize.http.sse import Event, EventReader


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\n\n", [Event(b"a")]),
        (b"data:a\r\rdata: b\r\n\r\n", [Event(b"a"), Event(b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event(b"a")]),
        (b"data: a\ndata:  b\ndata\n\n", [Event(b"a\n b\n")]),
        (
            b"event: message\nid: 7\ndata: {}\n\ndata: x\n\n",
            [Event(b"{}", "message", "7"), Event(b"x", "message", "7")],
        ),
        (b"event: endpoint\ndata: /x\n\n", [Event(b"/x", "endpoint")]),
        (b"id: a\0b\ndata: x\n\n", [Event(b"x")]),
        (b": comment\n\nretry: 5\n\n", []),
        (b"event: lonely\n\ndata: x\n\n", [Event(b"x")]),
        (b"data: unfinished\n", []),
        (b"id: primed\ndata:\n\n", [Event(b"", "message", "primed")]),
    ],
)
def test_events(data, events):
    assert EventReader().feed(data) == events


def test_an_event_is_there_as_soon_as_its_empty_line_is():
    reader = EventReader()
    assert reader.feed(b"data: a\n") == []
    assert reader.feed(b"\n") == [Event(b"a")]
    assert reader.feed(b"data: b\r\n\r") == [Event(b"b")]
    assert reader.feed(b"\ndata: c\n\n") == [Event(b"c")]


def test_an_event_too_long_is_passed_over_and_nothing_of_it_held():
    reader = EventReader(limit=100)
    assert reader.feed(b"data: a\n\ndata: ") == [Event(b"a")]
    for _ in range(100):
        assert reader.feed(b"x" * 1000) == []
    assert len(reader._line) <= 100
    for _ in range(100):
        assert reader.feed(b"\ndata: y") == []
    assert len(reader._data) <= 100
    assert reader.feed(b"\n\ndata: b\n\n") == [Event(b"b")]
    assert reader.skipped == 1
