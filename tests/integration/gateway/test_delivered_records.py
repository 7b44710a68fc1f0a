"""A gateway's records on their way to the real authority: kept while it is away, delivered once."""

import asyncio
import base64
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from deputize.audit.publisher import AuditPublisher
from deputize.audit.sinks import json_file
from deputize.audit.sinks.spool import Spool
from deputize.audit.trail import Buffering, Trail
from deputize.authority.activities.search import ActivityQuery
from deputize.authority.seals import seal_lineage
from deputize.authority.storage.engine import upsert
from deputize.authority.storage.tables import SERVER_KEYS
from deputize.gateway.audit.event_handlers import authority as module
from deputize.gateway.authorities.client_credentials import ClientCredentials
from deputize.gateway.authorities.endpoint import AuthorityEndpoint
from deputize.http import plans
from deputize.http.messages import Body, Headers, Response
from deputize.kernel.errors import ConfigurationError
from deputize.oauth.lineage import Lineage
from deputize.secrets.secret import GenericSecret
from support.agent_delegation import AGENT, AGENT_SECRET, ENVIRONMENT_ID, TEST, TEST_ID, TEST_SECRET
from support.audit_events import ACCESS, MCP
from support.authority import running_authority
from support.gateway import built, instance_for
from support.oauth_filters import oauth_heap

KEY = "key-of-the-environment"
LINEAGE = Lineage(None, (f"{AGENT.term}{TEST.term}{0:014d}",))
JTI = replace(LINEAGE, seal=seal_lineage(KEY.encode(), LINEAGE)).jti


class Store:
    def __init__(self, secret=TEST_SECRET) -> None:
        self.secret = secret

    def find(self, secret_id):
        return GenericSecret(self.secret.encode())


class Line:
    """What leads to the authority, and may be cut."""

    def __init__(self, app) -> None:
        self.app, self.status, self.deliveries = app, 0, 0
        self.meanwhile = lambda: None

    async def handle(self, exchange):
        self.deliveries += 1
        self.meanwhile()
        self.meanwhile = lambda: None
        if self.status:
            return Response(self.status, Headers(), Body(b"{}"))
        return await plans.ask(self.app, exchange)


@pytest.fixture
async def authority(tmp_path):
    async with running_authority(tmp_path / "data") as running:
        running.clock.instant = MCP.timestamp + 1
        row = {"environment_id": ENVIRONMENT_ID, "purpose": "jti", "key": KEY}
        await running.store.database.write(lambda connection: upsert(connection, SERVER_KEYS, row))
        yield running


def call(number):
    return replace(MCP, transaction_id=f"tx-{number}", subject=replace(MCP.subject, jti=JTI)).record()


def spool_in(folder, trail, max_size=1 << 20):
    return Spool(folder, "activities", max_size, Buffering(), trail)


def sink_of(spool, line, authority, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 0.0)  # so that it is tried again at once
    credentials = ClientCredentials(TEST_ID, Store(), "secret")
    endpoint = AuthorityEndpoint(f"{authority.issuer}/activities", line)
    return module._DeliveringSink(spool, endpoint, credentials, authority.clock)


async def stored(authority):
    page = await authority.services.activities.find(
        ENVIRONMENT_ID, ActivityQuery(source="gateway", limit=200)
    )
    return sorted(each.transaction_id for each in page.items)


async def test_records_of_calls_with_a_token_arrive_once(tmp_path, authority, monkeypatch):
    spool, line = spool_in(tmp_path / "spool", Trail()), Line(authority.app)
    sink = sink_of(spool, line, authority, monkeypatch)
    without = replace(MCP, subject=replace(MCP.subject, jti=None)).record()
    for record in (call(1), ACCESS.record(), without, call(2)):
        sink.taker("mcp")(record)
    await asyncio.sleep(0)
    for _ in range(3):
        await sink.deliver()
    assert await stored(authority) == ["tx-1", "tx-2"]
    assert line.deliveries == 1
    assert spool.sealed() == []
    await sink.close()


