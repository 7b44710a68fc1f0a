"""Measures a start: processor time until the program is ready, and the memory it then has."""

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, Popen

import httpx2
from demo import programs

from bench.measure import Findings, Plan, Result
from bench.subject import Deputize

VERSION, GATEWAY, AUTHORITY = "deputize --version", "deputize gateway serve", "deputize authority serve"


def starts(plan: Plan) -> Findings:
    """Start each program on warm bytecode, again and again in turn."""
    findings = Findings()
    starters = _starters(plan.subject, plan.command)
    for start in starters.values():
        start()  # compiles to bytecode what was not
    rounds = [{name: start() for name, start in starters.items()} for _ in range(plan.rounds)]
    findings.add(Result(name, tuple(each[name] for each in rounds)) for name in starters)
    return findings


def _starters(subject: Deputize, command: str) -> dict[str, Callable[[], Mapping[str, float]]]:
    stage, known = subject.stage, subject.secrets["resources"]["test"]
    environment = programs.gateway_environment(stage, subject.secrets["issuer"], known["id"], known["secret"])
    serve_authority = ["authority", "serve", "--data", str(stage.data), "--port", str(stage.ports.authority)]
    return {
        VERSION: lambda: _start([command, "--version"]),
        GATEWAY: lambda: _start(
            [command, "gateway", "serve", "--instance", str(stage.instance)],
            f"http://localhost:{stage.ports.gateway_admin}/health/ready",
            environment,
        ),
        AUTHORITY: lambda: _start([command, *serve_authority], f"{stage.authority_url}/health/ready"),
    }


def _start(
    command: list[str], ready_url: str | None = None, environment: dict[str, str] | None = None
) -> Mapping[str, float]:
    """Start the program and end it when `ready_url` answers; without one, wait until it ends by itself."""
    surroundings = {**os.environ, **(environment or {}), "PYTHONDONTWRITEBYTECODE": ""}
    process = Popen(command, stdout=DEVNULL, stderr=DEVNULL, env=surroundings)
    if ready_url is None:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return {"cpu_s": usage.ru_utime + usage.ru_stime}  # its memory is gone
    try:
        with httpx2.Client() as client:
            while process.poll() is None:
                with suppress(httpx2.TransportError):
                    if client.get(ready_url, timeout=5).status_code == 200:
                        break
                time.sleep(0.02)
            else:
                raise programs.ProgramFailed(f"{command} ended instead of starting")
        resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text("ascii"))
        fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return {
            "cpu_s": sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK"),
            "resident_mib": int(resident[1] if resident else 0) / 1024,
        }
    finally:
        process.terminate()
        process.wait()
