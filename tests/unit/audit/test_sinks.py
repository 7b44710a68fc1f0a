import asyncio
import os
import stat

import pytest
import structlog
from pydantic_core import from_json

from deputize.audit.publisher import AuditPublisher
from deputize.audit.sinks.json_file import JsonFileSink
from deputize.audit.sinks.stdout import StdoutSink
from deputize.audit.trail import Buffering, Trail
from support.audit_events import ACCESS, MCP


def lines(path):
    return [from_json(line) for line in path.read_bytes().splitlines()]


async def test_each_topic_has_its_file(tmp_path):
    sink = JsonFileSink(tmp_path / "new" / "audit", ["access", "mcp"])
    service = AuditPublisher((sink,))
    service.publisher("access")(ACCESS.record())
    publish = service.publisher("mcp")
    publish(MCP.record())
    publish(MCP.record())
    await sink.close()
    assert lines(tmp_path / "new/audit/access.audit.json") == [from_json(ACCESS.record().text)]
    assert lines(tmp_path / "new/audit/mcp.audit.json") == [from_json(MCP.record().text)] * 2


async def test_files_exist_from_the_start_with_their_permissions(tmp_path):
    before = os.umask(0o077)
    try:
        sink = JsonFileSink(tmp_path, ["mcp"])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "mcp.audit.json").stat().st_mode) == 0o600
    await sink.close()


async def test_a_file_is_continued_not_replaced(tmp_path):
    for _ in range(2):
        sink = JsonFileSink(tmp_path, ["mcp"])
        sink.taker("mcp")(MCP.record())
        await sink.close()
    assert len(lines(tmp_path / "mcp.audit.json")) == 2


async def test_a_file_that_was_moved_is_made_anew(tmp_path):
    sink = JsonFileSink(tmp_path, ["mcp"])
    (tmp_path / "mcp.audit.json").rename(tmp_path / "old")
    sink.taker("mcp")(MCP.record())
    await sink.close()
    assert len(lines(tmp_path / "mcp.audit.json")) == 1
    assert lines(tmp_path / "old") == []


def test_a_place_nobody_can_write_to_is_an_error_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        JsonFileSink(tmp_path / "file" / "audit", ["mcp"])


async def test_standard_output_marks_its_lines():
    reading, writing = os.pipe()
    sink = StdoutSink(["mcp"], writing)
    sink.taker("mcp")(MCP.record())
    await sink.close()
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        written = from_json(stream.read())
    assert written == {"source": "audit", "topic": "mcp", "level": "INFO", **from_json(MCP.record().text)}


@pytest.fixture
def writes(monkeypatch):
    """How many bytes each write of the process took."""
    sizes, write = [], os.write

    def counting(descriptor, data):
        written = write(descriptor, data)
        sizes.append(written)
        return written

    monkeypatch.setattr(os, "write", counting)
    return sizes


async def test_all_records_of_a_turn_cost_each_file_one_write(tmp_path, writes):
    trail = Trail()
    sink = JsonFileSink(tmp_path, ["access", "mcp"], trail=trail)
    with (tmp_path / "stdout").open("wb") as stdout:
        service = AuditPublisher((sink, StdoutSink(["access", "mcp"], stdout.fileno(), trail=trail)))
        await trail.written()
        del writes[:]
        for _ in range(100):
            service.publisher("access")(ACCESS.record())
            service.publisher("mcp")(MCP.record())
        await trail.written()
        assert sorted(writes) == sorted(path.stat().st_size for path in tmp_path.iterdir())
        assert [len(lines(path)) for path in sorted(tmp_path.iterdir())] == [100, 100, 200]
        for each in service.sinks:
            await each.close()


async def test_topics_go_to_all_who_want_them(tmp_path):
    sinks = [JsonFileSink(tmp_path / "a", ["mcp"]), JsonFileSink(tmp_path / "b", ["mcp", "access"])]
    service = AuditPublisher(tuple(sinks))
    assert service.publisher("other") is None
    service.publisher("mcp")(MCP.record())
    service.publisher("access")(ACCESS.record())
    for sink in sinks:
        await sink.close()
    assert [
        len(lines(tmp_path / name))
        for name in ("a/mcp.audit.json", "b/mcp.audit.json", "b/access.audit.json")
    ] == [1, 1, 1]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["mcp.audit.json"]


