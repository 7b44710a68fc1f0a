"""The real programs as processes, once for the whole folder: authority, gateway with TLS, weather server."""

import json

import pytest
from demo import programs
from demo.client import Agent
from demo.person import Person
from demo.programs import Programs
from demo.stage import ROOT, prepare

ENVIRONMENT = ROOT / "tests" / "e2e" / "environment.yaml"


class Stack:
    def __init__(self, stage, running, secrets):
        self.stage = stage
        self.running = running
        self.secrets = secrets

    def agent(self, name="MCP Tutorial"):
        known = self.secrets["agents"][name]
        redirect_uri = f"http://localhost:{self.stage.ports.callback}/callback"
        return Agent(known["id"], known["secret"], self.secrets["issuer"], redirect_uri)

    def person(self, username="demouser"):
        return Person(username, self.stage.password)


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    stage = prepare(tmp_path_factory.mktemp("e2e") / "stage")
    programs.apply(stage, ENVIRONMENT)
    secrets = json.loads((stage.folder / "secrets.json").read_text("utf-8"))
    with Programs(stage) as running:
        programs.start_authority(running)
        programs.start_weather(running)
        programs.start_gateway(
            running,
            secrets["issuer"],
            secrets["resources"]["test"]["id"],
            secrets["resources"]["test"]["secret"],
        )
        running.await_ready()
        yield Stack(stage, running, secrets)
