"""Deputize as it is measured: the real commands with the example's environment, many users and agents."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from demo import programs
from demo.client import Agent
from demo.person import Person
from demo.programs import DEPUTIZE
from demo.stage import EXAMPLE, Stage, prepare

from bench.programs import Program, Tls, free_port, running
from deputize.authority.passwords import STANDARD

Change = Callable[[dict[str, Any]], None]
"""Changes the configuration of the example's route in place."""
_SIGN_ONS_AT_ONCE = 4


@dataclass(frozen=True)
class Delegation:
    """The tokens of one user and one agent: what an exchange takes, and what it gives."""

    agent: Agent
    subject: str
    actor: str

    def exchange(self) -> str:
        """Return a token for the gateway, fresh from the authority."""
        answer = self.agent.exchange(self.subject, self.actor)
        return answer.raise_for_status().json()["access_token"]


class Gateway(NamedTuple):
    """A running gateway by its two connectors, and the folder of its routes."""

    clear: Program
    tls: Program
    routes: Path


class Deputize:
    """An authority with the example's environment applied, and `users` and `agents` that can sign on."""

    def __init__(self, stage: Stage, users: int, agents: int) -> None:
        """Apply the environment; no program runs yet."""
        self.stage = stage
        self.users = [f"user{number:04}" for number in range(users)]
        environment = yaml.safe_load((EXAMPLE / "environment.yaml").read_text("utf-8"))
        password = {"password_hash": STANDARD.hash(stage.password)}
        environment["users"] = [{"username": name, **password} for name in self.users]
        agent = environment["agents"][0]
        environment["agents"] = [{**agent, "name": f"Agent {number}"} for number in range(agents)]
        file = stage.folder / "environment.json"
        file.write_text(json.dumps(environment), "utf-8")
        programs.apply(stage, file)
        self.secrets = json.loads((stage.folder / "secrets.json").read_text("utf-8"))

    @cached_property
    def agents(self) -> list[Agent]:
        """The agents."""
        callback = f"http://localhost:{self.stage.ports.callback}/callback"
        known = self.secrets["agents"].values()
        return [Agent(each["id"], each["secret"], self.secrets["issuer"], callback) for each in known]

    @property
    def tls(self) -> Tls:
        """The certificate of this machine's servers."""
        return Tls(self.stage.instance / "secrets" / "key.manager.secret.id.pem", self.stage.ca_file)

    @cached_property
    def delegations(self) -> list[Delegation]:
        """Of each user to each agent: signed on, agreed, tokens issued. The authority must run."""

        def sign_on(username: str) -> list[Delegation]:
            person = Person(username, self.stage.password)
            return [
                Delegation(agent, agent.subject_token(person), actor)
                for agent, actor in zip(self.agents, actors, strict=True)
            ]

        actors = [agent.actor_token() for agent in self.agents]
        with ThreadPoolExecutor(_SIGN_ONS_AT_ONCE) as pool:
            return [each for of_user in pool.map(sign_on, self.users) for each in of_user]

    @cached_property
    def tokens(self) -> list[str]:
        """A token for the gateway of each user and agent. The authority must run."""
        with ThreadPoolExecutor(_SIGN_ONS_AT_ONCE) as pool:
            return list(pool.map(Delegation.exchange, self.delegations))

    @contextlib.contextmanager
    def authority(self, *, measured: bool) -> Iterator[Program]:
        """Run the authority and yield its token endpoint."""
        stage = self.stage
        where = ["--data", str(stage.data), "--port", str(stage.ports.authority)]
        command = [*DEPUTIZE, "authority", "serve", *where, "--base-url", stage.authority_url]
        ready = f"{stage.authority_url}/health/ready"
        with running(command, ready, stage.log("authority"), measured=measured) as process:
            yield Program(f"{self.secrets['issuer']}/token", process.pid)

    @contextlib.contextmanager
    def gateway(
        self, upstream_port: int, *changes: Change, others: int = 0, command: Sequence[str] = DEPUTIZE
    ) -> Iterator[Gateway]:
        """Run a gateway with the example's route, changed, behind `others` like it; several may run at once.

        Its files, records too, go with it: there are gigabytes of them.
        """
        clear, tls, admin = free_port(), free_port(), free_port()
        instance = self.stage.folder / f"gateway-{clear}"
        shutil.copytree(self.stage.instance, instance)
        route = instance / "config" / "routes" / "mcp.json"
        configuration = json.loads(route.read_text("utf-8"))
        for change in changes:
            change(configuration)
        route.write_text(json.dumps(configuration, indent=2), "utf-8")
        for number in range(others):  # routes are tried in the order of their names
            other = f"a-{number:04}"
            text = json.dumps(configuration).replace("/mcp(", f"/{other}(").replace("}/mcp", f"}}/{other}")
            route.with_name(f"{other}.json").write_text(text.replace('"mcp"', f'"{other}"', 1), "utf-8")
        known = self.secrets["resources"]["test"]
        environment = programs.gateway_environment(
            self.stage, self.secrets["issuer"], known["id"], known["secret"]
        ) | {
            "MCP_SERVER_URL": f"http://127.0.0.1:{upstream_port}",
            "GATEWAY_CLEAR_PORT": str(clear),
            "GATEWAY_TLS_PORT": str(tls),
            "GATEWAY_ADMIN_PORT": str(admin),
        }
        command = [*command, "gateway", "serve", "--instance", str(instance)]
        ready, log = f"http://localhost:{admin}/health/ready", self.stage.log(instance.name)
        with running(command, ready, log, measured=True, environment=environment) as process:
            yield Gateway(
                Program(f"http://127.0.0.1:{clear}/mcp", process.pid),
                Program(f"https://localhost:{tls}/mcp", process.pid),
                instance / "config" / "routes",
            )
        shutil.rmtree(instance)


@cache
def deputize(folder: Path, users: int = 1, agents: int = 1) -> Deputize:
    """Prepare Deputize with all its files in `folder`, once."""
    return Deputize(prepare(folder / "deputize"), users, agents)


def remember_tokens(route: dict[str, Any]) -> None:
    """Turn on the route's token cache, with which a revocation may go unnoticed for a minute."""
    _resource_server(route)["cache"] = {"enabled": True}


def verify_tokens(route: dict[str, Any]) -> None:
    """Let the gateway verify tokens by their signature, and find the keys by the issuer alone."""
    _resource_server(route)["accessTokenResolver"] = {
        "type": "StatelessAccessTokenResolver",
        "config": {"issuer": "&{authorityUrl}/as"},
    }


def introspect_at(endpoint: str) -> Change:
    """Return the change by which another server is asked about tokens."""

    def change(route: dict[str, Any]) -> None:
        _resource_server(route)["accessTokenResolver"]["config"]["endpoint"] = endpoint

    return change


def _resource_server(route: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in route["heap"] if each["name"] == "rsFilter")["config"]
