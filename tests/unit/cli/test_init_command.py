"""`deputize gateway init`: the folder that it writes can be served as it is."""

import json
import re

import pytest
from click.testing import CliRunner

from deputize.cli.gateway import gateway


def run(*words):
    result = CliRunner().invoke(gateway, [str(word) for word in words])
    return result.exit_code, result.output


@pytest.mark.parametrize("kind", ["mcp", "api"])
def test_what_is_written_can_be_served(tmp_path, kind):
    folder = tmp_path / "new"
    server = "http://localhost:9000/deep/path/"
    code, output = run(
        "init", folder, f"--{kind}", server, "--issuer", "https://issuer.example", "--port", 9090
    )
    assert code == 0
    assert f"clients use http://localhost:9090/{kind}" in output
    code, output = run("check", folder)
    *warnings, last = output.splitlines()
    assert (code, last) == (0, f"{folder}: can be served")
    assert ["is not an https URL" in each for each in warnings] == [True] * (kind == "mcp")
    code, output = run("explain", folder, "--request", f"POST http://localhost:9090/{kind}/x", "--json")
    document = json.loads(output)
    assert (document["status"], document["sent"]) == (401, False)
    events = [event for stop in document["stops"] for event in stop["events"]]
    assert "passes on: target /deep/path/x" in events
    assert any(event.startswith("answers 401: missing_token") for event in events)
    assert not any(re.search("@[A-Z_]+@", path.read_text()) for path in folder.rglob("*.json"))


def test_scope_and_ports_are_those_asked_for(tmp_path):
    words = ("--mcp", "http://s", "--issuer", "https://i", "--scope", 'a"b', "--port", 1, "--admin-port", 2)
    assert run("init", tmp_path, *words)[0] == 0
    route = (tmp_path / "config" / "routes" / "mcp.json").read_text()
    assert '"scope": "a\\"b"' in route
    assert '"gatewayUrl": "http://localhost:1"' in route
    assert '"port": 2 }' in (tmp_path / "config" / "admin.json").read_text()


def test_nothing_that_exists_is_changed(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.json").write_text("mine")
    code, output = run("init", tmp_path, "--mcp", "http://s", "--issuer", "https://i")
    assert (code, "config.json exists: name another folder" in output) == (1, True)
    assert [path.name for path in (tmp_path / "config").iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--mcp", "http://s", "--api", "http://s"),
        ("--mcp", "s"),
        ("--mcp", "http://s/../a"),
        ("--mcp", "http://s", "--issuer", "i"),
    ],
)
def test_what_is_no_server_is_refused(tmp_path, words):
    issuer = () if "--issuer" in words else ("--issuer", "https://i")
    assert run("init", tmp_path, *words, *issuer)[0] == 2
    assert [*tmp_path.iterdir()] == []
