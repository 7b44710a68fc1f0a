import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.environment_file import reading
from deputize.authority.environment_file.reading import MAX_NODES, MAX_SIZE, read_yaml
from deputize.kernel.errors import ConfigurationError


def value(text: str):
    return read_yaml(text.encode(), "f")[0]


def test_values_and_their_types():
    text = (
        "a: 1\nb: -2.5\nc: true\nd: null\ne: ~\nf:\ng: 'true'\nh: 1e5\ni: 0x10\nj: 12:30\nk: "
        "2020-01-01\nl: [x, {y: z}]"
    )
    assert value(text) == {
        "a": 1,
        "b": -2.5,
        "c": True,
        "d": None,
        "e": None,
        "f": None,
        "g": "true",
        "h": "1e5",
        "i": "0x10",
        "j": "12:30",
        "k": "2020-01-01",
        "l": ["x", {"y": "z"}],
    }


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "y", "n", "NO", "True", "Null"])
def test_words_that_yaml_reads_as_something_else_stay_texts(word):
    assert value(f"locale: {word}") == {"locale": word}


def test_a_block_of_text_is_one_text():
    assert value("a: |\n  one\n  two\n") == {"a": "one\ntwo\n"}


def test_positions_of_values_names_and_what_is_not_there():
    _, places = read_yaml(b"a:\n  - b: 1\n    c/d: 2\n", "f")
    assert str(places.position("/a/0/b")) == "f:2:8 at /a/0/b"
    assert str(places.position("/a/0/b", at_key=True)) == "f:2:5 at /a/0/b"
    assert str(places.position("/a/0/c~1d")) == "f:3:10 at /a/0/c~1d"
    assert str(places.position("/a/0/absent/deeper")) == "f:2:5 at /a/0/absent/deeper"
    assert str(places.position("/x")) == "f:1:1 at /x"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"a" * (MAX_SIZE + 1), "larger than"),
        (b"a: \xff", "not UTF-8 at byte 3"),
        (b"a: \x00", "character 4 is not allowed"),
        (b"[" * 100, "nested deeper"),
        pytest.param(b"[" + b"1," * MAX_NODES + b"1]", "more than", marks=pytest.mark.slow),
        (b"a: &x 1\nb: *x", "aliases"),
        (b"a: !!int '1'", "tags"),
        (b"<<: {a: 1}\n<<: {a: 2}", "twice"),
        (b"a: 1\n b: 2", "not YAML"),
        (b"", "empty"),
    ],
)
def test_what_is_refused(text, reason):
    with pytest.raises(ConfigurationError, match=reason):
        read_yaml(text, "f")


def test_the_number_of_values_is_bounded(monkeypatch):
    monkeypatch.setattr(reading, "MAX_NODES", 5)
    assert read_yaml(b"[1, 2, 3, 4]", "f")[0] == [1, 2, 3, 4]
    with pytest.raises(ConfigurationError, match="more than 5 values"):
        read_yaml(b"[1, 2, 3, 4, 5]", "f")


def test_a_merge_key_is_an_ordinary_name():
    assert value("<<: {a: 1}") == {"<<": {"a": 1}}


@given(
    st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\"#,?%@`\n\t \\0", max_size=60).map(str.encode)
)
def test_nothing_but_its_own_error_ever_escapes(text):
    with contextlib.suppress(ConfigurationError):
        read_yaml(text, "f")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**14), 10**14)
    | st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_json_is_yaml_and_means_the_same(document):
    assert value(json.dumps(document)) == document
