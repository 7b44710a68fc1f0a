"""Runs wrk on the second core with prepared calls, and reads what it measured."""

import re
import ssl
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2

from bench.calls import Call
from bench.cores import LOAD_CORE
from bench.programs import Program

CONNECTIONS = 32
ANSWER_SECONDS = 30
_TRUST = ssl._create_unverified_context()  # noqa: S323, SLF001 - wrk looks at no certificate either

# The calls are read once and sent in turn by all connections; wrk copies the text that `request` returns.
_SCRIPT = r"""
local calls, number, next_call = {}, 0, 0
local function integer(text)
  local a, b, c, d = text:byte(1, 4)
  return a + b * 256 + c * 65536 + d * 16777216
end
function init(arguments)
  local file = assert(io.open(PATH, "rb"))
  for size in function() return file:read(4) end do
    number = number + 1
    calls[number] = file:read(integer(size))
  end
  file:close()
end
function request()
  next_call = next_call % number + 1
  return calls[next_call]
end
function done(summary, latency, requests)
  io.write(string.format("deputize rps=%f p50=%f p99=%f count=%d bad=%d\n",
  summary.requests / summary.duration * 1e6,
    latency:percentile(50), latency:percentile(99), summary.requests,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write +
    summary.errors.timeout))
end
"""
# Two texts around MARK in each call, between which each time another one is put.
_FRESH_SCRIPT = r"""
local heads = {}
local read_calls, random, format = init, math.random, string.format
function init(arguments)
  read_calls(arguments)
  for place, call in ipairs(calls) do
    local from, to = assert(call:find("MARK", 1, true))
    heads[place], calls[place] = call:sub(1, from - 1), call:sub(to + 1)
  end
end
function request()
  next_call = next_call % number + 1
  return heads[next_call] .. FRESH .. calls[next_call]
end
"""
MARK = "@fresh-text-here@"
"""Stands in calls where each is to have a text of its own."""
FRESH_TRACE = """format("00-%08x%08x%08x%08x-%08x%08x-01", random(0, 2147483647), random(0, 2147483647),
  random(0, 2147483647), random(1, 2147483647), random(0, 2147483647), random(1, 2147483647))"""
"""A value of `traceparent` that no other call has (W3C Trace Context), in Lua."""
_MEASURED = re.compile(r"deputize rps=([\d.]+) p50=([\d.]+) p99=([\d.]+) count=(\d+) bad=(\d+)")


@dataclass(frozen=True)
class Load:
    """The calls that are sent in turn, over how many connections, and the program that answers them."""

    program: Program
    calls: Sequence[Call]
    connections: int = CONNECTIONS
    fresh: str = ""
    """The Lua expression of the text that takes the place of `MARK` in each call."""

    def traced(self) -> "Load":
        """Return the load with a fresh `traceparent` in each call."""
        calls = [replace(call, headers={**call.headers, "traceparent": MARK}) for call in self.calls]
        return replace(self, calls=calls, fresh=FRESH_TRACE)

    def without(self, header: str) -> "Load":
        """Return the load without a header."""
        return replace(self, calls=[call.without(header) for call in self.calls])

    def status(self) -> int:
        """Return the status with which its first call is answered."""
        call = self.calls[0]
        answer = httpx2.post(
            self.program.url, content=call.body, headers=call.headers, timeout=ANSWER_SECONDS, verify=_TRUST
        )
        return answer.status_code


@dataclass(frozen=True)
class PreparedLoad:
    """A load whose calls and script are written to files, to be driven any number of rounds."""

    load: Load
    script: Path
    calls: Path
    """The bytes of each call, behind their number in four bytes, the lowest first."""

    def drive(self, seconds: int) -> Mapping[str, float]:
        """Run one round of wrk and return its figures. Raises `RuntimeError` unless all answers are 2xx."""
        program, connections = self.load.program, self.load.connections
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={ANSWER_SECONDS}s", "--latency"]
        command = ["taskset", "-c", LOAD_CORE, "wrk", *options, "-s", str(self.script), program.url]
        before = program.settle()
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
        used = program.cpu_seconds() - before
        measured = _MEASURED.search(done.stdout)
        if not measured or measured[5] != "0":
            raise RuntimeError(f"wrk against {program.url}:\n{done.stdout}{done.stderr}")
        rate, p50, p99, count = map(float, measured.groups()[:4])
        if not count:
            raise RuntimeError(f"{program.url} answered nothing within {seconds} s")
        return {
            "requests_per_second": rate, "cpu_us": used / count * 1e6, "p50_ms": p50 / 1000,
            "p99_ms": p99 / 1000,
        }  # fmt: skip


def prepare(load: Load, folder: Path, name: str) -> PreparedLoad:
    """Write what wrk reads to files that begin with `name`."""
    calls, script = folder / f"{name}.calls", folder / f"{name}.lua"
    with calls.open("wb") as file:
        for call in load.calls:
            written = call.write(load.program.url)
            file.write(struct.pack("<I", len(written)) + written)
    text = _SCRIPT.replace("PATH", f'"{calls}"')
    if load.fresh:
        text += _FRESH_SCRIPT.replace("MARK", MARK).replace("FRESH", load.fresh)
    script.write_text(text, "utf-8")
    return PreparedLoad(load, script, calls)
