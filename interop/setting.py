"""What all rows share: authority, gateway, servers behind it, a user, and how a client is started."""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from demo import programs
from demo.agent_run import AUTHORIZE_URL
from demo.client import Agent
from demo.person import Person
from demo.programs import DEPUTIZE, Programs
from demo.stage import Stage
from joserfc.jwk import ECKey

from interop import install
from interop.browser import Browser
from interop.documents import Documents

HERE = Path(__file__).resolve().parent
ROW_SECONDS = 240.0
END_CHARACTERS = 600
USER = "demouser"
REDIRECT_URI = "http://127.0.0.1:1/callback"
"""Of the agent `Registered`; nobody listens there, for what comes back is read off the address."""


@dataclass(frozen=True)
class Environment:
    """One of the authority's environments, as it was applied."""

    secrets: Mapping[str, Any]

    @property
    def issuer(self) -> str:
        """Its issuer."""
        return self.secrets["issuer"]

    @property
    def agent(self) -> Agent:
        """The agent that an administrator registered."""
        known = self.secrets["agents"]["Registered"]
        return Agent(known["id"], known["secret"], self.issuer, REDIRECT_URI)


@dataclass(frozen=True)
class Done:
    """A program that ended."""

    code: int
    """Its exit code; below 0 if it had to be ended."""
    output: str

    @property
    def end(self) -> str:
        """The end of what it printed, in one line."""
        return f"it ended with {self.code}: {' '.join(self.output.split())[-END_CHARACTERS:]}"


@dataclass
class Setting:
    """The running programs, and what is known of them."""

    stage: Stage
    running: Programs
    browser: Browser
    documents: Documents
    fixture_url: str
    """The fixture server, asked directly."""
    environments: Mapping[str, Environment]
    """`mcp` and `documents`, by the route that trusts them."""
    key: Mapping[str, Any]
    """The private key of the agent `Keyed`, as a JWK."""
    homes: list[Path] = field(default_factory=list[Path])

    @property
    def url(self) -> str:
        """The use case's route, which is all that a client is told."""
        return f"{self.stage.gateway_url}/mcp"

    @property
    def documents_url(self) -> str:
        """The same route, whose authority takes metadata documents instead of registrations."""
        return f"{self.stage.gateway_url}/documents"

    @property
    def clear_url(self) -> str:
        """The gateway's connector without TLS, on which the routes `open` and `fixture` are tried."""
        return f"http://localhost:{self.stage.ports.gateway_clear}"

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """Trust in this run's certificates."""
        return ssl.create_default_context(cafile=str(self.stage.ca_file))

    @cached_property
    def delegated_token(self) -> str:
        """A token for the use case's route, for programs that take one, got in the use case's two steps."""
        return self.token("test")

    def token(self, scope: str) -> str:
        """Return a token with that scope that the registered agent got by an exchange."""
        agent = self.environments["mcp"].agent
        subject = agent.subject_token(self.person())
        return agent.exchange(subject, agent.actor_token(), scope).raise_for_status().json()["access_token"]

    def person(self) -> Person:
        """Return the user with a fresh browser."""
        return Person(USER, self.stage.password)

    def records(self, *routes: str) -> list[Mapping[str, Any]]:
        """Return what the gateway wrote down about calls of these routes, by their folders of records."""
        files = [self.stage.instance / name / "mcp.audit.json" for name in routes]
        lines = [line for file in files if file.exists() for line in file.read_text("utf-8").splitlines()]
        return [json.loads(line) for line in lines]

    def audited(self, client_id: str, method: str, after: int = 0) -> Mapping[str, Any]:
        """Wait until the audit has a permitted call of that method by that actor for the user; return it.

        It is not one of the first `after` records. Raises `ProgramFailed` if none comes.
        """

        def calls() -> list[Mapping[str, Any]]:
            return [
                each
                for each in self.records("audit", "audit-documents")[after:]
                if (each.get("sub"), each.get("act"), each.get("decision")) == (USER, [client_id], "PERMIT")
                and each["client"]["method"] == method
            ]

        return programs.until(calls, bool, seconds=10)[-1]

    def run(
        self,
        *command: str | Path,
        group: str = "",
        environment: Mapping[str, str] | None = None,
        prints_address: bool = False,
    ) -> Done:
        """Run a program to its end in a home of its own, with browser, trust in this run's certificates, and
        the commands of that group of npm packages.

        One that `prints_address` leaves it to the user to open the address to sign on at.
        """
        home = self.stage.folder / f"home-{len(self.homes)}"
        home.mkdir()
        self.homes.append(home)
        own = self._surroundings(home, group) | (environment or {})
        first, *rest = map(str, command)
        with subprocess.Popen(
            [shutil.which(first, path=own["PATH"]) or first, *rest],
            cwd=home,
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            deadline = threading.Timer(ROW_SECONDS, _end, [process])
            deadline.start()
            output = ""
            for line in process.stdout or ():
                output += line
                if prints_address and (found := AUTHORIZE_URL.search(line)):
                    threading.Thread(target=self.browser.open, args=[found.group()], daemon=True).start()
            deadline.cancel()
            _end(process)
        (home / "output.txt").write_text(
            f"$ {first} {' '.join(rest)}\n{output}\n[{process.returncode}]\n", "utf-8"
        )
        return Done(process.returncode, output)

    def _surroundings(self, home: Path, group: str) -> dict[str, str]:
        own = self.browser.environment()
        if group:
            own["PATH"] = f"{install.npm(group) / 'node_modules' / '.bin'}{os.pathsep}{own['PATH']}"
        trust = str(self.stage.ca_file)
        return own | {
            "HOME": str(home),
            "NODE_EXTRA_CA_CERTS": trust,
            "SSL_CERT_FILE": trust,
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }


@contextlib.contextmanager
def open_setting(stage: Stage) -> Iterator[Setting]:
    """Apply the environments, start everything, and end it afterwards."""
    key = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)
    with Documents(stage) as documents, Programs(stage) as running:
        environments = {
            "mcp": _apply(stage, "Interoperability", {"dynamic": True, "open": True}, "mcp", key),
            "documents": _apply(stage, "Documents", {"hosts": [documents.host]}, "documents", key),
        }
        _start_authority(running)
        programs.start_weather(running)
        fixture_port = _start_fixture(running)
        _start_gateway(running, fixture_port, environments)
        running.await_ready()

        def person() -> Person:
            return Person(USER, stage.password)

        with Browser(stage.folder, person) as browser:
            fixture = f"http://localhost:{fixture_port}/"
            private = key.as_dict(private=True)
            yield Setting(stage, running, browser, documents, fixture, environments, private)


