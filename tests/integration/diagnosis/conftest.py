"""One live pair for all symptoms: each breaks one thing of it, and mends it again."""

import subprocess
import sys
import time
import urllib.request

import pytest
import pytest_asyncio
from demo.stage import ROOT, _free_port

from support.pair import running_pair


@pytest.fixture(scope="module")
def weather():
    """The sample MCP server, as a process."""
    port = _free_port(0, set())
    command = (sys.executable, "samples/weather_mcp_server.py", "--port", str(port))
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://localhost:{port}"
    try:
        _await(url, process)
        yield url
    finally:
        process.kill()
        process.wait()


def _await(url, process):
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the weather server ended")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory, weather):
    async with running_pair(tmp_path_factory.mktemp("pair") / "stage", weather) as running:
        yield running
