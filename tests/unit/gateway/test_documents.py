import pytest

from deputize.gateway import documents
from deputize.kernel.errors import ConfigurationError


def test_comments_and_disabled_members_are_dropped():
    text = b"""{
      // a comment, with "quotes"
      "uri": "http://example.com", // not a comment inside the text before
      "_off": {"anything": 1}, "comment": "&{nobody}", "_id": "kept",
      "list": [{"_x": 1, "y": 2}]
    }"""
    assert documents.parse(text, "a.json") == {"uri": "http://example.com", "_id": "kept", "list": [{"y": 2}]}


def test_position_of_an_error_is_not_moved_by_comments():
    with pytest.raises(ConfigurationError) as raised:
        documents.parse(b'{ // one\n  "a": 1\n  "b": 2\n}', "a.json")
    assert (raised.value.position.line, raised.value.position.column) == (3, 3)


@pytest.mark.parametrize("text", [b'{"a": 1, "a": 2}', b"[]", b'"text"', b"", b'{"a": NaN}', b'\xef\xbb\xbf{"a": 1}', b'{"a": "\xff"}'])
def test_what_parsers_read_differently_is_refused(text):
    with pytest.raises(ConfigurationError):
        documents.parse(text, "a.json")


def test_unreadable_file_says_why(tmp_path):
    with pytest.raises(ConfigurationError, match=r"missing\.json.*No such file"):
        documents.read(tmp_path / "missing.json")
