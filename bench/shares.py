"""Finds out in which packages the gateway spends its time, by looking again and again where it is.

Run as a program, `python -m bench.shares FILE ARGUMENTS...` is `deputize ARGUMENTS...` which looks at itself.
"""

import atexit
import json
import os
import signal
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from bench.calls import tool_calls
from bench.load import Load, prepare
from bench.measure import Findings, Plan, Result, told
from bench.peers import nginx
from bench.subject import remember_tokens
from deputize import cli

SOURCE = str(Path(cli.__file__).parents[1]) + os.sep
ELSEWHERE = "outside of the source (event loop)"
INTERVAL_SECONDS = 0.001
"""Of processor time; the kernel may not look at its clock as often."""
BEGIN = signal.SIGUSR2
"""Tells the program to forget what it has seen, which was its start."""
_DEPTH = 2
"""Parts of a package's name: `http/listener`."""


def shares(plan: Plan) -> Findings:
    """Drive the base case at a gateway that looks at itself; its figures are shares, not times."""
    file, findings = plan.folder / "shares.json", Findings()
    with ExitStack() as stack:
        subject = plan.subject
        stack.enter_context(subject.authority(measured=False))
        port = stack.enter_context(nginx.upstream(plan.folder))
        observed = (sys.executable, "-m", "bench.shares", str(file))
        gateway = stack.enter_context(subject.gateway(port, remember_tokens, command=observed)).clear
        load = prepare(Load(gateway, tool_calls(subject.tokens)), plan.folder, "load")
        load.drive(plan.seconds)
        used, in_kernel = gateway.settle(), gateway.kernel_seconds()
        os.killpg(gateway.group, BEGIN)
        for number in range(1, plan.rounds + 1):
            plan.say(f"  round {number}/{plan.rounds}  {told(load.drive(plan.seconds))}")
        in_kernel, used = gateway.kernel_seconds() - in_kernel, gateway.cpu_seconds() - used
    seen = Counter(json.loads(file.read_text("utf-8")))
    total = seen.total()
    findings.add(
        Result(name, ({"share_percent": 100 * count / total},))
        for name, count in seen.most_common()
        if 100 * count >= total
    )
    findings.facts["kernel_percent"] = 100 * in_kernel / used
    return findings


def main() -> None:
    """Run `deputize` with the arguments behind the first, and write to that file where it was seen."""
    file, sys.argv = Path(sys.argv[1]), ["deputize", *sys.argv[2:]]
    seen: Counter[str] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        while frame is not None and not frame.f_code.co_filename.startswith(SOURCE):
            frame = frame.f_back
        seen[_package(frame.f_code.co_filename) if frame else ELSEWHERE] += 1

    atexit.register(lambda: file.write_text(json.dumps(seen), "utf-8"))
    signal.signal(BEGIN, lambda *_: seen.clear())
    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)
    cli.main()


def _package(file: str) -> str:
    """Return the folder of a source file, from the package down, or the file where it is alone there."""
    parts = Path(file.removeprefix(SOURCE)).with_suffix("").parts
    return "/".join(parts[:_DEPTH])


if __name__ == "__main__":
    main()
