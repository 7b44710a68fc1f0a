"""Routes change while requests are being served: none is lost."""

import asyncio
import json

from support.gateway import write_json
from support.patience import PATIENCE
from support.wire import Client, Server, answer_text, ask

PROXY = {"type": "ReverseProxyHandler"}


def deploy(directory, base, name="r", **members):
    """Written as editors do: a new file in place of the old one."""
    path = directory / "config" / "routes" / f"{name}.json"
    new = write_json(path.with_suffix(".new"), {"baseURI": base, "handler": PROXY, **members})
    new.replace(path)


async def until(condition, seconds=PATIENCE):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.005)


async def test_new_changed_broken_and_deleted_files_take_effect_within_the_interval(fast, started):
    async with Server(lambda _: answer_text("one")) as one, Server(lambda _: answer_text("two")) as two:
        port = (await started(fast)).ports[0]
        path = fast / "config" / "routes" / "r.json"

        async def answers(status, body):
            answer = await ask(port)
            return (answer.status, answer.body) == (status, body)

        await until(lambda: answers(404, b""))
        deploy(fast, one.url)
        await until(lambda: answers(200, b"one"))
        deploy(fast, two.url)
        await until(lambda: answers(200, b"two"))
        path.write_text('{ "handler": ')
        await asyncio.sleep(0.06)
        assert await answers(200, b"two")
        deploy(fast, one.url)
        await until(lambda: answers(200, b"one"))
        path.unlink()
        await until(lambda: answers(404, b""))


async def test_no_request_is_lost_while_routes_change(fast, started):
    servers = [Server(lambda _, number=number: answer_text(str(number))) for number in range(2)]
    async with servers[0], servers[1]:
        deploy(fast, servers[0].url)
        gateway = await started(fast)
        answers, running = [], True

        async def load():
            async with Client(gateway.ports[0]) as client:
                while running:
                    answer = await client.ask("POST", "/", body=b"x")
                    answers.append((answer.status, answer.body))

        clients = [asyncio.create_task(load()) for _ in range(8)]
        for change in range(30):
            deploy(fast, servers[change % 2].url)
            if change % 7 == 3:
                (fast / "config" / "routes" / "r.json").write_text("{")
            await gateway.reload()
            await asyncio.sleep(0.01)
        running = False
        await asyncio.gather(*clients)
    assert {status for status, _ in answers} == {200}
    assert {body for _, body in answers} == {b"0", b"1"}
    assert len(answers) > 100


async def test_an_exchange_ends_on_the_route_it_began_on(fast, started):
    reached, release = asyncio.Event(), asyncio.Event()

    async def slow(_):
        reached.set()
        await release.wait()
        return answer_text("old")

    async with Server(slow) as old, Server(lambda _: answer_text("new")) as new:
        deploy(fast, old.url)
        gateway = await started(fast)
        asking = asyncio.create_task(ask(gateway.ports[0]))
        await reached.wait()
        deploy(fast, new.url)
        await gateway.reload()
        assert (await ask(gateway.ports[0])).body == b"new"
        await asyncio.sleep(0.05)
        release.set()
        assert (await asking).body == b"old"


async def test_audit_of_a_replaced_route_is_complete(fast, started):
    sink = {"class": "org.forgerock.audit.handlers.json.JsonAuditEventHandler"}
    sink["config"] = {"name": "json", "logDirectory": "&{ig.instance.dir}/audit", "topics": ["access"]}
    service = {"name": "AuditService", "type": "AuditService", "config": {"eventHandlers": [sink]}}
    async with Server(lambda _: answer_text("x")) as backend:
        deploy(fast, backend.url, heap=[service])
        gateway = await started(fast)
        for number in range(10):
            assert (await ask(gateway.ports[0], target=f"/{number}")).status == 200
            deploy(fast, backend.url, heap=[service], comment=str(number))
            await gateway.reload()
        await gateway.stop()
    records = [json.loads(line) for line in (fast / "audit" / "access.audit.json").read_text().splitlines()]
    assert sorted(record["http"]["request"]["path"].rpartition("/")[2] for record in records) == [
        str(number) for number in range(10)
    ]