@pytest.mark.parametrize("status", [503, 401, 404])
async def test_what_the_authority_does_not_take_waits_and_outlasts_the_process(
    tmp_path, authority, monkeypatch, status
):
    line = Line(authority.app)
    line.status = status
    trail = Trail()
    first = sink_of(spool_in(tmp_path / "spool", trail), line, authority, monkeypatch)
    with capture_logs() as logs:
        for number in range(2):
            first.taker("mcp")(call(number))
            await asyncio.sleep(0)
            await first.deliver()
            await first.deliver()
    assert await stored(authority) == []
    assert [each["event"] for each in logs].count("audit records wait to be delivered") == 1
    assert trail.tally("activities").failures == 3
    # The process is killed: nothing is closed. Another takes up what there is.
    line.status = 0
    second = sink_of(spool_in(tmp_path / "spool", Trail()), line, authority, monkeypatch)
    for _ in range(3):
        await second.deliver()
    assert await stored(authority) == ["tx-0", "tx-1"]
    await second.close()


async def test_a_record_that_a_kill_cut_off_takes_no_other_with_it(tmp_path, authority, monkeypatch):
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "open.ndjson").write_text(call(1).text + "\n" + call(2).text[:50])
    sink = sink_of(spool_in(tmp_path / "spool", Trail()), Line(authority.app), authority, monkeypatch)
    sink.taker("mcp")(call(3))
    await asyncio.sleep(0)
    for _ in range(3):
        await sink.deliver()
    assert await stored(authority) == ["tx-1", "tx-3"]
    await sink.close()


async def test_an_answer_that_is_lost_stores_nothing_twice(tmp_path, authority, monkeypatch):
    spool, line = spool_in(tmp_path / "spool", Trail()), Line(authority.app)
    sink = sink_of(spool, line, authority, monkeypatch)
    sink.taker("mcp")(call(1))
    await asyncio.sleep(0)
    await sink.deliver()
    [path] = spool.sealed()
    content = path.read_bytes()
    await sink.deliver()
    path.write_bytes(content)
    await sink.deliver()
    assert line.deliveries == 2
    assert await stored(authority) == ["tx-1"]
    await sink.close()


async def test_beyond_the_bound_the_oldest_go_and_are_counted(tmp_path, authority, monkeypatch):
    trail = Trail()
    spool, line = spool_in(tmp_path / "spool", trail, 4 * len(call(0).text)), Line(authority.app)
    line.status = 503
    sink = sink_of(spool, line, authority, monkeypatch)
    for number in range(2):
        for each in range(3):
            sink.taker("mcp")(call(3 * number + each))
        await asyncio.sleep(0)
        await sink.deliver()
    line.status = 0
    sink._not_before = 0.0
    for _ in range(3):
        await sink.deliver()
    assert await stored(authority) == ["tx-3", "tx-4", "tx-5"]
    assert trail.tally("activities").dropped == 3
    await sink.close()


async def test_what_comes_while_it_waits_to_try_again_stays_within_the_bound(tmp_path, authority):
    size = len(call(0).text) + 1
    trail, line = Trail(), Line(authority.app)
    spool, line.status = spool_in(tmp_path / "spool", trail, 8 * size), 503
    credentials = ClientCredentials(TEST_ID, Store(), "secret")
    sink = module._DeliveringSink(
        spool, AuthorityEndpoint(f"{authority.issuer}/activities", line), credentials, authority.clock
    )
    for number in range(40):
        sink.taker("mcp")(call(number))
        await asyncio.sleep(0)
        await sink.deliver()
        assert sum(each.stat().st_size for each in (tmp_path / "spool").iterdir()) <= 8 * size + 40
    assert line.deliveries == 1
    assert trail.tally("activities").dropped >= 30
    await sink.close()


