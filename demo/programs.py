"""Starts the real programs as processes of their own, waits until they answer, and ends them."""

import base64
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx2

from demo.stage import ROOT, Stage

DEPUTIZE = (str(Path(sys.executable).parent / "deputize"),)
T = TypeVar("T")


class ProgramFailed(Exception):
    """A program ended, or did not answer in time; the message ends with the last lines of its log."""


class Programs:
    """The processes of one run; leaving the context ends them all."""

    def __init__(self, stage: Stage) -> None:
        """Start with no process; `processes` holds the running ones with their names."""
        self.stage = stage
        self.processes: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._awaited: list[tuple[str, subprocess.Popen[bytes], str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, process in reversed(self.processes):
            process.terminate()
        for _, process in reversed(self.processes):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()

    def start(
        self, name: str, command: tuple[str, ...], ready_url: str, environment: dict[str, str] | None = None
    ) -> None:
        """Start a program; `await_ready` waits until `ready_url` answers without an error of the server."""
        with self.stage.log(name).open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append((name, process))
        self._awaited.append((name, process, ready_url))

    def await_ready(self) -> None:
        """Wait until every program that was started answers, however long that takes.

        Raises `ProgramFailed` when one ended instead.
        """
        with httpx2.Client(timeout=2) as client:  # made once: it takes 40 ms of processor time
            while self._awaited:
                name, process, ready_url = self._awaited[0]
                if _answers(client, ready_url):
                    del self._awaited[0]
                elif process.poll() is not None:
                    raise ProgramFailed(f"{name} ended instead of starting:\n{tail(self.stage.log(name))}")
                else:
                    time.sleep(0.05)

    def wait(self) -> str:
        """Wait until a program ends, and return its name."""
        while True:
            for name, process in self.processes:
                if process.poll() is not None:
                    return name
            time.sleep(0.5)


def start_authority(programs: Programs) -> None:
    """Start the authority over the stage's data folder."""
    stage = programs.stage
    command = (
        *DEPUTIZE,
        "authority",
        "serve",
        "--data",
        str(stage.data),
        "--port",
        str(stage.ports.authority),
        "--base-url",
        stage.authority_url,
    )
    programs.start("authority", command, f"{stage.authority_url}/health/ready")


def start_weather(programs: Programs) -> None:
    """Start the sample MCP server that the gateway protects."""
    stage = programs.stage
    command = (sys.executable, "samples/weather_mcp_server.py", "--port", str(stage.ports.weather))
    programs.start("weather", command, stage.weather_url)


def start_gateway(programs: Programs, issuer: str, resource_id: str, resource_secret: str) -> None:
    """Start the gateway over the stage's instance folder: the use case's, with its placeholders as tokens."""
    stage = programs.stage
    command = (*DEPUTIZE, "gateway", "serve", "--instance", str(stage.instance))
    environment = gateway_environment(stage, issuer, resource_id, resource_secret)
    programs.start(
        "gateway", command, f"http://localhost:{stage.ports.gateway_admin}/health/ready", environment
    )


def gateway_environment(stage: Stage, issuer: str, resource_id: str, resource_secret: str) -> dict[str, str]:
    """Return the values that the example's gateway files leave open."""
    return {
        "AUTHORITY_URL": issuer.removesuffix("/as"),
        "RESOURCE_ID": resource_id,
        "RESOURCE_SECRET_ID": base64.b64encode(resource_secret.encode()).decode(),
        "GATEWAY_URL": stage.gateway_url,
        "MCP_SERVER_URL": stage.weather_url,
        "GATEWAY_CLEAR_PORT": str(stage.ports.gateway_clear),
        "GATEWAY_TLS_PORT": str(stage.ports.gateway_tls),
        "GATEWAY_ADMIN_PORT": str(stage.ports.gateway_admin),
    }


def apply(stage: Stage, file: Path) -> str:
    """Apply an environment file as an administrator would, and return what the command printed."""
    settings = (f"GATEWAY_URL={stage.gateway_url}", f"DEMO_PASSWORD={stage.password}")
    options = [option for setting in settings for option in ("--set", setting)]
    where = (
        "--data",
        str(stage.data),
        "--base-url",
        stage.authority_url,
        "--secrets-out",
        str(stage.folder / "secrets.json"),
    )
    command = (*DEPUTIZE, "apply", str(file), *where, *options)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise ProgramFailed(f"deputize apply {file.name} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def until(attempt: Callable[[], T], holds: Callable[[T], object], seconds: float = 60.0) -> T:
    """Return the first result of `attempt` for which `holds`: changes take a moment to reach a process."""
    deadline = time.monotonic() + seconds
    while not holds(result := attempt()):
        if time.monotonic() > deadline:
            raise ProgramFailed(f"waited {seconds:.0f} s in vain; the last answer was {result!r}")
        time.sleep(0.05)
    return result


def _answers(client: httpx2.Client, url: str) -> bool:
    try:
        return client.get(url).status_code < 500
    except httpx2.TransportError:
        return False


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
