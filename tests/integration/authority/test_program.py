import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

DEPUTIZE = Path(sys.executable).parent / "deputize"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def program(tmp_path):
    port = free_port()
    command = [DEPUTIZE, "authority", "serve", "--data", tmp_path / "data", "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not answers(port) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    yield process, port
    process.kill()
    process.communicate()


def answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_stops_in_order(program, number):
    process, port = program
    assert answers(port)
    process.send_signal(number)
    _, log = process.communicate(timeout=15)
    assert process.returncode == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert "authority starts" in [line["event"] for line in lines]
    assert [line["event"] for line in lines if line["event"].startswith("authority stop")] == ["authority stopping", "authority stopped"]
    assert lines[-1]["event"] == "authority stopped"