async def test_what_another_route_writes_to_a_file_that_is_being_delivered_is_delivered_too(
    tmp_path, authority, monkeypatch
):
    monkeypatch.setattr(json_file, "_LOOK_SECONDS", 3600)  # for so long it may write to a moved file
    line = Line(authority.app)
    sinks = [sink_of(spool_in(tmp_path / "spool", Trail()), line, authority, monkeypatch) for _ in range(2)]
    sinks[1].taker("mcp")(call(1))
    await asyncio.sleep(0)
    await sinks[0].deliver()
    line.meanwhile = lambda: sinks[1].taker("mcp")(call(2))
    await asyncio.gather(*(each.deliver() for each in sinks))
    for _ in range(2):
        await asyncio.gather(*(each.deliver() for each in sinks))
    assert await stored(authority) == ["tx-1", "tx-2"]
    assert list((tmp_path / "spool").glob("sealed*")) == []
    for each in sinks:
        await each.close()


@pytest.mark.parametrize(
    ("client_id", "secret", "said"),
    [
        (TEST_ID, "wrong", "clientId and clientSecretId must be the resource's"),
        ("nobody", TEST_SECRET, "clientId and clientSecretId must be the resource's"),
        (AGENT.id, AGENT_SECRET, "clientId must be the id of a resource, not of an agent"),
    ],
)
async def test_wrong_credentials_are_named_and_kept_secret(
    tmp_path, authority, monkeypatch, client_id, secret, said
):
    sink = sink_of(spool_in(tmp_path / "spool", Trail()), Line(authority.app), authority, monkeypatch)
    sink._credentials = ClientCredentials(client_id, Store(secret), "secret")
    sink.taker("mcp")(call(1))
    await asyncio.sleep(0)
    with capture_logs() as logs:
        for _ in range(3):
            await sink.deliver()
    [told] = logs
    assert said in told["error"]
    assert secret not in str(told)
    sink._credentials = ClientCredentials(TEST_ID, Store(), "secret")
    await sink.deliver()
    assert await stored(authority) == ["tx-1"]
    await sink.close()


async def test_many_records_are_delivered_in_parts(tmp_path, authority, monkeypatch):
    spool, line = spool_in(tmp_path / "spool", Trail()), Line(authority.app)
    sink = sink_of(spool, line, authority, monkeypatch)
    for number in range(150):
        sink.taker("mcp")(call(number))
    await asyncio.sleep(0)
    for _ in range(2):
        await sink.deliver()
    assert line.deliveries > 1
    assert len(await stored(authority)) == 150
    await sink.close()


def config(**changes):
    store = {
        "type": "Base64EncodedSecretStore",
        "config": {"secrets": {"resource.secret": base64.b64encode(b"secret").decode()}},
    }
    own = {
        "name": "activities",
        "topics": ["mcp"],
        "issuer": "https://authority.example/env/as",
        "clientId": TEST_ID,
        "clientSecretId": "resource.secret",
        "secretsProvider": store,
        **changes,
    }
    return {"eventHandlers": [{"class": "AuthorityAuditEventHandler", "config": own}]}


def build(tmp_path, **changes):
    heap = oauth_heap(instance=instance_for(tmp_path))
    return built(AuditPublisher, {"type": "AuditService", "config": config(**changes)}, heap), heap


async def test_it_is_configured_as_an_event_handler(tmp_path):
    service, heap = build(tmp_path)
    service.publisher("mcp")(call(1))
    await asyncio.sleep(0)
    await heap.deployment.close()
    [written] = (tmp_path / "spool").glob("*/open.ndjson")
    assert JTI in written.read_text()
    assert len(heap.deployment.jobs) == 1


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"topics": ["access", "mcp"]}, "topics"),
        ({"issuer": "http://authority.example/env/as"}, "issuer"),
        ({"issuer": "authority"}, "issuer"),
        ({"clientSecretId": "another"}, "clientSecretId"),
    ],
)
async def test_what_cannot_work_is_said_where_it_stands(tmp_path, changes, key):
    with pytest.raises(ConfigurationError) as caught:
        build(tmp_path, **changes)
    assert str(caught.value.position).endswith(f"/eventHandlers/0/config/{key}")
