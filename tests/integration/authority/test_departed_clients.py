"""Clients that leave before they are answered: what they asked for is done, and so it is recorded."""

import asyncio

import pytest
from structlog.testing import capture_logs

from support.authority import basic
from support.patience import PATIENCE


class Held:
    """A part of the store whose writes are carried out, but whose callers learn of it later."""

    def __init__(self, part, method) -> None:
        self._part, self._method = part, method
        self.written, self.released = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name):
        real = getattr(self._part, name)
        if name != self._method:
            return real

        async def held(*arguments):
            result = await real(*arguments)
            self.written.set()
            await self.released.wait()
            return result

        return held


@pytest.fixture
def revocations(served):
    held = Held(served.store.revocations, "revoke_token")
    object.__setattr__(served.store, "revocations", held)
    return held


async def begin_to_revoke(served):
    """Ask for a token, and send the request to revoke it."""
    async with served.client() as agent:
        form = {"grant_type": "client_credentials", "scope": "agent"}
        answer = await agent.post(f"{served.path}/as/token", data=form, headers=basic())
    body = f"token={answer.json()['access_token']}"
    _, writer = await asyncio.open_connection("127.0.0.1", int(served.base_url.rpartition(":")[2]))
    head = (
        f"POST {served.path}/as/revoke HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Authorization: {basic()['Authorization']}\r\n\r\n"
    )
    writer.write(head.encode() + body.encode())
    return writer


async def test_what_a_client_that_left_had_done_is_recorded(served, revocations):
    writer = await begin_to_revoke(served)
    await asyncio.wait_for(revocations.written.wait(), PATIENCE)
    writer.transport.abort()
    async with asyncio.timeout(PATIENCE):
        while served.listener.gate.connections:
            await asyncio.sleep(0)
    revocations.released.set()
    async with asyncio.timeout(PATIENCE):
        while served.listener.gate.exchanges:
            await asyncio.sleep(0)
    assert len(await served.records("TOKEN-REVOKED")) == 1


async def test_a_listener_that_closes_waits_for_what_clients_that_left_had_asked_for(served, revocations):
    writer = await begin_to_revoke(served)
    await asyncio.wait_for(revocations.written.wait(), PATIENCE)
    writer.transport.abort()
    async with asyncio.timeout(PATIENCE):
        while served.listener.gate.connections:
            await asyncio.sleep(0)
    closing = asyncio.ensure_future(served.listener.close())
    await asyncio.sleep(0)
    revocations.released.set()
    await asyncio.wait_for(closing, PATIENCE)
    assert len(await served.records("TOKEN-REVOKED")) == 1


async def test_a_client_that_leaves_within_its_body_is_no_failure_of_ours(served):
    with capture_logs() as lines:
        _, writer = await asyncio.open_connection("127.0.0.1", int(served.base_url.rpartition(":")[2]))
        head = f"POST {served.path}/as/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        writer.write(head.encode() + b"Content-Type: application/x-www-form-urlencoded\r\n\r\ngrant")
        async with asyncio.timeout(PATIENCE):
            while not served.listener.gate.exchanges:
                await asyncio.sleep(0)
            writer.transport.abort()
            while served.listener.gate.connections or served.listener.gate.exchanges:
                await asyncio.sleep(0)
    assert [(line["event"], line["log_level"]) for line in lines] == [("request", "info")]
