"""Counts what the interpreter does for a call on a remembered plan: bytecodes, and functions called.

`python -m bench.steps` prints a table. Its counts do not depend on how busy the machine is, so they compare
two states of the source where times cannot; what happens by the clock is in them, a little. With arguments,
`python -m bench.steps FILE ARGUMENTS...`, it is `deputize ARGUMENTS...` that counts.
"""

import atexit
import json
import os
import signal
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from bench.calls import tool_calls
from bench.load import CONNECTIONS
from bench.peers import nginx
from bench.shares import SOURCE
from bench.subject import deputize, remember_tokens
from deputize import cli

BEGIN = signal.SIGUSR2
"""Tells the program to count from here on."""
ROUNDS = 20
FIGURES = ("bytecodes", "python_calls", "c_calls")


def count(folder: Path) -> dict[str, dict[str, float]]:
    """Return the figures of a call by function, the costliest first, with files in `folder`.

    As many calls come at once as there are connections.
    """
    file = folder / "steps.json"
    with ExitStack() as stack:
        subject = deputize(folder, users=8, agents=4)
        stack.enter_context(subject.authority(measured=False))
        port = stack.enter_context(nginx.upstream(folder))
        counting = (sys.executable, "-m", "bench.steps", str(file))
        gateway = stack.enter_context(subject.gateway(port, remember_tokens, command=counting)).clear
        where = urlsplit(gateway.url)
        calls = [each.write(gateway.url) for each in tool_calls(subject.tokens, count=CONNECTIONS)]
        opened = [stack.enter_context(socket.create_connection((where.hostname, where.port))) for _ in calls]
        for _ in range(3):  # the first time a plan is prepared, and a head of an answer parsed
            _send(opened, calls)
        gateway.settle()
        os.killpg(gateway.group, BEGIN)
        gateway.settle()
        for _ in range(ROUNDS):
            _send(opened, calls)
    counted: dict[str, dict[str, int]] = json.loads(file.read_text("utf-8"))
    sent = ROUNDS * len(calls)
    each = {name: {figure: its[figure] / sent for figure in FIGURES} for name, its in counted.items()}
    return dict(sorted(each.items(), key=lambda item: item[1]["bytecodes"], reverse=True))


def _send(opened: Sequence[socket.socket], calls: Sequence[bytes]) -> None:
    """Send a call on each connection, and then read the answer on each. Raises `RuntimeError`."""
    for connection, call in zip(opened, calls, strict=True):
        connection.sendall(call)
    for connection in opened:
        answer = connection.recv(64 * 1024)
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"not answered with success: {answer[:64]!r}")


def show() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="deputize-bench-") as folder:
        counted = count(Path(folder))
    total = {figure: sum(each[figure] for each in counted.values()) for figure in FIGURES}
    print("bytecodes", "Python calls", "C calls", sep="  ")
    for name, each in {"all": total, **counted}.items():
        if each["bytecodes"] >= 1:
            print(f"{each['bytecodes']:9.1f}  {each['python_calls']:12.2f}  {each['c_calls']:7.2f}  {name}")


def main() -> None:
    """Run `deputize` with the arguments behind the first, and write to that file what was counted."""
    file, sys.argv = Path(sys.argv[1]), ["deputize", *sys.argv[2:]]
    counts = {figure: Counter[str]() for figure in FIGURES}
    bytecodes, python_calls, c_calls = counts.values()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "opcode":
            bytecodes[_name(frame)] += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return trace

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            python_calls[_name(frame)] += 1
        elif event == "c_call":
            c_calls[_name(frame)] += 1

    def begin(*_: object) -> None:
        sys.setprofile(profile)
        sys.settrace(trace)

    def write() -> None:
        sys.settrace(None)
        sys.setprofile(None)
        names = {name for of in counts.values() for name in of}
        found = {name: {figure: of[name] for figure, of in counts.items()} for name in names}
        file.write_text(json.dumps(found), "utf-8")

    atexit.register(write)
    signal.signal(BEGIN, begin)
    cli.main()


def _name(frame: FrameType) -> str:
    """Return the module of the code that runs, from the package down, and the function."""
    code = frame.f_code
    return f"{code.co_filename.removeprefix(SOURCE).removesuffix('.py')} {code.co_qualname}"


if __name__ == "__main__":
    main() if len(sys.argv) > 1 else show()
