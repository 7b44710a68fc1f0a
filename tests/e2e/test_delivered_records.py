"""A gateway's records reach the authority, whatever is killed, away or set up wrongly meanwhile."""

import asyncio
import base64
import json
import os
import signal
import ssl
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import httpx2
import pytest
import sqlalchemy
from demo import programs
from demo.client import Agent
from demo.person import Person
from demo.programs import Programs, until
from demo.stage import EXAMPLE, ROOT, prepare

from deputize.authority.activities.search import ActivityQuery, ActivitySearch
from deputize.authority.storage import open_store, sqlite_url

pytestmark = pytest.mark.slow
ROUTE = "config/routes/mcp.json"


class Relay(ThreadingHTTPServer):
    """What lies between gateway and authority on the way of the records, and may be cut."""

    daemon_threads = True

    def __init__(self, authority_url) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarding)
        self.authority_url, self.is_open, self.instead_of_the_answer = authority_url, True, None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Forwarding(BaseHTTPRequestHandler):
    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.is_open:
            self.send_error(503)
            return
        names = ("Authorization", "Content-Type")
        answer = httpx2.post(
            self.server.authority_url + self.path,
            content=sent,
            headers={name: self.headers[name] for name in names},
            timeout=60,
        )
        if self.server.instead_of_the_answer:
            self.server.instead_of_the_answer()
            return
        self.send_response(answer.status_code)
        for name, value in (*answer.headers.items(), ("Connection", "close")):
            if name.lower() in {"content-type", "content-length", "connection"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format, *arguments):
        pass


class Stack:
    """Three programs, the records going through a relay; each program can be killed and started again."""

    def __init__(self, folder) -> None:
        self.stage = prepare(folder)
        programs.apply(self.stage, ROOT / "tests" / "e2e" / "environment.yaml")
        self.secrets = json.loads((self.stage.folder / "secrets.json").read_text("utf-8"))
        self.relay = Relay(self.stage.authority_url)
        self.running = {}
        self.configure()
        self.start(programs.start_authority, "authority")
        self.start(programs.start_weather, "weather")

    def configure(self, **changes):
        """Deliver through the relay, with further changes of the event handler's settings."""
        route = json.loads((EXAMPLE / "gateway" / ROUTE).read_text("utf-8"))
        [service] = [each for each in route["heap"] if each["type"] == "AuditService"]
        handler = service["config"]["eventHandlers"][1]
        assert handler["class"] == "AuthorityAuditEventHandler"
        issuer = self.secrets["issuer"].replace(self.stage.authority_url, self.relay.url)
        handler["config"] |= {"issuer": issuer, **changes}
        (self.stage.instance / ROUTE).write_text(json.dumps(route), "utf-8")

    def start(self, program, name):
        self.running[name] = Programs(self.stage)
        program(self.running[name])
        self.running[name].await_ready()

    def start_gateway(self):
        resource = self.secrets["resources"]["test"]

        def start(running):
            programs.start_gateway(running, self.secrets["issuer"], resource["id"], resource["secret"])

        self.start(start, "gateway")

    def kill(self, name):
        [(_, process)] = self.running[name].processes
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def token(self):
        known = self.secrets["agents"]["MCP Tutorial"]
        redirect_uri = f"http://localhost:{self.stage.ports.callback}/callback"
        agent = Agent(known["id"], known["secret"], self.secrets["issuer"], redirect_uri)
        subject = agent.subject_token(Person("demouser", self.stage.password))
        return agent.exchange(subject, agent.actor_token()).raise_for_status().json()["access_token"]

    def call(self, token, tools):
        """Call tools that nobody has, and return the names of those calls that were answered, as may be."""
        trust = ssl.create_default_context(cafile=self.stage.ca_file)
        with httpx2.Client(verify=trust, timeout=30) as client:

            def call(tool):
                params = {"name": tool, "arguments": {}}
                message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
                headers = {
                    "Accept": "application/json, text/event-stream",
                    "Authorization": f"Bearer {token}",
                    "MCP-Protocol-Version": "2025-11-25",
                }
                try:
                    client.post(f"{self.stage.gateway_url}/mcp", json=message, headers=headers)
                except httpx2.TransportError:
                    return None
                return tool

            with ThreadPoolExecutor(4) as threads:
                return {each for each in threads.map(call, tools) if each}

    def stored(self):
        """How often the activities have each tool."""
        engine = sqlalchemy.create_engine(f"sqlite:///file:{self.stage.data}/deputize.db?mode=ro&uri=true")
        with engine.connect() as connection:
            found = connection.execute(
                sqlalchemy.text("SELECT tool FROM activities WHERE source = 'gateway'")
            )
            return Counter(tool for (tool,) in found)

    async def story(self, tool):
        """What belongs to the call of a tool, as authority and gateway recorded it."""
        async with open_store(sqlite_url(self.stage.data), creates=False) as store:
            [environment_id] = [each.id for each in (await store.directory_rows.load()).environments]
            [call] = (await store.activities.find(environment_id, ActivityQuery(tool=tool))).items
            search = ActivitySearch(store.activities, SimpleNamespace(write_all=lambda: asyncio.sleep(0)))
            return [(each.source, each.event) for each in await search.follow(environment_id, call)]

    def spooled(self):
        return b"".join(each.read_bytes() for each in (self.stage.instance / "spool").glob("*/*.ndjson"))

    def log(self):
        return self.stage.log("gateway").read_text("utf-8")

    def close(self):
        self.relay.shutdown()
        self.relay.server_close()
        for each in self.running.values():
            each.__exit__(None, None, None)


