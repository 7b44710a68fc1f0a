from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.audit.records import cut
from deputize.mcp.answers import MAX_KEPT, AnswerObserver, MessageCollector, implementation

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
