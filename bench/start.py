"""Measures a start: processor time until the program is ready, and the memory it then has.

`python -m bench.start --command PATH` measures the `deputize` of another environment, such as an operator's
with one extra.
"""

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import DEVNULL, Popen

import httpx2
from demo import programs

from bench.report import FOLDER, machine
from bench.subject import Deputize, deputize


@dataclass(frozen=True)
class Start:
    """The cost of one start, or its limit."""

    cpu_seconds: float
    """Processor time, user and system together."""
    resident_mib: float | None
    """Resident memory when ready; `None` for a program that ends by itself."""


GOALS = {"--version": Start(0.25, None), "gateway serve": Start(0.7, 60), "authority serve": Start(1.0, 80)}


def main() -> int:
    """Measure, and return 0 if every start stayed within its goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--command", default=programs.DEPUTIZE[0], help="the deputize command to start")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deputize-bench-") as folder:
        starts = _starters(deputize(Path(folder)), arguments.command)
        for start in starts.values():
            start()  # compiles to bytecode what was not
        measured = {name: [start() for _ in range(arguments.rounds)] for name, start in starts.items()}
    medians = {
        name: Start(
            statistics.median(each.cpu_seconds for each in rounds),
            statistics.median(each.resident_mib or 0 for each in rounds) or None,
        )
        for name, rounds in measured.items()
    }
    for name, median in medians.items():
        goal, memory = GOALS[name], f", {median.resident_mib:.0f} MiB" if median.resident_mib else ""
        mark = "✓" if _is_within(median, goal) else "✗"
        print(f"{mark} {name:<16} {median.cpu_seconds:.2f} s{memory}; {goal}")
    document = {
        "benchmark": "start", "date": datetime.now(UTC).date().isoformat(), "machine": machine(),
        "goals": {name: asdict(goal) for name, goal in GOALS.items()},
        "medians": {name: asdict(median) for name, median in medians.items()},
        "rounds": {name: [asdict(each) for each in rounds] for name, rounds in measured.items()},
    }  # fmt: skip
    (FOLDER / "start.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return 0 if all(_is_within(median, GOALS[name]) for name, median in medians.items()) else 1


def _is_within(start: Start, goal: Start) -> bool:
    return start.cpu_seconds <= goal.cpu_seconds and (start.resident_mib or 0) <= (goal.resident_mib or 0)


def _starters(subject: Deputize, command: str) -> dict[str, Callable[[], Start]]:
    stage, known = subject.stage, subject.secrets["resources"]["test"]
    environment = programs.gateway_environment(stage, subject.secrets["issuer"], known["id"], known["secret"])
    serve_authority = ["authority", "serve", "--data", str(stage.data), "--port", str(stage.ports.authority)]
    return {
        "--version": lambda: _start([command, "--version"]),
        "gateway serve": lambda: _start(
            [command, "gateway", "serve", "--instance", str(stage.instance)],
            f"http://localhost:{stage.ports.gateway_admin}/health/ready",
            environment,
        ),
        "authority serve": lambda: _start([command, *serve_authority], f"{stage.authority_url}/health/ready"),
    }


def _start(
    command: list[str], ready_url: str | None = None, environment: dict[str, str] | None = None
) -> Start:
    """Start the program and end it when `ready_url` answers; without one, wait until it ends by itself."""
    surroundings = {**os.environ, **(environment or {}), "PYTHONDONTWRITEBYTECODE": ""}
    process = Popen(command, stdout=DEVNULL, stderr=DEVNULL, env=surroundings)
    if ready_url is None:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return Start(usage.ru_utime + usage.ru_stime, None)
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
        return Start(
            sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK"),
            int(resident[1] if resident else 0) / 1024,
        )
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
