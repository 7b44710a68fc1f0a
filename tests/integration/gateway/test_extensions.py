"""What docs/howto/extend-the-gateway.md says of its route, with the example package installed."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from support.extensions import EXAMPLE, install
from support.patience import PATIENCE

CALL = """\
import asyncio, json, os, sys
from pathlib import Path
from deputize.gateway.app import Gateway

HEAD = b"POST /kettle HTTP/1.1\\r\\nHost: localhost\\r\\n"
TEAM, TRACE = b"X-Team: kitchen\\r\\n", b"traceparent: 00-%032d-%016d-01\\r\\n"
SHORT, LONG = b"Content-Length: 5\\r\\n\\r\\nshort", b"Content-Length: 1001\\r\\n\\r\\n"
CHUNKED = b"Transfer-Encoding: chunked\\r\\n\\r\\n"
SENT = (
    TEAM + TRACE % (1, 1) + SHORT,
    TEAM + TRACE % (2, 2) + SHORT,
    TEAM + TRACE % (3, 3) + LONG,
    TEAM + TRACE % (4, 4) + CHUNKED + b"5\\r\\nshort\\r\\n0\\r\\n\\r\\n",
    TEAM + TRACE % (5, 5) + CHUNKED + b"3e9\\r\\n" + 1001 * b"x" + b"\\r\\n",
    b"X-Team: attic\\r\\n" + TRACE % (6, 6) + SHORT,
    TEAM + b"X-Team: attic\\r\\n" + TRACE % (9, 9) + SHORT,
    TEAM + SHORT,
    TEAM + TRACE % (7, 7) + TRACE % (8, 8) + SHORT,
)

async def main():
    gateway = await Gateway.load(Path(sys.argv[1]), dict(os.environ))
    assert gateway.problems()[0] == ()
    await gateway.start()
    answers = []
    for sent in SENT:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports[0])
        writer.write(HEAD + sent)
        head = await reader.readuntil(b"\\r\\n\\r\\n")
        status, trace = head.split()[1].decode(), head.partition(b"X-Trace: ")[2][:55].decode()
        body = (await reader.readexactly(len(sys.argv[2]))).decode() if status == "200" else ""
        answers.append((status, trace, body))
        writer.close()
    await gateway.stop()
    print(json.dumps(answers))

asyncio.run(main())
"""
SENT_UP = "${request.headers['Authorization'][0]} ${request.headers['X-Cost-Centre'][0]}"
"""In place of the page's answer: clients must not learn what is sent to servers, but the test has to."""
ANSWER = "Basic " + base64.b64encode(b"us:whistle").decode() + " 4711"


@pytest.fixture
def collector():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(PATIENCE)
        yield collector


@pytest.fixture
def instance(tmp_path, collector):
    """An instance folder with the page's route, whose records go to the collector."""
    routes = tmp_path / "instance" / "config" / "routes"
    routes.mkdir(parents=True)
    listener = {"host": "127.0.0.1", "port": 0}
    admin = {"connectors": [listener], "adminConnector": listener, "streamingEnabled": True}
    (routes.parent / "admin.json").write_text(json.dumps(admin))
    route = (EXAMPLE / "route.json").read_text("utf-8")
    changes = {"5514": str(collector.getsockname()[1]), "The kettle is on.": SENT_UP}
    for old, new in changes.items():
        assert old in route
        route = route.replace(old, new)
    (routes / "example.json").write_text(route)
    return tmp_path / "instance"


def run(site, *arguments):
    paths = os.pathsep.join((str(site), str(EXAMPLE.parents[1] / "tests")))
    environment = {**os.environ, "PYTHONPATH": paths, "KETTLE_SECRET": b"whistle".hex()}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_one_of_each_works_from_a_package_of_its_own(instance, collector, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    done = run(install(EXAMPLE, site), "-c", CALL, str(instance), ANSWER)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = [
        ("200", 1, ANSWER),
        ("200", 2, ANSWER),  # by the plan of the call before
        ("413", None, ""),
        ("200", 4, ANSWER),
        ("413", None, ""),
        ("403", None, ""),
        ("403", None, ""),  # two teams, the first of them known
        ("400", None, ""),
        ("400", None, ""),
    ]
    assert json.loads(done.stdout.splitlines()[-1]) == [
        [status, "" if trace is None else f"00-{trace:032d}-{trace:016d}-01", body]
        for status, trace, body in expected
    ]
    records = [json.loads(collector.recv(65536)) for _ in expected]
    assert [record["response"]["statusCode"] for record in records] == [status for status, _, _ in expected]


def test_a_package_that_is_wrong_is_named_and_nothing_starts(instance, tmp_path):
    package, site = tmp_path / "package", tmp_path / "site"
    site.mkdir()
    shutil.copytree(EXAMPLE, package)
    for file in (package / "pyproject.toml", package / "deputize_extensions" / "stamp.py"):
        file.write_text(file.read_text("utf-8").replace("StampFilter", "HeaderFilter"), "utf-8")
    done = run(
        install(package, site),
        "-c",
        "from deputize.cli import main; main()",
        "gateway",
        "check",
        "--instance",
        str(instance),
    )
    assert done.returncode != 0
    assert "deputize-extensions" in done.stdout + done.stderr
    assert "Deputize itself provides 'HeaderFilter' already" in done.stdout + done.stderr
