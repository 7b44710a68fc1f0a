from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.audit.records import cut
from deputize.http.sse import EventReader
from deputize.kernel import strict_json
from deputize.mcp.answers import MAX_KEPT, AnswerObserver, EventCollector, MessageCollector, implementation

ERROR = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}'


def code_of(data):
    observer = AnswerObserver()
    observer.message(data)
    return observer.error_code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (ERROR, -32602),
        (b'{"result":{"error":{"code":1}}}', None),
        (b'{"error":"x"}', None),
        (b'{"error":{"code":"x"}}', None),
        (b'{"error":{"code":true}}', None),
        (b'{"error":{"code":false}}', None),
        (b'{"error":{"code":1.5}}', None),
        (b'{"error":{"code":0}}', 0),
        (b'["error"]', None),
        (b'{"error"', None),
        (b"", None),
        (ERROR + b" " * MAX_KEPT, None),
    ],
)
def test_error_codes(data, code):
    found = code_of(data)
    assert (found, type(found)) == (code, type(code))


def test_the_first_error_counts():
    observer = AnswerObserver()
    observer.message(ERROR)
    observer.message(ERROR.replace(b"-32602", b"7"))
    assert observer.error_code == -32602


@given(st.lists(st.integers(min_value=0, max_value=len(ERROR)), max_size=6))
def test_chunks_do_not_matter(cuts):
    observer = AnswerObserver()
    collector = MessageCollector(observer)
    edges = [0, *sorted(cuts), len(ERROR)]
    for begin, end in pairwise(edges):
        collector.feed(ERROR[begin:end])
    collector.end()
    assert observer.error_code == -32602


def test_little_is_kept():
    observer = AnswerObserver()
    collector = MessageCollector(observer)
    for _ in range(100):
        collector.feed(b" " * 1000)
    collector.feed(ERROR)
    collector.end()
    assert observer.error_code is None


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({"name": "a", "version": "1"}, "a 1"),
        ({"name": "a"}, "a"),
        ({}, None),
        (None, None),
        ("a", None),
        ({"name": 7}, None),
        ({"name": "x" * 512}, "x" * 512),
        ({"name": "x" * 999}, cut("x" * 999)),
    ],
)
def test_implementations(info, text):
    assert implementation(info) == text


SAID = (
    *(b'{"result":{"content":[]}}', b'{"result":{"serverInfo":{"name":"a"}}}', ERROR, b'"error"', b"{}", b""),
    *(
        ERROR.replace(b"-32602", b"7"),
        b'{"result":{"serverInfo":{"name":"b","version":"2"}}}',
        b"x" * MAX_KEPT,
    ),
)
STREAMS = st.lists(
    st.tuples(
        st.sampled_from(
            [*(b"data: " + each for each in SAID), b"data:", b"", b"", b":", b"id: 7", b"event: x"]
        )
        | st.sampled_from(
            [b"\xef\xbb\xbfdata: " + ERROR, b"\xef\xbb\xbf", b": " + ERROR, b'data: {"error":']
        ),
        st.sampled_from([b"\n", b"\r\n", b"\r"]),
    ),
    max_size=12,
).map(lambda pairs: b"".join(line + end for line, end in pairs))


@given(STREAMS, st.lists(st.integers(0, 400), max_size=8))
def test_pieces_that_are_not_taken_apart_would_have_shown_nothing(stream, cuts):
    observer, expected = AnswerObserver(), AnswerObserver()
    for event in EventReader(MAX_KEPT).feed(stream):
        expected.message(event.data)
    collector = EventCollector(observer)
    ends = [cut for cut in range(len(stream)) if stream.endswith((b"\n\n", b"\n\r\n", b"\r\r\n"), 0, cut)]
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream)), *ends[::2]})
    for begin, end in pairwise(edges):
        collector.feed(stream[begin:end])
    collector.end()
    assert (observer.error_code, observer.server_info) == (expected.error_code, expected.server_info)


def test_what_an_ordinary_answer_says_is_not_taken_apart(monkeypatch):
    monkeypatch.setattr(EventReader, "feed", None)
    monkeypatch.setattr(strict_json, "loads", None)
    answer = (
        b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"no error"}],"isError":false}}'
    )
    observer = AnswerObserver()
    observer.message(answer)
    for collector in (EventCollector(observer), EventCollector(observer)):
        for _ in range(2):
            collector.feed(b"event: message\r\ndata: " + answer + b"\r\n\r\n")
            collector.feed(b"data: " + answer + b"\n\n")
        collector.end()
    assert not observer.has_seen
