"""Deputize as it is measured: the real commands with the example's environment and route."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from demo import programs
from demo.client import Agent
from demo.person import Person
from demo.programs import DEPUTIZE
from demo.stage import EXAMPLE, Stage, prepare

from bench.programs import Program, Tls, running


class Deputize:
    """An authority with the example's environment applied, a signed-on user, and their tokens."""

    def __init__(self, stage: Stage) -> None:
        """Apply the environment; no program runs yet."""
        self.stage = stage
        programs.apply(stage, EXAMPLE / "environment.yaml")
        self.secrets = json.loads((stage.folder / "secrets.json").read_text("utf-8"))

    @property
    def agent(self) -> Agent:
        """The example's agent."""
        known = self.secrets["agents"]["MCP Tutorial"]
        return Agent(
            known["id"],
            known["secret"],
            self.secrets["issuer"],
            f"http://localhost:{self.stage.ports.callback}/callback",
        )

    @property
    def tls(self) -> Tls:
        """The certificate of this machine's servers."""
        return Tls(self.stage.instance / "secrets" / "key.manager.secret.id.pem", self.stage.ca_file)

    def tokens(self) -> tuple[str, str, str]:
        """Return the subject, actor and MCP token of one user."""
        agent = self.agent
        subject, actor = agent.subject_token(Person("demouser", self.stage.password)), agent.actor_token()
        return subject, actor, agent.exchange(subject, actor).raise_for_status().json()["access_token"]

    @contextlib.contextmanager
    def authority(self, *, measured: bool) -> Iterator[Program]:
        """Run the authority and yield its token endpoint."""
        stage = self.stage
        where = [
            "--data",
            str(stage.data),
            "--port",
            str(stage.ports.authority),
            "--base-url",
            stage.authority_url,
        ]
        command = [*DEPUTIZE, "authority", "serve", *where]
        with running(
            command, f"{stage.authority_url}/health/ready", stage.log("authority"), measured=measured
        ) as process:
            yield Program(f"{self.secrets['issuer']}/token", process.pid)

    @contextlib.contextmanager
    def gateway(self, upstream_port: int) -> Iterator[Program]:
        """Run the gateway with the example's route and its token cache on."""
        stage = self.stage
        _cache_tokens(stage.instance / "config" / "routes" / "mcp.json")
        environment = programs.gateway_environment(
            stage,
            self.secrets["issuer"],
            self.secrets["resources"]["test"]["id"],
            self.secrets["resources"]["test"]["secret"],
        ) | {"MCP_SERVER_URL": f"http://127.0.0.1:{upstream_port}"}
        command = [*DEPUTIZE, "gateway", "serve", "--instance", str(stage.instance)]
        ready = f"http://localhost:{stage.ports.gateway_admin}/health/ready"
        with running(command, ready, stage.log("gateway"), measured=True, environment=environment) as process:
            yield Program(f"http://127.0.0.1:{stage.ports.gateway_clear}/mcp", process.pid)


def deputize(folder: Path) -> Deputize:
    """Prepare Deputize with all its files in `folder`."""
    return Deputize(prepare(folder / "deputize"))


def _cache_tokens(route: Path) -> None:
    configuration = json.loads(route.read_text("utf-8"))
    resource_server = next(each for each in configuration["heap"] if each["name"] == "rsFilter")
    resource_server["config"]["cache"] = {"enabled": True, "defaultTimeout": "10 minutes"}
    route.write_text(json.dumps(configuration, indent=2), "utf-8")
