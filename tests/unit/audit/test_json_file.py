import contextlib

import pytest

from deputize.audit.sinks.json_file import JsonFileSink, Rotation
from support.audit_events import MCP
from support.gateway import FixedClock


def rotation(**options):
    return Rotation(FixedClock(1_774_039_361), 100, **options)


@pytest.mark.parametrize(
    ("size", "addition", "due"), [(0, 500, False), (50, 50, False), (50, 51, True), (200, 1, True)]
)
def test_a_file_is_full_when_the_next_batch_goes_beyond(size, addition, due):
    assert rotation().is_due(size, addition) is due


def test_files_set_aside_say_when_and_never_replace_each_other(tmp_path):
    path = tmp_path / "mcp.audit.json"
    for content in ("a", "b", "c"):
        path.write_text(content)
        rotation().set_aside(path)
    names = [
        "mcp.audit.json-2026.03.20-20.42.41",
        "mcp.audit.json-2026.03.20-20.42.41.001",
        "mcp.audit.json-2026.03.20-20.42.41.002",
    ]
    assert [(tmp_path / name).read_text() for name in names] == ["a", "b", "c"]
    assert not path.exists()


def test_only_the_newest_are_kept_and_other_files_stay(tmp_path):
    path = tmp_path / "mcp.audit.json"
    (tmp_path / "access.audit.json-2020").write_text("other")
    some = rotation(kept_files=2)
    for content in ("a", "b", "c"):
        path.write_text(content)
        some.set_aside(path)
        some.clock.time += 1
    assert sorted(each.read_text() for each in tmp_path.iterdir()) == ["b", "c", "other"]


async def test_a_sink_writes_on_in_a_new_file(tmp_path):
    for _ in range(2):
        sink = JsonFileSink(tmp_path, ["mcp"], rotation=rotation())
        sink.taker("mcp")(MCP.record())
        await sink.close()
    assert [len(path.read_bytes().splitlines()) for path in sorted(tmp_path.iterdir())] == [1, 1]


def test_a_file_that_appears_at_the_last_moment_is_not_overwritten(tmp_path, monkeypatch):
    """Another process sets its file aside in the same second, between our look and our rename."""
    path = tmp_path / "mcp.audit.json"
    path.write_text("ours")
    rename = type(path).rename

    def rename_late(self, target):
        for name in ("mcp.audit.json-2026.03.20-20.42.41", "mcp.audit.json-2026.03.20-20.42.41.001"):
            with contextlib.suppress(FileExistsError), (tmp_path / name).open("x") as theirs:
                theirs.write("theirs")
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", rename_late)
    rotation().set_aside(path)
    assert sorted(each.read_text() for each in tmp_path.iterdir()) == ["ours", "theirs"]


def test_only_what_was_set_aside_is_ever_removed(tmp_path):
    path = tmp_path / "mcp.audit.json"
    names = ["mcp.audit.json-2020.gz", "mcp.audit.json-notes", "mcp.audit.json-2020.01.01-00.00.00.bak"]
    for name in names:
        (tmp_path / name).write_text("kept")
    some = rotation(kept_files=1)
    (tmp_path / "mcp.audit.json-2026.03.20-20.42.41.998").write_text("998")
    for number in range(999, 1002):
        path.write_text(str(number))
        some.set_aside(path)
    assert {each.read_text() for each in tmp_path.iterdir()} == {"kept", "1001"}
    assert {each.name for each in tmp_path.iterdir()} > set(names)
