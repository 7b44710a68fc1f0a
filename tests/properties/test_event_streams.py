"""Comments that are put into event streams change no event, however the stream is written and split."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from deputize.http.sse import Boundary, EventReader

LINES = st.lists(
    st.tuples(
        st.sampled_from(
            [b"data: a", b"data", b"id: 1", b"event: x", b": said", b"", b"", b"retry: 5", b"data: b"]
        ),
        st.sampled_from([b"\n", b"\r\n", b"\r"]),
    ),
    max_size=20,
).map(lambda pairs: b"".join(line + end for line, end in pairs))
COMMENT = b":\n"


def split(data, cuts):
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(LINES, st.lists(st.integers(0, 200)))
def test_no_event_changes(data, cuts):
    plain = EventReader()
    expected = plain.feed(data)
    reader, boundary, passed = EventReader(), Boundary(), b""
    events = []
    for piece in [b"", *split(data, cuts)]:
        if piece:
            boundary.feed(piece)
        passed += piece
        events += reader.feed(piece)
        if boundary.reached:
            assert not passed.endswith(b"\r")
            events += reader.feed(COMMENT)
    assert events == expected


@given(LINES, st.lists(st.integers(0, 200)))
def test_no_line_becomes_empty_or_goes_on_by_a_comment(data, cuts):
    """A reader that makes something of empty lines gets as many as without."""
    boundary, commented, pieces = Boundary(), b"", split(data, cuts)
    for piece in pieces:
        boundary.feed(piece)
        commented += piece + (COMMENT if boundary.reached else b"")
    assert [line for line in commented.splitlines() if line != b":"] == [
        line for line in data.splitlines() if line != b":"
    ]
