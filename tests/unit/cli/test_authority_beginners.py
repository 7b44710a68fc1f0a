"""What somebody sees who starts the authority for the first time and gets something wrong."""

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from deputize.cli.authority import authority
from support.databases import new_database
from support.patience import PATIENCE


def test_a_taken_port_is_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("deputize.cli.authority.configure_logging", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(
            authority, ["serve", "--data", str(tmp_path / "data"), "--port", str(port)]
        )
    assert result.exit_code == 1
    assert (
        f"cannot listen on 127.0.0.1 port {port}: Address already in use; choose another --port"
        in result.output
    )


async def test_an_empty_database_is_worth_a_warning(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    new_database(tmp_path / "data")
    command = (
        str(Path(sys.executable).parent / "deputize"),
        "authority",
        "serve",
        "--data",
        str(tmp_path / "data"),
        "--port",
        str(port),
    )
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    try:
        async with asyncio.timeout(PATIENCE):
            entry = json.loads(await process.stderr.readline())
    finally:
        process.terminate()
        await process.communicate()
    assert entry["event"] == "the database holds no environment"
    assert "deputize apply" in entry["fix"]
