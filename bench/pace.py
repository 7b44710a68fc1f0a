"""Sends calls at a rate that does not wait for answers, and measures how long each took from when it was due.

A generator that sends the next call when the last was answered slows down together with the program, and so
hides the waiting that it causes (coordinated omission). Here calls come at random, as those of clients that
know nothing of each other do, and one that finds all connections busy waits within its own time.
"""

import argparse
import gc
import json
import random
import re
import select
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

from bench.cores import LOAD_CORE
from bench.load import PreparedLoad

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_READ_BYTES = 256 * 1024


class _Connection:
    """One connection, and when the call it carries was due."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._answer = b""
        self._expected = 0

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, call: bytes, due: float) -> None:
        """Send a call that was due then; it is small enough for the empty buffer of the socket."""
        self.due, self._answer, self._expected = due, b"", 0
        self.socket.sendall(call)

    def receive(self) -> bool:
        """Read what is there, and return whether the answer is complete. Raises `RuntimeError` if not 200."""
        part = self.socket.recv(_READ_BYTES)
        self._answer = answer = self._answer + part if self._answer else part
        if not self._expected:
            end = answer.find(b"\r\n\r\n")
            if end < 0 and part:
                return False
            length = _LENGTH.search(answer, 0, end)
            if not answer.startswith(b"HTTP/1.1 200") or not length:
                raise RuntimeError(f"not an answer 200 with its length: {answer[:400]!r}")
            self._expected = end + 4 + int(length[1])
        return len(answer) >= self._expected


def pace(
    address: tuple[str, int], calls: Iterator[bytes], gaps: Iterator[float], connections: int
) -> list[float]:
    """Send a call whenever one is due, `gaps` seconds after the last, and return the seconds each took."""
    with ExitStack() as stack:
        idle = [_Connection(address) for _ in range(connections)]
        for connection in idle:
            stack.callback(connection.socket.close)
        return _pace(idle, calls, gaps)


def _pace(idle: list[_Connection], calls: Iterator[bytes], gaps: Iterator[float]) -> list[float]:
    busy: set[_Connection] = set()
    waiting: deque[float] = deque()
    took: list[float] = []
    due: float | None = time.perf_counter() + next(gaps)
    while due is not None or waiting or busy:
        now = time.perf_counter()
        while due is not None and due <= now:
            waiting.append(due)
            gap = next(gaps, None)
            due = None if gap is None else due + gap
        while waiting and idle:
            connection = idle.pop()
            connection.send(next(calls), waiting.popleft())
            busy.add(connection)
        # `select` because its time-out has microseconds, those of `poll` and `epoll` milliseconds
        rest = None if due is None else max(0.0, due - time.perf_counter())
        for connection in select.select(busy, (), (), rest)[0]:
            if connection.receive():
                took.append(time.perf_counter() - connection.due)
                busy.discard(connection)
                idle.append(connection)
    return took


def drive_at(load: PreparedLoad, rate: float, seconds: int) -> Mapping[str, float]:
    """Send the load's calls at `rate` a second for so long, from the second core; return the latencies."""
    url = urlsplit(load.load.program.url)
    options = ["--port", str(url.port), "--connections", str(load.load.connections)]
    command = [sys.executable, "-m", "bench.pace", str(load.calls), *options, f"--rate={rate}"]
    done = subprocess.run(
        ["taskset", "-c", LOAD_CORE, *command, f"--seconds={seconds}"],
        capture_output=True, text=True, check=False, timeout=seconds + 60,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"calls at a fixed rate to {url.geturl()}:\n{done.stderr}")
    return json.loads(done.stdout)


def read_calls(path: Path) -> list[bytes]:
    """Return the calls of a file as `load.prepare` writes it."""
    with path.open("rb") as file:
        return [file.read(struct.unpack("<I", size)[0]) for size in iter(lambda: file.read(4), b"")]


def summarize(took: Sequence[float], seconds: float) -> dict[str, float]:
    """Return the figures of calls that took so many seconds each."""
    cuts = quantiles(took, n=100)
    return {
        "requests_per_second": len(took) / seconds,
        "p50_ms": cuts[49] * 1000,
        "p99_ms": cuts[98] * 1000,
        "max_ms": max(took) * 1000,
    }


def main() -> None:
    """Send the calls of a file, and print the figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("calls", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, required=True)
    arguments = parser.parse_args()
    calls = read_calls(arguments.calls)
    gc.freeze()
    gc.disable()  # its pauses would be taken for the program's
    draw, number = random.Random(2), int(arguments.rate * arguments.seconds)
    gaps = (draw.expovariate(arguments.rate) for _ in range(number))
    began = time.perf_counter()
    took = pace(("127.0.0.1", arguments.port), cycle(calls), gaps, arguments.connections)
    print(json.dumps(summarize(took, time.perf_counter() - began)))


if __name__ == "__main__":
    main()
