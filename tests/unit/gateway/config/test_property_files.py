from pathlib import Path

import pytest

from deputize.gateway.config.property_files import flattened, members
from deputize.kernel.errors import ConfigurationError


def test_lines_are_names_and_values():
    text = b"# comment\n! comment\n\nplain = a=b \nempty=\n"
    assert members(Path("a.properties"), text) == {"plain": "a=b", "empty": ""}


def test_documents_may_be_nested():
    assert dict(flattened(members(Path("a.json"), b'{"a": {"b": 1}, "c": "d"}'))) == {"a.b": 1, "c": "d"}


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
        members(Path(name), text)
    assert (raised.value.position.file, raised.value.position.line) == (name, line)