def test_a_link_or_a_pipe_in_the_place_of_a_file_is_refused(tmp_path):
    """Whoever can write to the directory must not have the gateway append to another file, open it to others,
    or stand still.
    """
    victim = tmp_path / "victim"
    victim.touch(mode=0o600)
    (tmp_path / "mcp.audit.json").symlink_to(victim)
    os.mkfifo(tmp_path / "access.audit.json")
    for topic in ("mcp", "access"):
        with pytest.raises(OSError, match=topic):
            JsonFileSink(tmp_path, [topic])
    assert (victim.read_bytes(), stat.S_IMODE(victim.stat().st_mode)) == (b"", 0o600)


async def test_a_record_is_in_the_file_when_its_turn_is_over(tmp_path):
    trail = Trail()
    sink = JsonFileSink(tmp_path, ["mcp"], trail=trail)
    sink.taker("mcp")(MCP.record())
    await trail.written()
    assert lines(tmp_path / "mcp.audit.json") == [from_json(MCP.record().text)]
    await sink.close()


@pytest.mark.parametrize("moved", [False, True])
async def test_a_committed_record_is_in_the_file(tmp_path, moved):
    sink = JsonFileSink(tmp_path, ["mcp", "access"], durable=True)
    commit = AuditPublisher((sink,), strict=True).committer("mcp")
    for _ in range(2):
        await commit(MCP.record())
        if moved:
            (tmp_path / "mcp.audit.json").rename(tmp_path / "old")
    await sink.close()
    assert len(lines(tmp_path / ("old" if moved else "mcp.audit.json"))) == (1 if moved else 2)


async def test_nothing_is_committed_unless_asked_for(tmp_path):
    """And a pipe cannot: what becomes of a record behind it is not known."""
    files = JsonFileSink(tmp_path, ["mcp"])
    reading, writing = os.pipe()
    standard_output = StdoutSink(["mcp"], writing)
    for service in (
        AuditPublisher((files,)),
        AuditPublisher((files,), strict=True),
        AuditPublisher((standard_output,), strict=True),
    ):
        assert service.committer("mcp") is None
    durable = JsonFileSink(tmp_path, ["mcp"], durable=True)
    await AuditPublisher((standard_output, durable), strict=True).committer("mcp")(MCP.record())
    for sink in (files, standard_output, durable):
        await sink.close()
    assert len(lines(tmp_path / "mcp.audit.json")) == 1
    assert len(os.read(reading, 100_000).splitlines()) == 1
    for descriptor in (reading, writing):
        os.close(descriptor)


async def test_a_reader_that_stands_still_does_not_stop_the_process():
    reading, writing = os.pipe()
    trail = Trail()
    sink = StdoutSink(["mcp"], writing, Buffering(capacity=10_000, interval=0.01), trail)
    with structlog.testing.capture_logs():
        for _ in range(300):
            sink.taker("mcp")(MCP.record())
        await trail.written()
        assert trail.is_failing
        await asyncio.get_running_loop().run_in_executor(None, os.read, reading, 65536)
        read = b""
        while read.count(b"\n") < 100:
            read += await asyncio.get_running_loop().run_in_executor(None, os.read, reading, 65536)
        await sink.close()
    for descriptor in (reading, writing):
        os.close(descriptor)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ('{"cut', ['{"cut', MCP.record().text]),
        ('{"a":1}\n', ['{"a":1}', MCP.record().text]),
        ("", [MCP.record().text]),
    ],
)
async def test_a_line_that_was_cut_off_spoils_no_other(tmp_path, left, expected):
    (tmp_path / "mcp.audit.json").write_text(left)
    sink = JsonFileSink(tmp_path, ["mcp"])
    sink.taker("mcp")(MCP.record())
    await sink.close()
    assert (tmp_path / "mcp.audit.json").read_text().splitlines() == expected


@pytest.mark.parametrize(
    ("files", "folder"), [(0o600, 0o700), (0o640, 0o750), (0o644, 0o755), (0o660, 0o750)]
)
async def test_who_may_read_the_files_may_enter_the_folder_and_nobody_else(tmp_path, files, folder):
    sink = JsonFileSink(tmp_path / "audit", ["mcp"], files)
    await sink.close()
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == folder
    assert stat.S_IMODE((tmp_path / "audit" / "mcp.audit.json").stat().st_mode) == files
