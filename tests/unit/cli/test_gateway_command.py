"""`deputize gateway check` and `serve`."""

import asyncio
import json
import signal
import sys

import pytest
from click.testing import CliRunner

from deputize.cli.gateway import gateway
from support.gateway import write_json
from support.patience import PATIENCE
from support.wire import Server, answer_text, ask

STATIC = {"type": "StaticResponseHandler", "config": {"status": 204}}
ADMIN = {
    "adminConnector": {"host": "127.0.0.1", "port": 0},
    "connectors": [{"host": "127.0.0.1", "port": 0}],
    "streamingEnabled": True,
}


@pytest.fixture
def directory(tmp_path):
    write_json(tmp_path / "config" / "admin.json", ADMIN)
    write_json(tmp_path / "config" / "routes" / "a.json", {"handler": STATIC})
    return tmp_path


def checked(directory):
    result = CliRunner().invoke(gateway, ["check", "--instance", str(directory)])
    return result.exit_code, result.output


def test_check_of_a_sound_instance(directory):
    assert checked(directory) == (0, f"{directory}: can be served\n")


def test_check_tells_of_errors_and_warnings(directory):
    write_json(directory / "config" / "routes" / "b.json", {"handler": "nobody", "name": "b"})
    write_json(directory / "config" / "routes" / "c.json", {"handler": STATIC, "handlers": 1})
    (directory / "config" / "routes" / "a.json").unlink()
    code, output = checked(directory)
    routes = directory / "config" / "routes"
    assert code == 1
    assert output.splitlines() == [
        (
            f"warning: {routes}/c.json:1:75 at /handlers: a route does not read 'handlers' (did you mean "
            f"'handler'?)"
        ),
        (
            f"error: {routes}/b.json:1:2 at /handler: no heap object is named 'nobody' (declare it in this "
            f"file's heap, or in config.json)"
        ),
    ]


def wrong(directory):
    write_json(
        directory / "config" / "routes" / "b.json", {"handler": {"type": "SingleSignOnFilter"}, "name": "b"}
    )
    write_json(directory / "config" / "routes" / "c.json", {"handler": STATIC, "handlers": 1})
    (directory / "config" / "routes" / "a.json").unlink()
    return directory


def test_check_prints_json(directory):
    result = CliRunner().invoke(gateway, ["check", str(wrong(directory)), "--json"])
    document = json.loads(result.output)
    assert (result.exit_code, document["valid"]) == (1, False)
    warning, error = document["findings"]
    routes = directory / "config" / "routes"
    assert warning == {
        "level": "warning",
        "file": f"{routes}/c.json",
        "pointer": "/handlers",
        "line": 1,
        "column": 75,
        "reason": "a route does not read 'handlers'",
        "fix": "did you mean 'handler'?",
    }
    assert (error["level"], error["pointer"], error["file"]) == ("error", "/handler/type", f"{routes}/b.json")
    assert error["reason"].startswith("'SingleSignOnFilter' is not supported: it signs people on")
    assert "OAuth2ResourceServerFilter" in error["fix"]


def test_check_of_a_sound_instance_prints_json(directory):
    result = CliRunner().invoke(gateway, ["check", str(directory), "--json"])
    assert (result.exit_code, json.loads(result.output)) == (0, {"valid": True, "findings": []})


def test_check_prints_sarif(directory, monkeypatch):
    """Code review shows a result where file and region name a line of the repository."""
    monkeypatch.chdir(directory)
    result = CliRunner().invoke(gateway, ["check", str(wrong(directory)), "--sarif"])
    document = json.loads(result.output)
    (run,) = document["runs"]
    assert (result.exit_code, document["version"]) == (1, "2.1.0")
    assert {each["ruleId"] for each in run["results"]} == {
        each["id"] for each in run["tool"]["driver"]["rules"]
    }
    warning = run["results"][0]
    assert warning == {
        "ruleId": "warning",
        "level": "warning",
        "message": {"text": "a route does not read 'handlers' (did you mean 'handler'?)"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "config/routes/c.json"},
                    "region": {"startLine": 1, "startColumn": 75},
                },
                "logicalLocations": [{"fullyQualifiedName": "/handlers"}],
            }
        ],
    }
    monkeypatch.chdir("/")
    outside = json.loads(CliRunner().invoke(gateway, ["check", str(directory), "--sarif"]).output)
    place = outside["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == str(directory / "config/routes/c.json").removeprefix("/")


def test_check_prints_in_one_format(directory):
    assert CliRunner().invoke(gateway, ["check", str(directory), "--json", "--sarif"]).exit_code == 2


def test_check_looks_at_connectors(directory):
    write_json(directory / "config" / "admin.json", {**ADMIN, "connectors": [{"port": 0, "tls": "Missing"}]})
    code, output = checked(directory)
    assert (code, "/connectors/0/tls" in output) == (1, True)


@pytest.mark.parametrize("command", ["check", "serve"])
def test_what_stops_the_start_is_told_in_one_line(directory, command):
    (directory / "config" / "admin.json").write_text("{")
    result = CliRunner().invoke(gateway, [command, "--instance", str(directory)])
    assert result.exit_code == 1
    assert f"{directory}/config/admin.json:1:2: is not JSON" in result.output


ENDING = ["the gateway is stopping", "the gateway has stopped"]


async def logged(process, event):
    """The next log entry of that name."""
    while line := await process.stderr.readline():
        entry = json.loads(line)
        if entry["event"] == event:
            return entry
    raise AssertionError("the gateway ended")


async def started_port(process):
    return (await logged(process, "the gateway is ready"))["ports"][0]


async def test_serve_reloads_on_hangup_and_ends_on_termination(directory):
    write_json(
        directory / "config" / "config.json",
        {"handler": {"type": "Router", "config": {"scanInterval": "disabled"}}},
    )
    command = (
        sys.executable,
        "-c",
        "from deputize.cli.gateway import gateway; gateway()",
        "serve",
        "--instance",
        str(directory),
    )
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(PATIENCE):
            port = await started_port(process)
            assert (await ask(port)).status == 204
            write_json(
                directory / "config" / "routes" / "a.json", {"handler": {**STATIC, "config": {"status": 205}}}
            )
            process.send_signal(signal.SIGHUP)
            while (await ask(port)).status != 205:
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert [(await logged(process, event))["event"] for event in ENDING] == ENDING
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_termination_lets_calls_finish_and_says_so(directory):
    asked, release = asyncio.Event(), asyncio.Event()

    async def answer(_):
        asked.set()
        await release.wait()
        return answer_text("done")

    connector = {"host": "127.0.0.1", "port": 0, "gracePeriod": "30 seconds"}
    write_json(
        directory / "config" / "admin.json",
        {"connectors": [connector], "adminConnector": {"host": "127.0.0.1", "port": 0}},
    )
    async with asyncio.timeout(PATIENCE), Server(answer) as backend:
        write_json(
            directory / "config" / "routes" / "a.json",
            {"baseURI": backend.url, "handler": "ReverseProxyHandler"},
        )
        command = (
            sys.executable,
            "-c",
            "from deputize.cli.gateway import gateway; gateway()",
            "serve",
            "--instance",
            str(directory),
        )
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        try:
            calling = asyncio.ensure_future(ask(await started_port(process)))
            await asked.wait()
            process.send_signal(signal.SIGTERM)
            assert (await logged(process, ENDING[0]))["exchanges"] == 1
            release.set()
            assert (await calling).body == b"done"
            await logged(process, ENDING[1])
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def test_help_names_the_variable():
    assert "IG_INSTANCE_DIR" in CliRunner().invoke(gateway, ["serve", "--help"]).output
