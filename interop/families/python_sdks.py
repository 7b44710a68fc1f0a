"""The official Python SDK in both generations, and fastmcp."""

import sys
from pathlib import Path

from interop import install
from interop.row import Family, Row, signed_on
from interop.setting import HERE, Setting

PROGRAMS = HERE / "programs"


def _row(name: str, task: str, program: str, *arguments: str, group: str = "", quick: bool = False) -> Row:
    def run(setting: Setting) -> str:
        before = len(setting.browser.visits)
        python = install.python(group) if group else Path(sys.executable)
        done = setting.run(python, PROGRAMS / program, setting.url, *arguments)
        return signed_on(setting, before, "tools/call", done)

    return Row(name, task, run, quick)


def _by_document(setting: Setting) -> str:
    before = len(setting.browser.visits)
    document = setting.documents.publish("Python SDK 2")
    program = PROGRAMS / "python_sdk_2.py"
    done = setting.run(sys.executable, program, setting.documents_url, "auto", document)
    return signed_on(setting, before, "tools/call", done)


FAMILY = Family(
    "python-sdks",
    "Real clients",
    (
        _row("Python SDK 2", "tools/call, 2026-07-28", "python_sdk_2.py", "auto", quick=True),
        _row("Python SDK 2", "tools/call, handshake protocol", "python_sdk_2.py", "legacy"),
        Row("Python SDK 2", "tools/call, introduced by its metadata document", _by_document, quick=True),
        _row("Python SDK 1", "tools/call", "python_sdk_1.py", group="old"),
        _row("fastmcp", "tools/call", "fastmcp_client.py", group="new"),
    ),
    lambda: (
        install.python_versions("new", "mcp", "fastmcp")
        | {"mcp 1": install.python_versions("old", "mcp")["mcp"]}
    ),
)