@pytest.fixture
def stack(tmp_path):
    each = Stack(tmp_path / "stage")
    yield each
    each.close()


def test_a_gateway_killed_while_it_delivers_loses_nothing_answered_and_doubles_nothing(stack):
    stack.start_gateway()
    token, killed = stack.token(), threading.Event()

    def kill():
        stack.kill("gateway")
        killed.set()

    stack.relay.instead_of_the_answer = kill  # the authority has stored a part; the gateway never hears of it
    answered = set()
    for number in range(60):
        answered |= stack.call(token, [f"call-{number}-{each}" for each in range(20)])
        if killed.is_set():
            break
    assert killed.wait(60)
    assert len(answered) > 20
    before = stack.stored()
    assert before, "the authority stored the part that was never acknowledged"
    assert stack.spooled()
    stack.relay.instead_of_the_answer = None
    stack.start_gateway()
    until(stack.spooled, lambda left: not left)
    stored = stack.stored()
    assert answered - stored.keys() == set()
    assert {tool for tool, times in stored.items() if times != 1} == set()
    assert before.keys() <= stored.keys()


def test_records_wait_for_an_authority_that_was_killed(stack):
    stack.relay.is_open = False
    stack.start_gateway()
    answered = stack.call(stack.token(), [f"call-{number}" for number in range(30)])
    assert len(answered) == 30
    stack.kill("authority")
    stack.relay.is_open = True
    until(stack.log, lambda log: "audit records wait to be delivered" in log)
    assert stack.stored() == Counter()
    stack.start(programs.start_authority, "authority")
    until(stack.spooled, lambda left: not left, 120)
    assert stack.stored() == Counter(answered)
    assert "audit records are delivered again" in stack.log()


def test_wrong_credentials_are_named_and_what_waited_arrives_when_they_are_right(stack, monkeypatch):
    monkeypatch.setenv("OTHER_SECRET_ID", base64.b64encode(b"not-the-secret-at-all").decode())
    stack.configure(clientSecretId="other.secret.id")
    stack.start_gateway()
    answered = stack.call(stack.token(), ["call-1", "call-2"])
    log = until(stack.log, lambda log: "audit records wait to be delivered" in log)
    assert "clientId and clientSecretId must be the resource's, as for introspection" in log
    assert "not-the-secret-at-all" not in log
    stack.kill("gateway")
    stack.configure()
    stack.start_gateway()
    until(stack.spooled, lambda left: not left)
    assert stack.stored() == Counter(answered) == Counter(["call-1", "call-2"])
    story = asyncio.run(stack.story("call-1"))
    issued = [
        ("authority", "authorization granted"),
        ("authority", "token issued"),
        ("authority", "token issued"),
    ]
    assert story == [*issued, ("gateway", "mcp message"), ("gateway", "mcp message")]


def test_what_waits_stays_within_the_bound(stack):
    bound = 64 * 1024
    stack.configure(maxSpoolSize=bound)
    stack.relay.is_open = False
    stack.start_gateway()
    token = stack.token()
    answered = stack.call(token, [f"call-{number}" for number in range(200)])
    log = until(stack.log, lambda log: "audit records are dropped" in log)
    assert "more records wait than the spool may hold" in log
    until(stack.spooled, lambda left: len(left) <= bound)
    last = stack.call(token, ["the-last"])
    stack.relay.is_open = True
    until(stack.spooled, lambda left: not left, 120)
    stored = stack.stored()
    assert stored["the-last"] == 1
    assert 0 < len(stored.keys() & answered) < len(answered)
    assert last == {"the-last"}
