"""`make bench`, or benchmarks by name: `python -m bench.run gateway`."""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

import httpx2
from demo.programs import DEPUTIZE

from bench.benchmarks import BENCHMARKS
from bench.measure import Plan
from bench.page import write_page
from bench.plots import plot
from bench.report import FOLDER, document, write

NEEDED = {
    "wrk": "wrk",
    "taskset": "util-linux",
    "nginx": "nginx-light",
    "apache2": "apache2 libapache2-mod-auth-openidc",
    "npm": "npm",
}


def main() -> int:
    """Run the benchmarks, and return 0 if no goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*BENCHMARKS, []], help=f"which: {', '.join(BENCHMARKS)} (all)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each round")
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--agents", type=int, default=10, help="of whom each acts for each user")
    parser.add_argument("--results", type=Path, default=FOLDER, help="where results are written")
    parser.add_argument("--streams", type=int, default=8_000, help="idle ones to hold, if open files allow")
    parser.add_argument("--hold", type=int, default=120, help="seconds to hold them")
    parser.add_argument(
        "--known",
        type=int,
        default=100_000,
        help="tokens that a gateway knows at most (1000000 takes minutes)",
    )
    parser.add_argument(
        "--people",
        type=int,
        default=100_000,
        help="users that an authority knows at most (1000000 takes minutes)",
    )
    parser.add_argument(
        "--command", default=DEPUTIZE[0], help="the deputize to start, such as an operator's with one extra"
    )
    arguments = parser.parse_args()
    missing = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if missing:
        parser.error(f"these Debian packages are needed: {' '.join(missing)}")
    # As Ctrl-C does: the programs under test must not outlive the run.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="deputize-bench-") as folder:
        plan = Plan(
            rounds=arguments.rounds,
            seconds=arguments.seconds,
            folder=Path(folder),
            users=arguments.users,
            agents=arguments.agents,
            streams=arguments.streams,
            hold_seconds=arguments.hold,
            known=arguments.known,
            people=arguments.people,
            command=arguments.command,
        )
        began = time.monotonic()
        met = [_run(name, plan, arguments.results) for name in arguments.names or BENCHMARKS]
        print(f"\nAll took {(time.monotonic() - began) / 60:.1f} minutes.")
    if arguments.results.resolve() == FOLDER:
        write_page()
    return 0 if all(met) else 1


def _run(name: str, plan: Plan, folder: Path) -> bool:
    """Run a benchmark, write what it found, and return whether no goal was missed.

    One that fails leaves the results of the last time, and does not end the others.
    """
    benchmark = BENCHMARKS[name]
    plan.say(f"\n{name}: {benchmark.title}")
    fitting = replace(
        plan,
        rounds=min(plan.rounds, benchmark.rounds or plan.rounds),
        seconds=min(plan.seconds, benchmark.seconds or plan.seconds),
    )
    began = time.monotonic()
    try:
        findings = benchmark.measure(fitting)
    except (RuntimeError, OSError, subprocess.SubprocessError, httpx2.HTTPError) as error:
        traceback.print_exc()
        plan.say(f"✗ {name} failed: {error}")
        return False
    found = document(name, benchmark, fitting, findings, time.monotonic() - began)
    write(found, folder)
    plot(folder / f"{name}.svg", found)
    return all(goal["met"] is not False for goal in found["goals"])


if __name__ == "__main__":
    sys.exit(main())
