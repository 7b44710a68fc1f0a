"""The audit of a running gateway.

Killed, with a full disk, and with clients that are refused before anybody hears them.

The gateway is a process of its own, killed with SIGKILL; the disk is full because the operating system says
so (RLIMIT_FSIZE).
"""

import asyncio
import contextlib
import json
import re
import resource
import signal
import sys
from pathlib import Path

import pytest

from deputize.http.messages import Body, Headers, Response
from support.gateway import write_json
from support.patience import PATIENCE
from support.wire import Client, Server, answer_json, ask

RESULT = {"jsonrpc": "2.0", "id": 1, "result": {"content": []}}
HEADERS = [
    ("Content-Type", "application/json"),
    ("Accept", "application/json, text/event-stream"),
    ("MCP-Protocol-Version", "2025-11-25"),
]
LIMIT = 40_000


def message(tool):
    return json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    ).encode()


class Upstream(Server):
    """An MCP server that answers every second call by a stream; `tools` are those that reached it."""

    def __init__(self):
        super().__init__(self._result)

    @property
    def tools(self):
        return [json.loads(request.body)["params"]["name"] for request in self.received]

    def _result(self, _):
        if len(self.received) % 2:
            return answer_json(RESULT)

        async def events():
            yield b"data: " + json.dumps(RESULT).encode() + b"\n\n"

        return Response(200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events()))


class Process:
    """A gateway as its operator starts it."""

    def __init__(self, instance):
        self.audit = instance / "audit"
        self._arguments = [
            str(Path(sys.executable).with_name("deputize")),
            "gateway",
            "serve",
            "--instance",
            str(instance),
        ]

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        output = b""
        while b"the gateway is ready" not in output:
            line = await self._process.stdout.readline()
            assert line, output.decode()
            output += line
        ready = json.loads(line)
        self.port, self.admin_port = ready["ports"][0], ready["admin_port"]
        self._reading = asyncio.create_task(self._process.stdout.read())
        return self

    async def __aexit__(self, *_):
        await self.kill()

    async def kill(self):
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        await self._reading

    def limit_files(self, size):
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def records(self, topic="mcp"):
        """All that are whole."""
        *lines, _ = (self.audit / f"{topic}.audit.json").read_text().split("\n")
        return [json.loads(line) for line in lines]

    def permitted(self):
        return {record["tool"] for record in self.records() if record["decision"] == "PERMIT"}

    async def is_ready(self):
        return (await ask(self.admin_port, target="/health/ready")).status == 200

    async def metric(self, name, topic="mcp"):
        text = (await ask(self.admin_port, target="/metrics")).body.decode()
        return int(re.search(rf'^{name}{{destination=".*{topic}.audit.json"}} (\d+)$', text, re.MULTILINE)[1])

    async def call(self, tool):
        async with (
            asyncio.timeout(PATIENCE),
            Client(self.port) as client,
        ):  # a busy machine's disk takes its time
            return await client.ask("POST", "/mcp", HEADERS, message(tool))


def configured(instance, upstream, *, strict=False, where="route"):
    handler = {"class": "org.forgerock.audit.handlers.json.JsonAuditEventHandler"}
    handler["config"] = {"name": "json", "topics": ["access", "mcp"], "logDirectory": str(instance / "audit")}
    audit = {
        "name": "AuditService",
        "type": "AuditService",
        "config": {"eventHandlers": [handler], "strict": strict},
    }
    filters = [
        {"type": "McpAuditFilter", "config": {"auditService": "AuditService"}},
        {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}},
    ]
    route = {
        "baseURI": upstream.url,
        "handler": {"type": "Chain", "config": {"filters": filters, "handler": "ReverseProxyHandler"}},
    }
    if where == "route":
        route["heap"] = [audit]
    else:
        write_json(instance / "config" / "config.json", {"heap": [audit], "handler": {"type": "Router"}})
    write_json(instance / "config" / "routes" / "mcp.json", route)
    return Process(instance)


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.01)


async def kill_after(process, answers):
    """Eight clients call without pause; the gateway is killed when `answers` calls were answered.

    Yields all tools that were.
    """
    answered, enough = [], asyncio.Event()

    async def keep_calling(number):
        async with Client(process.port) as client:
            for call in range(10_000):
                tool = f"tool-{number}-{call}"
                await client.send("POST", "/mcp", HEADERS, message(tool))
                status, fields = await client.head()
                assert status == 200
                if fields.get("transfer-encoding") == "chunked":
                    assert await client.chunk()
                    answered.append(tool)
                    assert await client.chunk() == b""
                else:
                    await client._reader.readexactly(int(fields.get("content-length")))
                    answered.append(tool)
                if len(answered) >= answers:
                    enough.set()

    callers = [asyncio.create_task(keep_calling(number)) for number in range(8)]
    async with asyncio.timeout(PATIENCE):
        await enough.wait()
        await process.kill()
    for outcome in await asyncio.gather(*callers, return_exceptions=True):
        assert isinstance(outcome, asyncio.IncompleteReadError | ConnectionError), outcome
    return set(answered)


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.slow)])
async def test_whatever_was_answered_before_a_kill_is_on_record(instance, rounds):
    async with Upstream() as upstream:
        process = configured(instance, upstream)
        for _ in range(rounds):
            async with process:
                answered = await kill_after(process, 50)
            assert len(answered) >= 50
            assert answered <= process.permitted()
            # The access record of a stream is written before the end of the stream, which a kill may have cut
            # off.
            assert len(process.records("access")) >= len(answered) - 8
            for file in process.audit.iterdir():
                file.unlink()


