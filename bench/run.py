"""`make bench`, or one benchmark by name: `python -m bench.run gateway`."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bench.benchmarks import BENCHMARKS
from bench.measure import Plan
from bench.report import write

NEEDED = {
    "wrk": "wrk",
    "taskset": "util-linux",
    "nginx": "nginx-light",
    "apache2": "apache2 libapache2-mod-auth-openidc",
    "npm": "npm",
}


def main() -> int:
    """Run the benchmarks, and return 0 if every goal was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*BENCHMARKS, []], help=f"which: {', '.join(BENCHMARKS)} (all)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round")
    arguments = parser.parse_args()
    missing = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if missing:
        parser.error(f"these Debian packages are needed: {' '.join(missing)}")
    met = [_run(name, arguments.rounds, arguments.seconds) for name in arguments.names or BENCHMARKS]
    return 0 if all(met) else 1


def _run(name: str, rounds: int, seconds: float) -> bool:
    benchmark = BENCHMARKS[name]
    print(f"\n{name}: {benchmark.title}")
    with tempfile.TemporaryDirectory(prefix="deputize-bench-") as folder:
        plan = Plan(rounds, seconds, Path(folder))
        judged = write(name, benchmark, plan, benchmark.measure(plan, print))
    return all(goal["met"] for goal in judged)


if __name__ == "__main__":
    sys.exit(main())