def _apply(stage: Stage, name: str, registration: Mapping[str, Any], route: str, key: ECKey) -> Environment:
    environment = yaml.safe_load((HERE / "environment.yaml").read_text("utf-8"))
    environment["environment"] = name
    environment["registration"] |= {"dynamic": False, "open": False} | registration
    test, fixture = environment["resources"][:2]
    test["audience"] = f"{stage.gateway_url}/{route}"
    fixture["audience"] = f"http://localhost:{stage.ports.gateway_clear}/fixture"
    keyed = next(agent for agent in environment["agents"] if agent["name"] == "Keyed")
    keyed["jwks"] = {"keys": [key.as_dict(private=False)]}
    file = stage.folder / f"{route}.json"
    file.write_text(json.dumps(environment), "utf-8")
    programs.apply(stage, file)
    return Environment(json.loads((stage.folder / "secrets.json").read_text("utf-8")))


def _start_authority(running: Programs) -> None:
    """Start the authority, which here may fetch documents from this machine."""
    stage = running.stage
    options = {
        "--data": stage.data,
        "--port": stage.ports.authority,
        "--base-url": stage.authority_url,
        "--fetch-network": "127.0.0.0/8",
        "--fetch-ca": stage.ca_file,
    }
    command = [str(each) for option in options.items() for each in option]
    ready = f"{stage.authority_url}/health/ready"
    running.start("authority", (*DEPUTIZE, "authority", "serve", *command), ready)


def _start_fixture(running: Programs) -> int:
    port = free_port()
    command = (sys.executable, "-m", "interop.fixture_server", "--port", str(port))
    running.start("fixture", command, f"http://localhost:{port}/")
    return port


def _start_gateway(running: Programs, fixture_port: int, environments: Mapping[str, Environment]) -> None:
    """Start the gateway with three routes beside the use case's, made of its text.

    `documents` trusts the other environment; `fixture` and `open` have the fixture server behind them, with
    and without the part that asks for a token, and take requests at the clear connector. What `fixture` lets
    be used, and lists, depends on the token.
    """
    stage = running.stage
    fixture, clear = f"http://localhost:{fixture_port}", f"http://localhost:{stage.ports.gateway_clear}"
    variables: dict[str, str] = {}
    for path, environment, resource, changes in (
        ("documents", "documents", "test", {}),
        ("fixture", "mcp", "fixture", {"mcpServerUrl": fixture, "gatewayUrl": clear}),
        ("open", "mcp", "fixture", {"mcpServerUrl": fixture, "gatewayUrl": clear}),
    ):
        known = environments[environment].secrets["resources"][resource]
        properties = {
            "authorityUrl": environments[environment].issuer.removesuffix("/as"),
            "resourceId": known["id"],
            **changes,
        }
        variables[f"{path.upper()}_SECRET_ID"] = base64.b64encode(known["secret"].encode()).decode()
        _write_route(stage.instance / "config" / "routes", path, resource, properties)
    known = environments["mcp"].secrets["resources"]["test"]
    own = programs.gateway_environment(stage, environments["mcp"].issuer, known["id"], known["secret"])
    ready = f"http://localhost:{stage.ports.gateway_admin}/health/ready"
    command = (*DEPUTIZE, "gateway", "serve", "--instance", str(stage.instance))
    running.start("gateway", command, ready, own | variables)


def _write_route(routes: Path, path: str, scope: str, properties: Mapping[str, str]) -> None:
    text = (routes / "mcp.json").read_text("utf-8")
    for before, after in (
        ("/mcp(", f"/{path}("),
        ('"/mcp"', f'"/{path}"'),
        ("}/mcp", f"}}/{path}"),
        ("resource.secret.id", f"{path}.secret.id"),
        ("/audit", f"/audit-{path}"),
        ('["test"]', f'["{scope}"]'),
    ):
        text = text.replace(before, after)
    route = json.loads(text)
    route["name"] = path
    route["properties"] |= properties
    if path == "open":
        filters = route["handler"]["config"]["filters"]
        filters[:] = [each for each in filters if each["type"] != "McpProtectionFilter"]
    if path == "fixture":
        rule = {"tools": ["test_*", "json_schema_*"], "prompts": "test_*", "resources": "test://*"}
        rules = {"rules": [{**rule, "scopes": scope}]}
        route["handler"]["config"]["filters"].append({"type": "McpToolAuthorizationFilter", "config": rules})
    (routes / f"{path}.json").write_text(json.dumps(route, indent=2), "utf-8")


def _end(process: subprocess.Popen[str]) -> None:
    """End a program and its children: we started its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
