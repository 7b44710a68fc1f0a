import json

import pytest
import structlog

from deputize.gateway.exchange.approved_tools import PinnedTools
from deputize.kernel.strict_json import JsonError
from deputize.mcp.pins import PinError

TOOL = {"name": "a", "description": "Does it."}


def content(*tools):
    return json.dumps({"tools": tools}).encode()


@pytest.fixture
def pinned(tmp_path):
    file = tmp_path / "pins.json"
    file.write_bytes(content(TOOL))
    return PinnedTools(file, file.read_bytes()), file


async def test_the_file_counts_as_it_is_now(pinned):
    tools, file = pinned
    assert tools.approves("a", TOOL)
    assert tools.find_fault("b") == "the tool was never approved"
    file.write_bytes(content({"name": "b"}))
    await tools.read_again()
    assert (tools.find_fault("a"), tools.find_fault("b")) == ("the tool was never approved", None)


@pytest.mark.parametrize(
    ("broken", "error"),
    [(b"{", JsonError), (b"{}", PinError), (content(TOOL, TOOL), PinError), (None, FileNotFoundError)],
)
async def test_a_file_that_cannot_be_read_leaves_what_was_approved(pinned, broken, error):
    tools, file = pinned
    if broken is None:
        file.unlink()
    else:
        file.write_bytes(broken)
    with pytest.raises(error):
        await tools.read_again()
    assert tools.approves("a", TOOL)


async def test_each_change_is_told_once(pinned):
    tools, _ = pinned
    with structlog.testing.capture_logs() as logs:
        for described in ("x", "x", "y", "Does it.", "x"):
            tools.approves("a", {"name": "a", "description": described})
        tools.approves("never", {"name": "never"})
    assert [each["tool"] for each in logs] == ["a", "a", "a"]
    assert len({each["digest"] for each in logs}) == 2
