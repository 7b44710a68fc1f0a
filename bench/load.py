"""Runs wrk on the second core and reads what it measured."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench.cores import LOAD_CORE
from bench.programs import Program

CONNECTIONS = 32

_SCRIPT = """
wrk.method = "POST"
wrk.body = {body}
{headers}
function done(summary, latency, requests)
  io.write(string.format("deputize rps=%f p50=%f p99=%f count=%d bad=%d\\n",
  summary.requests / summary.duration * 1e6,
    latency:percentile(50), latency:percentile(99), summary.requests,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write +
    summary.errors.timeout))
end
"""
_MEASURED = re.compile(r"deputize rps=([\d.]+) p50=([\d.]+) p99=([\d.]+) count=(\d+) bad=(\d+)")


@dataclass(frozen=True)
class Request:
    """The one request that is sent over and over, and the program that answers it."""

    program: Program
    body: str
    headers: dict[str, str]

    def without(self, header: str) -> "Request":
        """Return the request without a header."""
        return Request(
            self.program, self.body, {name: value for name, value in self.headers.items() if name != header}
        )


@dataclass(frozen=True)
class Round:
    """The measurements of one round."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """The program's processor time for one request, in microseconds."""


def drive(request: Request, seconds: float, folder: Path) -> Round:
    """Run one round of wrk. Raises `RuntimeError` unless every answer is 2xx."""
    script = folder / "wrk.lua"
    headers = "\n".join(
        f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in request.headers.items()
    )
    script.write_text(_SCRIPT.format(body=_lua(request.body), headers=headers), "utf-8")
    command = [
        "taskset",
        "-c",
        LOAD_CORE,
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds:g}s",
        "--latency",
        "-s",
        str(script),
    ]
    command.append(request.program.url)
    before = request.program.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30)
    used = request.program.cpu_seconds() - before
    measured = _MEASURED.search(done.stdout)
    if not measured or measured[5] != "0":
        raise RuntimeError(f"wrk against {request.program.url}:\n{done.stdout}{done.stderr}")
    return Round(
        float(measured[1]),
        float(measured[2]) / 1000,
        float(measured[3]) / 1000,
        used / int(measured[4]) * 1e6,
    )


def status(request: Request) -> int:
    """Return the status with which one such request is answered."""
    return httpx2.post(
        request.program.url, content=request.body, headers=request.headers, timeout=10
    ).status_code


def _lua(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
