"""What is put into event streams, or in the place of their data, changes no other event.

However the stream is written and split.
"""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from deputize.http.sse import Boundary, EventReader, EventRewriter

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


def rewritten(data, cuts, rewrite):
    rewriter = EventRewriter(rewrite, 1000)
    return b"".join([rewriter.feed(piece) for piece in split(data, cuts)]) + rewriter.end()


@given(LINES, st.lists(st.integers(0, 200)))
def test_a_rewriter_that_changes_nothing_passes_every_byte_on(data, cuts):
    assert rewritten(data, cuts, lambda text: text) == data


@given(LINES, st.lists(st.integers(0, 200)))
def test_a_rewriter_changes_the_data_of_each_event_and_nothing_else(data, cuts):
    def told(stream):
        return [(each.data, each.kind, each.id) for each in EventReader().feed(stream)]

    written = rewritten(data, cuts, lambda text: b"!" + text.replace(b"\n", b" "))
    expected = [(b"!" + text.replace(b"\n", b" "), *others) for text, *others in told(data)]
    assert told(written) == expected


@given(LINES, st.lists(st.integers(0, 200)))
def test_a_rewriter_drops_whole_events(data, cuts):
    assert EventReader().feed(rewritten(data, cuts, lambda _: None)) == []