async def test_strictly_no_call_passes_unrecorded_while_the_disk_is_full(instance):
    async with Upstream() as upstream, configured(instance, upstream, strict=True) as process:
        assert (await process.call("before")).status == 200
        assert await process.is_ready()
        assert await process.metric("deputize_audit_failing") == 0
        process.limit_files(LIMIT)
        statuses = []
        while 503 not in statuses:
            round_of = [process.call(f"tool-{len(statuses) + number}") for number in range(8)]
            statuses += [answer.status for answer in await asyncio.gather(*round_of)]
            assert set(statuses) <= {200, 503}
        assert not await process.is_ready()
        failing = {
            topic for topic in ("access", "mcp") if await process.metric("deputize_audit_failing", topic)
        }
        assert failing  # whichever was full first
        assert all(
            [await process.metric("deputize_audit_write_failures_total", topic) >= 1 for topic in failing]
        )
        reached = set(upstream.tools)
        refusals = [await process.call(f"refused-{number}") for number in range(50)]
        assert [answer.status for answer in refusals] == [503] * 50
        assert [answer.json()["id"] for answer in refusals] == [1] * 50
        assert set(upstream.tools) == reached
        assert reached <= process.permitted()
        assert len(reached) == statuses.count(200) + 1

        process.limit_files(resource.RLIM_INFINITY)
        await until(process.is_ready)
        assert (await process.call("after")).status == 200
        assert "after" in process.permitted()
        assert await process.metric("deputize_audit_records_dropped_total") == 0
        denied = [record["tool"] for record in process.records() if record["decision"] == "DENY"]
        assert {f"refused-{number}" for number in range(50)} <= set(denied)


async def test_otherwise_calls_pass_and_their_records_follow_when_there_is_room(instance):
    async with Upstream() as upstream, configured(instance, upstream) as process:
        process.limit_files(LIMIT)
        tools = [f"tool-{number}" for number in range(150)]
        for tool in tools:
            assert (await process.call(tool)).status == 200
        assert not await process.is_ready()
        assert await process.metric("deputize_audit_records_waiting") > 0
        assert not set(tools) <= process.permitted()
        process.limit_files(resource.RLIM_INFINITY)
        await until(process.is_ready)
        assert [record["tool"] for record in process.records()] == tools
        assert len(process.records("access")) == len(tools)
        assert await process.metric("deputize_audit_records_written_total") == len(tools)


@pytest.mark.parametrize("where", ["route", "gateway"])
async def test_what_the_listener_refuses_is_on_record(instance, where):
    async with Upstream() as upstream, configured(instance, upstream, where=where) as process:
        for sent, status in (
            (b"GET /mcp HTTP/1.1\r\n\r\n", b"400"),
            (b"GET /mcp HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n", b"431"),
            (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
            writer.write(sent)
            assert (await reader.readline()).split()[1] == status
            record = process.records("access")[-1]
            assert record["response"]["statusCode"].encode() == status
            assert record["response"]["detail"]["reason"]
            assert record["client"]["port"] == writer.get_extra_info("sockname")[1]
            writer.close()
        assert upstream.received == []


async def test_figures_are_text_that_prometheus_reads(instance, started):
    async with Upstream() as upstream:
        configured(instance, upstream)
        gateway = await started(instance)
        answer = await ask(gateway.admin_port, target="/metrics")
        assert answer.headers.get("content-type") == "text/plain; version=0.0.4; charset=utf-8"
        *lines, last = answer.body.decode().split("\n")
        assert last == ""
        names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
        assert names == [line.split()[2] for line in lines if line.startswith("# HELP")]
        assert len(set(names)) == len(names) == 6
        samples = [line for line in lines if not line.startswith("#")]
        label = r'\{destination="(?:[^"\\\n]|\\["\\n])*"\}'
        assert all(re.fullmatch(rf"[a-z_]+({label})? \d+", line) for line in samples)
        assert {re.match("[a-z_]+", line)[0] for line in samples} == set(names)
        assert "deputize_ready 1" in samples
        assert (await ask(gateway.admin_port, "POST", "/metrics")).status == 405
