import contextlib
import getpass
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from deputize.cli import main
from support.databases import new_database
from support.patience import PATIENCE

DEPUTIZE = Path(sys.executable).parent / "deputize"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def data(tmp_path):
    new_database(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def program(data):
    port = free_port()
    command = [DEPUTIZE, "authority", "serve", "--data", data, "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while not answers(port) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    yield process, port
    process.kill()
    process.wait()
    process.stderr.close()


def answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_it_serves_and_stops_in_order(program, number, tmp_path):
    process, port = program
    assert answers(port)
    process.send_signal(number)
    _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert "authority starts" in [line["event"] for line in lines]
    assert [line["event"] for line in lines if line["event"].startswith("authority stop")] == [
        "authority stopping",
        "authority stopped",
    ]
    assert lines[-1]["event"] == "authority stopped"
    records = [
        json.loads(line)
        for line in (tmp_path / "data" / "audit" / "authority.audit.json").read_text().splitlines()
    ]
    assert [record["eventName"] for record in records] == [
        "DEPUTIZE-AUTHORITY-STARTS",
        "DEPUTIZE-AUTHORITY-STOPPED",
    ]
    assert records[0]["osUser"] == getpass.getuser()


ENVIRONMENT = "environment: Test\nresources: [{ name: api, scopes: [{ name: read }] }]\nagents:\n"
AGENT = "  - { name: Agent, grants: [client_credentials], scopes: { api: [read] } }\n"


@pytest.fixture
def environment(tmp_path, data):
    """An environment with an agent, in the program's data: its id, and the agent's credentials."""
    (tmp_path / "environment.yaml").write_text(ENVIRONMENT + AGENT)
    out = tmp_path / "secrets.json"
    options = ["--data", str(data), "--secrets-out", str(out)]
    applied = CliRunner().invoke(main, ["apply", str(tmp_path / "environment.yaml"), *options])
    assert applied.exit_code == 0, applied.output
    written = json.loads(out.read_text())
    agent = written["agents"]["Agent"]
    return written["environment"]["id"], (agent["id"], agent["secret"])


@pytest.mark.slow
def test_a_log_that_nobody_reads_any_more_fails_no_request(environment, program):
    (process, port), (environment_id, agent) = program, environment
    process.stderr.close()
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}/{environment_id}/as", auth=agent) as client:
        for _ in range(100):  # more than the pipe and any buffer take
            answer = client.post("/token", data={"grant_type": "client_credentials"})
            assert answer.status_code == 200
            revoked = client.post("/revoke", data={"token": answer.json()["access_token"]})
            assert revoked.status_code == 200
        assert client.post("/token", data={"grant_type": "password"}).status_code == 400
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 0


def test_a_database_that_does_not_answer_is_503_at_every_endpoint_until_it_does(
    environment, program, tmp_path
):
    (_, port), (environment_id, agent) = program, environment
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}/{environment_id}", auth=agent) as client:
        token = client.post("/as/token", data={"grant_type": "client_credentials"}).json()["access_token"]
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "deputize.db")) as database:
            tables = [
                name
                for (name,) in database.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
                )
            ]
            for name in tables:
                database.execute(f"ALTER TABLE {name} RENAME TO away_{name}")
        answers = [
            client.post("/as/introspect", data={"token": token}),
            client.post("/as/revoke", data={"token": token}),
            client.post("/as/token", data={"grant_type": "refresh_token", "refresh_token": "x"}),
        ]
        for answer in answers:
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert answer.json()["error"] == "temporarily_unavailable"
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "deputize.db")) as database:
            for name in tables:
                database.execute(f"ALTER TABLE away_{name} RENAME TO {name}")
        assert client.post("/as/introspect", data={"token": token}).json()["active"]
