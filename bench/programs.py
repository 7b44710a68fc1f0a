"""Starts the measured programs, pinned to the first core, and those they need, pinned to the second."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench.cores import LOAD_CORE, PROGRAM_CORE

START_SECONDS = 180
SETTLE_SECONDS = 60
_QUIET_SECONDS = 0.1
_PSS = re.compile(r"^Pss: +(\d+) kB", re.MULTILINE)


@dataclass(frozen=True)
class Tls:
    """A server's certificate with its key in one PEM file, and the authority to trust for it."""

    certificate: Path
    ca_file: Path


@dataclass(frozen=True)
class Program:
    """A running program that is measured."""

    url: str
    """The URL it is asked for."""
    group: int
    """The process group of the program and its children."""

    def cpu_seconds(self) -> float:
        """Return the processor time used so far; other programs on the machine do not show in it."""
        return sum(_ticks(fields) for _, fields in self._members()) / os.sysconf("SC_CLK_TCK")

    def kernel_seconds(self) -> float:
        """Return the part of the processor time that the kernel used for it."""
        parts = (int(fields[12]) + int(fields[14]) for _, fields in self._members())
        return sum(parts) / os.sysconf("SC_CLK_TCK")

    def settle(self) -> float:
        """Wait until it has nothing left to do of an earlier round, and return the processor time until then.

        Raises `RuntimeError` if it is busy for `SETTLE_SECONDS`.
        """
        deadline, used = time.monotonic() + SETTLE_SECONDS, self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(_QUIET_SECONDS)
            before, used = used, self.cpu_seconds()
            if used == before:
                return used
        raise RuntimeError(f"the program of {self.url} is busy though nobody asks it anything")

    def memory_kib(self) -> float:
        """Return the memory in use, in KiB, of which pages that processes share count by their part."""
        total = 0
        for folder, _ in self._members():
            # A process that ends meanwhile, or that nobody has waited for yet, has no memory: ESRCH.
            with contextlib.suppress(OSError):
                total += sum(map(int, _PSS.findall((folder / "smaps_rollup").read_text("ascii"))))
        return total

    def _members(self) -> Iterator[tuple[Path, list[str]]]:
        """Return the folder in `/proc` and the fields of `stat` of each process."""
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
                if int(fields[2]) == self.group:
                    yield folder, fields


def _ticks(fields: list[str]) -> int:
    """Return user and system time, with that of children it has waited for (proc(5), fields 14 to 17)."""
    return sum(map(int, fields[11:15]))


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(
    command: list[str],
    ready_url: str,
    log: Path,
    *,
    measured: bool,
    environment: Mapping[str, str] | None = None,
    seconds: float = START_SECONDS,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, on the measured core or beside the load, and wait `seconds` at most until it answers.

    The program and its children are ended afterwards.
    """
    pinned = ["taskset", "-c", PROGRAM_CORE if measured else LOAD_CORE, *command]
    with log.open("wb") as output:
        process = subprocess.Popen(
            pinned,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, ready_url, log, seconds)
        yield process
    finally:
        _end(process)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx2.TransportError):
            httpx2.get(url, timeout=1)
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args} did not start:\n{log.read_text('utf-8', 'replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process group, which holds only this program and its children, for we started its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
