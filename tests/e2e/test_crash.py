"""`kill -9` of the authority at the worst moments.

Nothing is redeemed twice, nothing that was acknowledged is lost.
"""

import base64
import json
import os
import signal
import socket
import time
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest
from demo import programs
from demo.client import Agent
from demo.person import Person
from demo.programs import Programs
from demo.stage import ROOT, prepare

pytestmark = pytest.mark.slow
DELAYS = [0.0, 0.001, 0.003, 0.006, 0.01, 0.02]


class Authority:
    """One authority whose process can be killed and started again over the same data."""

    def __init__(self, stage):
        self.stage = stage
        programs.apply(stage, ROOT / "tests" / "e2e" / "environment.yaml")
        self.secrets = json.loads((stage.folder / "secrets.json").read_text("utf-8"))
        self.running = None
        self.start()

    def start(self):
        self.running = Programs(self.stage)
        programs.start_authority(self.running)
        self.running.await_ready()

    def kill(self):
        for _, process in self.running.processes:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

    def agent(self):
        known = self.secrets["agents"]["MCP Tutorial"]
        return Agent(
            known["id"],
            known["secret"],
            self.secrets["issuer"],
            f"http://localhost:{self.stage.ports.callback}/callback",
        )


@pytest.fixture
def authority(tmp_path):
    each = Authority(prepare(tmp_path / "stage"))
    yield each
    each.kill()


def send_without_waiting(agent, **parameters):
    """The request's bytes are with the authority's socket when this returns; nobody waits for the answer."""
    where, body = urlsplit(f"{agent.issuer}/token"), urlencode(parameters).encode()
    credentials = base64.b64encode(f"{agent.client_id}:{agent.client_secret}".encode()).decode()
    head = (
        f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Basic {credentials}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection((where.hostname, where.port), 5)
    connection.sendall(head.encode() + body)
    return connection


def answered(connection):
    connection.settimeout(1)
    try:
        return b"200 OK" in connection.recv(65536)
    except OSError:
        return False
    finally:
        connection.close()


def test_killed_between_issue_and_redemption(authority):
    agent, person = authority.agent(), Person("demouser", authority.stage.password)
    code = agent.code(person)
    authority.kill()
    authority.start()
    first, second = agent.redeem(code), agent.redeem(code)
    assert first.status_code == 200
    assert second.status_code == 400
    assert second.json()["error"] == "invalid_grant"


@pytest.mark.parametrize("delay", DELAYS)
def test_killed_during_redemption(authority, delay):
    agent, person = authority.agent(), Person("demouser", authority.stage.password)
    code = agent.code(person)
    connection = send_without_waiting(agent, **code.parameters)
    time.sleep(delay)
    authority.kill()
    acknowledged = answered(connection)
    authority.start()
    again = agent.redeem(code).status_code
    assert again == 400 if acknowledged else again in {200, 400}
    assert agent.redeem(code).status_code == 400


@pytest.mark.parametrize("delay", DELAYS)
def test_killed_between_refresh_and_answer(authority, delay):
    agent, person = authority.agent(), Person("demouser", authority.stage.password)
    token = agent.redeem(agent.code(person)).json()["refresh_token"]
    connection = send_without_waiting(agent, grant_type="refresh_token", refresh_token=token)
    time.sleep(delay)
    authority.kill()
    connection.close()
    authority.start()
    retried = agent.token(grant_type="refresh_token", refresh_token=token)
    assert retried.status_code == 200, "the client never saw an answer, so its token must still lead on"
    onward = agent.token(grant_type="refresh_token", refresh_token=retried.json()["refresh_token"])
    assert onward.status_code == 200
    assert onward.json()["refresh_token"] not in {token, retried.json()["refresh_token"]}


def test_what_was_acknowledged_survives(authority):
    agent, person = authority.agent(), Person("demouser", authority.stage.password)
    tokens = agent.redeem(agent.code(person)).json()
    credentials = (agent.client_id, agent.client_secret)
    httpx2.post(
        f"{agent.issuer}/revoke", data={"token": tokens["access_token"]}, auth=credentials
    ).raise_for_status()
    authority.kill()
    authority.start()
    answer = httpx2.post(
        f"{agent.issuer}/introspect", data={"token": tokens["access_token"]}, auth=credentials
    )
    assert answer.json() == {"active": False}
    person.pages.clear()
    agent.code(person)
    assert person.pages == [], "session and consent were acknowledged, so nobody is asked again"
