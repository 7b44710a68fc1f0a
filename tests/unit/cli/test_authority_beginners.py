"""What somebody sees who starts the authority for the first time and gets something wrong."""

import asyncio
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from deputize.cli.authority import authority
from support.databases import new_database
from support.patience import PATIENCE


def test_a_taken_port_is_named_with_what_to_do(tmp_path):
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


async def test_an_empty_database_gives_whoever_starts_it_a_link_which_no_log_gets(tmp_path, capfd):
    log = await log_of(tmp_path)
    [token] = re.findall(r"http://localhost:\d+/console/welcome/(\S+)", capfd.readouterr().out)
    assert token not in str(log)


async def test_who_fetches_from_private_networks_is_warned_at_each_start(tmp_path):
    log = await log_of(tmp_path, "--fetch-network", "127.0.0.0/8", "--fetch-network", "10.1.2.3")
    [entry] = [each for event, each in log.items() if "not public" in event]
    assert entry["level"] == "warning"
    assert entry["networks"] == ["127.0.0.0/8", "10.1.2.3/32"]
    assert "--fetch-network" in entry["fix"]


@pytest.mark.slow
async def test_nothing_is_said_of_fetching_where_it_is_as_it_should_be(tmp_path):
    assert not [event for event in await log_of(tmp_path) if "public" in event]


async def log_of(tmp_path, *options):
    """The log of a start, by events, until the authority listens."""
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
        *options,
    )
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    log = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while "authority starts" not in log:
                entry = json.loads(await process.stderr.readline())
                log[entry["event"]] = entry
    finally:
        process.terminate()
        await process.communicate()
    return log


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("missing.pem", "No such file or directory"),
        ("empty.pem", "the certificate authorities cannot be read"),
        ("text.pem", "the certificate authorities cannot be read"),
    ],
)
def test_certificate_authorities_that_cannot_be_used_are_said_before_the_start(tmp_path, option, reason):
    (tmp_path / "empty.pem").touch()
    (tmp_path / "text.pem").write_text("no certificate")
    result = CliRunner().invoke(authority, ["serve", "--fetch-ca", str(tmp_path / option)])
    assert result.exit_code == 2
    assert f"Invalid value for '--fetch-ca': {tmp_path / option}: {reason}" in " ".join(result.output.split())


def test_a_list_of_passwords_that_is_none_is_said_before_the_start(tmp_path):
    (tmp_path / "words.txt").write_text("123456\npassword\n")
    result = CliRunner().invoke(authority, ["serve", "--breached-passwords", str(tmp_path / "words.txt")])
    assert result.exit_code == 1
    assert "words.txt: its first line is no SHA-1 digest in hex" in result.output
