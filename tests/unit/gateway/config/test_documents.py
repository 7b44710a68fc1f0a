import pytest

from deputize.gateway.config import documents
from deputize.kernel.errors import ConfigurationError, Position


def test_comments_and_disabled_members_are_dropped():
    text = b"""{
      // a comment, with "quotes"
      "uri": "http://example.com", // not a comment inside the text before
      "_off": {"anything": 1}, "comment": "&{nobody}", "_id": "kept",
      "list": [{"_x": 1, "y": 2}]
    }"""
    assert documents.parse(text, "a.json").members == {
        "uri": "http://example.com",
        "_id": "kept",
        "list": [{"y": 2}],
    }


def test_position_of_an_error_is_not_moved_by_comments():
    with pytest.raises(ConfigurationError) as raised:
        documents.parse(b'{ // one\n  "a": 1\n  "b": 2\n}', "a.json")
    assert (raised.value.position.line, raised.value.position.column) == (3, 3)


@pytest.mark.parametrize(
    "text",
    [b'{"a": 1, "a": 2}', b"[]", b'"text"', b"", b'{"a": NaN}', b'\xef\xbb\xbf{"a": 1}', b'{"a": "\xff"}'],
)
def test_what_parsers_read_differently_is_refused(text):
    with pytest.raises(ConfigurationError):
        documents.parse(text, "a.json")


def test_unreadable_file_says_why(tmp_path):
    with pytest.raises(ConfigurationError, match=r"missing\.json.*No such file"):
        documents.read_content(tmp_path / "missing.json")


def members(text):
    return documents.parse(text.encode(), "a.json").members


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'a': 'b'}", {"a": "b"}),
        ("{'a': 'it\\'s \"so\"', \"c\": \"it's\"}", {"a": 'it\'s "so"', "c": "it's"}),
        ('{"a": "one\ntwo\r\n\tthree"}', {"a": "one\ntwo\r\n\tthree"}),
        ('/* one\n * two */ {"a": /**/ 1 /* b */, // c\n "d": [/***/] }\n// end', {"a": 1, "d": []}),
        (
            '{"a": "/* no */ // comment", "b": \'// nor */ this\'}',
            {"a": "/* no */ // comment", "b": "// nor */ this"},
        ),
        (r'{"a": "\u00e9\ud83d\ude00\/\"\\\b\f\n\r\t"}', {"a": 'é😀/"\\\b\f\n\r\t'}),
        ('{"a": [1, -0, 2.5e3, true, false, null, {}]}', {"a": [1, 0, 2500.0, True, False, None, {}]}),
        ("{}", {}),
    ],
)
def test_the_originals_leniency(text, expected):
    assert members(text) == expected


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('{"a": 1,\n "a": 2}', (2, 2), "stands twice in one object, first in line 1"),
        ("{'a': 1, \"a\": 2}", (1, 10), "stands twice"),
        (r'{"a": 1, "\u0061": 2}', (1, 10), "stands twice"),
        ('{"b": {"a": 1, /* x */ "a": 2}}', (1, 24), "stands twice"),
        ('{"a": 1,}', (1, 9), "the name of a member is expected"),
        ('{"a": [1,]}', (1, 10), "a value is expected"),
        ("{a: 1}", (1, 2), "the name of a member is expected"),
        ('{"a" 1}', (1, 6), "a colon"),
        ('{"a": 1} {"b": 2}', (1, 10), "something follows"),
        ('{"a": "b', (1, 7), "the closing quote"),
        ("{'a': 'b\"}", (1, 7), "the closing quote"),
        ('{"a": /* b', (1, 7), "the comment has no end"),
        ('{"a": 1 # b\n}', (1, 9), "a comma or '}'"),
        (r'{"a": "x\qy"}', (1, 9), "stands for nothing"),
        ('{"a": "x\\\ny"}', (1, 9), "stands for nothing"),
        (r'{"a": "\ud83d"}', (1, 8), "lone surrogate"),
        ('{"a": "\0"}', (1, 8), "control character"),
        ('{"a": 01}', (1, 7), "a value is expected"),
        ('{"a": +1}', (1, 7), "a value is expected"),
        ('{"a": .5}', (1, 7), "a value is expected"),
        ('{"a": 0x10}', (1, 7), "a value is expected"),
        ('{"a": Infinity}', (1, 7), "a value is expected"),
        ('{"a": 1e999}', (1, 7), "out of range"),
        ('{"a": 9007199254740993}', (1, 7), "out of range"),
        ('{"a": True}', (1, 7), "a value is expected"),
        ('{"a": ' + "[" * 70 + "]" * 70 + "}", (1, 70), "nested deeper"),
        ('{"a":', (1, 6), "ends too early"),
        ("{\n", (2, 1), "ends too early"),
    ],
)
def test_everything_else_stays_strict_and_has_a_place(text, place, reason):
    with pytest.raises(ConfigurationError, match=reason) as raised:
        members(text)
    assert (raised.value.position.line, raised.value.position.column) == place


def test_bytes_that_are_no_utf_8_have_a_place():
    with pytest.raises(ConfigurationError) as raised:
        documents.parse(b'{\n "a": "\xff"}', "a.json")
    assert (raised.value.position.line, raised.value.position.column) == (2, 8)


@pytest.mark.parametrize(
    ("pointer", "existing", "place"),
    [
        ("/a/b/1/c", "/a/b/1/c", (3, 14)),
        ("/a/b/1", "/a/b/1", (3, 12)),
        ("/a/b/9/c", "/a/b", (2, 9)),
        ("/a/one/0", "/a/one", (4, 2)),
        ("/a/one/0/name", "/a/one/name", (4, 11)),
        ("/a/missing/x", "/a", (2, 2)),
        ("/a/x~1y", "/a/x~1y", (4, 24)),
    ],
)
def test_pointers_of_errors_name_what_exists_in_the_file(pointer, existing, place):
    document = documents.parse(
        b"""{
 "a": { "b": [ 1,
           { "c": 2 }],
 "one": { "name": 3 }, "x/y": 4 } }""",
        "a.json",
    )
    error = document.locate(ConfigurationError(Position("a.json", pointer), "no"))
    assert (error.position.pointer, error.position.line, error.position.column) == (existing, *place)


def test_errors_about_other_files_are_left_alone():
    error = ConfigurationError(Position("b.json", "/a"), "no")
    assert documents.parse(b'{"a": 1}', "a.json").locate(error) is error
