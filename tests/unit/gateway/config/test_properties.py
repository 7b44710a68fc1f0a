from pathlib import Path

import pytest

from deputize.expressions.tokens import TokenError
from deputize.gateway.config.properties import Properties, flatten, outermost, read_property_file
from deputize.kernel.errors import ConfigurationError
from support.gateway import instance_for


def scope(declared, outer=None, environment=None):
    return Properties(
        declared,
        outer.lookup if outer else outermost(instance_for(environment=environment or {})),
        outer.visible if outer else {},
    )


def test_own_properties_come_before_outer_ones_and_those_before_the_environment():
    outer = scope({"a": "outer", "b": "outer"}, environment={"A": "env", "B": "env", "C_D": "env"})
    inner = scope({"a": "inner"}, outer)
    assert [inner.lookup(name) for name in ("a", "b", "c.d", "e")] == ["inner", "outer", "env", None]


def test_groups_are_reached_by_dotted_names():
    assert scope({"group": {"a": {"b": 5}}}).lookup("group.a.b") == "5"


def test_built_in_values():
    found = scope({})
    assert (found.lookup("ig.instance.dir"), found.lookup("ig.instance.url")) == (
        "/instance",
        "file:///instance",
    )


def test_environment_hides_built_in_values():
    assert scope({}, environment={"IG_INSTANCE_DIR": "/elsewhere"}).lookup("ig.instance.dir") == "/elsewhere"


def test_values_may_hold_tokens():
    assert scope({"host": "h", "url": "http://&{host}:&{port|80}"}).lookup("url") == "http://h:80"


def test_a_value_belongs_to_the_file_it_stands_in():
    outer = scope({"host": "outer", "url": "http://&{host}"})
    assert scope({"host": "inner"}, outer).lookup("url") == "http://outer"


def test_circle_is_refused():
    with pytest.raises(TokenError, match="circle"):
        scope({"a": "&{b}", "b": "&{a}"})


def test_expressions_see_own_and_inherited_values():
    assert scope({"a": 1}, scope({"b": {"c": "&{x|y}"}})).visible == {"a": 1, "b": {"c": "y"}}


def test_values_are_found_in_configured_files(tmp_path):
    (tmp_path / "one.properties").write_text("# comment\nfrom.properties = one\n", encoding="utf-8")
    (tmp_path / "two.json").write_text('{"from": {"json": "two", "number": 2}}')
    found = scope({}, environment={"IG_ENVCONFIG_DIRS": str(tmp_path)})
    assert [found.lookup(name) for name in ("from.properties", "from.json", "from.number")] == [
        "one",
        "two",
        "2",
    ]


def test_lines_are_names_and_values():
    text = b"# comment\n! comment\n\nplain = a=b \nempty=\n"
    assert read_property_file(Path("a.properties"), text) == {"plain": "a=b", "empty": ""}


def test_documents_may_be_nested():
    assert dict(flatten(read_property_file(Path("a.json"), b'{"a": {"b": 1}, "c": "d"}'))) == {
        "a.b": 1,
        "c": "d",
    }


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.properties", b"a=b\nnonsense", 2),
        ("a.properties", b"\xff", None),
        ("a.json", b"[]", None),
        ("a.yaml", b"", None),
    ],
)
def test_other_files_are_refused(name, text, line):
    with pytest.raises(ConfigurationError) as raised:
        read_property_file(Path(name), text)
    assert (raised.value.position.file, raised.value.position.line) == (name, line)
