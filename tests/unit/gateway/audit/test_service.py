import dataclasses
import gc
import stat
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace

import pytest
from pydantic_core import from_json

from deputize.audit.publisher import AuditPublisher
from deputize.audit.records import RouteIdentity
from deputize.gateway.audit import service as audit_service
from deputize.gateway.audit.event_handlers.event_handler import EventHandlerSettings
from deputize.gateway.exchange.contexts import RouterContext, read_claims
from deputize.gateway.exchange.recording import access_audit, commit_decision, unheard_audit
from deputize.http.exchange import Ending
from deputize.http.listener import Unheard
from deputize.http.messages import Response
from deputize.http.plans import Plan
from deputize.kernel import families
from deputize.kernel.errors import ConfigurationError
from support.audit_events import MCP
from support.gateway import built, exchange_for, instance_for
from support.oauth_filters import CLAIMS, oauth_heap


def observed(observe, exchange):
    """Begin the step that the access audit puts before a plan."""
    head = exchange.received
    plan = observe(head, Plan.answering(head, lambda _: Response(200)))
    plan.arrange()
    exchange.endings += plan.endings
    for _, _, check, _ in plan.checks:
        check(exchange)


JSON_HANDLER = "org.forgerock.audit.handlers.json.JsonAuditEventHandler"
STDOUT_HANDLER = "org.forgerock.audit.handlers.json.stdout.JsonStdoutAuditEventHandler"


def handler(java_class=JSON_HANDLER, **config):
    return {"class": java_class, "config": {"name": "json", "topics": ["access", "mcp"], **config}}


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def service_of(tmp_path, *handlers, key="eventHandlers", **more):
    heap = oauth_heap(instance=instance_for(tmp_path))
    service = built(AuditPublisher, {"type": "AuditService", "config": {key: list(handlers), **more}}, heap)
    return service, heap


@pytest.mark.parametrize("key", ["eventHandlers", "event-handlers"])
async def test_the_use_cases_service_writes_two_files(tmp_path, key):
    service, heap = service_of(tmp_path, handler(logDirectory=str(tmp_path / "audit")), key=key)
    service.publisher("mcp")(MCP.record())
    await heap.deployment.close()
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == [
        "access.audit.json",
        "mcp.audit.json",
    ]
    assert from_json((tmp_path / "audit/mcp.audit.json").read_bytes())["transactionId"] == "tx"
    assert stat.S_IMODE((tmp_path / "audit/mcp.audit.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700
    assert heap.deployment.warnings == []


async def test_permissions_and_buffering_are_configurable(tmp_path):
    settings = {"filePermissions": "640", "buffering": {"maxSize": 5, "writeInterval": "1 second"}}
    _, heap = service_of(tmp_path, handler(logDirectory="audit", **settings))
    assert stat.S_IMODE((tmp_path / "audit/mcp.audit.json").stat().st_mode) == 0o640
    await heap.deployment.close()


async def test_full_files_are_set_aside_and_few_are_kept(tmp_path):
    settings = {
        "fileRotation": {"rotationEnabled": True, "maxFileSize": 100},
        "fileRetention": {"maxNumberOfHistoryFiles": 2},
    }
    for _ in range(5):
        service, heap = service_of(tmp_path, handler(logDirectory="audit", topics=["mcp"], **settings))
        service.publisher("mcp")(MCP.record())
        await heap.deployment.close()
        assert heap.deployment.warnings == []
    assert [len(path.read_bytes().splitlines()) for path in (tmp_path / "audit").iterdir()] == [1, 1, 1]


async def test_a_handler_that_is_not_enabled_takes_nothing(tmp_path):
    service, _ = service_of(tmp_path, handler(logDirectory="audit", enabled=False))
    assert service.publisher("mcp") is None


async def test_standard_output_is_a_handler(tmp_path):
    service, heap = service_of(tmp_path, handler(STDOUT_HANDLER))
    assert service.publisher("access") is not None
    await heap.deployment.close()


def test_the_default_service_does_nothing(tmp_path):
    service, _ = service_of(tmp_path)
    assert service.publisher("access") is None


@pytest.mark.parametrize(
    ("event_handler", "pointer"),
    [
        (handler("org.forgerock.audit.handlers.json.JsonAuditEventHandlr"), "eventHandlers/0/class"),
        (handler("com.example.Other"), "eventHandlers/0/class"),
        (handler(), "eventHandlers/0/config/logDirectory"),
        (handler(logDirectory="file/audit"), "eventHandlers/0/config/logDirectory"),
        (handler(logDirectory="audit", topics=[]), "eventHandlers/0/config/topics"),
        (handler(logDirectory="audit", filePermissions="999"), "eventHandlers/0/config/filePermissions"),
    ],
)
def test_configuration_that_cannot_work(tmp_path, event_handler, pointer):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=f"/handler/config/{pointer}: "):
        service_of(tmp_path, event_handler)


async def test_what_is_not_read_is_warned_about(tmp_path):
    _, heap = service_of(
        tmp_path, handler(logDirectory="audit", topics=["mcp", "notifications"], bufering={})
    )
    await heap.deployment.close()
    told = "\n".join(map(str, heap.deployment.warnings))
    assert "did you mean 'buffering'?" in told
    assert "nothing is ever recorded on topic 'notifications'" in told


async def test_every_exchange_of_a_route_leaves_an_access_record(tmp_path):
    service, heap = service_of(tmp_path, handler(logDirectory="audit"))
    observe = access_audit(service, RouteIdentity("r1", "weather"))
    for response in (Response(200), None):
        exchange = exchange_for(
            "/mcp?token=s3cret",
            "POST",
            headers=[("Host", "client.example"), ("Authorization", "Bearer s3cret")],
        )
        observed(observe, exchange)
        exchange.request.headers.set("Host", "upstream.example")
        exchange.put(read_claims("s3cret", CLAIMS, None))
        for ending in exchange.endings:
            ending(exchange, Ending(response, 0, complete=True, finished=0.5))
    await heap.deployment.close()
    text = (tmp_path / "audit/access.audit.json").read_text()
    answered, broken = map(from_json, text.splitlines())
    assert (answered["userId"], answered["ig"]["routeName"], answered["response"]["statusCode"]) == (
        "demouser",
        "weather",
        "200",
    )
    assert answered["http"]["request"]["headers"] == {"host": ["client.example"]}
    assert (broken["response"]["status"], broken["response"]["elapsedTime"]) == ("FAILED", 500)
    assert "s3cret" not in text


async def test_what_waits_to_be_written_holds_no_credentials():
    kept = []

    class Keeping:
        topics = frozenset({"access"})

        def committer(self, topic):
            return None

        def taker(self, topic):
            return kept.append

    observe = access_audit(AuditPublisher((Keeping(),)), RouteIdentity("r1", "weather"))
    exchange = exchange_for(
        "/mcp",
        "POST",
        headers=[
            ("HOST", "a"),
            ("Authorization", "Bearer s3cret"),
            ("cookie", "s=s3cret"),
            ("X-Key", "s3cret"),
        ],
    )
    observed(observe, exchange)
    exchange.endings[0](exchange, Ending(Response(200), 0, complete=True, finished=0.5))
    del exchange
    held, found = [kept[0]], []
    while held:
        each = held.pop()
        if isinstance(each, str | bytes):
            found.append(each if isinstance(each, str) else each.decode("latin-1"))
        elif not isinstance(each, type | ModuleType | FunctionType):
            held += gc.get_referents(each)
    text = " ".join(found)
    assert '"headers":{"host":["a"]}' in text
    assert "s3cret" not in text


async def test_a_strict_access_decision_is_on_the_disk_before_the_call_goes_up(tmp_path):
    service, heap = service_of(tmp_path, handler(logDirectory="audit"), strict=True)
    for route, routed in ((RouteIdentity("r1", "weather"), True), (None, False), (None, True)):
        observe = access_audit(service, route)
        exchange = exchange_for("/x")
        observed(observe, exchange)
        if routed:
            exchange.put(RouterContext(RouteIdentity("r1", "weather"), None, exchange.request.target))
        before = (tmp_path / "audit/access.audit.json").read_bytes().count(b"\n")
        assert await commit_decision(exchange) is None
        concerns = route is not None or not routed
        lines = (tmp_path / "audit/access.audit.json").read_bytes().splitlines()[before:]
        assert [from_json(line)["response"] for line in lines] == ([None] if concerns else [])
        exchange.endings[0](exchange, Ending(Response(200), 0, complete=True, finished=0.5))
        await heap.registry.trail.written()
        lines = (tmp_path / "audit/access.audit.json").read_bytes().splitlines()[before + concerns :]
        assert [from_json(line)["eventName"] for line in lines] == (
            ["OPENIG-HTTP-ACCESS-OUTCOME"] if concerns else []
        )
    await heap.deployment.close()


@pytest.mark.parametrize(
    ("handlers", "complaint"),
    [
        ([], "nothing is recorded at all"),
        ([handler(logDirectory="audit", enabled=False)], "nothing is recorded at all"),
        ([handler(STDOUT_HANDLER)], "records of topic 'access' go to no disk"),
        (
            [handler(STDOUT_HANDLER), handler(logDirectory="audit", topics=["access"])],
            "records of topic 'mcp' go to no disk",
        ),
    ],
)
async def test_strictness_that_nobody_can_keep_is_an_error(tmp_path, handlers, complaint):
    with pytest.raises(ConfigurationError, match=f"/handler/config/strict: .*{complaint}"):
        service_of(tmp_path, *handlers, strict=True)


async def test_what_the_listener_answers_itself_is_recorded_by_the_first_that_takes_it(tmp_path):
    heap = oauth_heap(instance=instance_for(tmp_path))
    services = heap.registry.audit_services
    record = unheard_audit(services)
    peer = exchange_for().peer
    record(Unheard(peer, "tx-0", 400, "nobody takes it", 1.0, None))
    for name, topics in (("a", ["mcp"]), ("b", ["access"]), ("c", ["access"])):
        config = {"eventHandlers": [handler(logDirectory=name, topics=topics)]}
        built(AuditPublisher, {"type": "AuditService", "config": config}, heap)
    busy = exchange_for("/x?token=s3cret", headers=[("Host", "h"), ("Cookie", "s3cret")]).request
    record(Unheard(peer, "tx-1", 408, "the head did not come", 1.0, None))
    record(Unheard(peer, "tx-2", 503, "too many", 1.0, busy))
    await heap.deployment.close()
    assert services == []
    text = (tmp_path / "b/access.audit.json").read_text()
    first, second = map(from_json, text.splitlines())
    assert (first["transactionId"], first["response"]["statusCode"], first["response"]["detail"]) == (
        "tx-1",
        "408",
        {"reason": "the head did not come"},
    )
    assert second["http"]["request"] == {
        "secure": False,
        "method": "GET",
        "path": "http://client.example/x",
        "headers": {"host": ["h"]},
    }
    assert "s3cret" not in text
    assert (tmp_path / "c/access.audit.json").read_text() == ""


def test_nothing_is_observed_for_nobody(tmp_path):
    service, _ = service_of(tmp_path)
    assert access_audit(service, RouteIdentity("r1", "weather")) is None


def test_files_open_for_nobody_are_not_left_behind(tmp_path):
    before = open_files()
    with pytest.raises(ConfigurationError):
        service_of(tmp_path, handler("com.example.Other"), handler(logDirectory="audit"))
    assert open_files() == before


class KeptSink:
    def __init__(self, topics):
        self.topics, self.kept = frozenset(topics), []

    def taker(self, topic):
        return self.kept.append

    def committer(self, topic):
        return None

    async def close(self):
        self.kept.clear()


class KeepingEventHandler:
    java_class = "com.example.KeepingEventHandler"

    class Config(EventHandlerSettings):
        pass

    @classmethod
    def build(cls, config, context, key, *, strict):
        return KeptSink(config.topics)


def offer(monkeypatch, value):
    entry = EntryPoint("keeping", value, "deputize.audit_event_handlers")
    monkeypatch.setitem(
        sys.modules, "strangers", SimpleNamespace(Keeping=KeepingEventHandler, nothing=object())
    )
    monkeypatch.setattr(families, "entry_points", lambda group: [entry] if group == entry.group else [])
    monkeypatch.setattr(audit_service, "EVENT_HANDLERS", dataclasses.replace(audit_service.EVENT_HANDLERS))


def test_an_event_handler_of_another_package_takes_records_like_our_own(monkeypatch, tmp_path):
    offer(monkeypatch, "strangers:Keeping")
    service, _ = service_of(tmp_path, handler("com.example.KeepingEventHandler", topics=["mcp"]))
    service.publisher("mcp")(MCP.record())
    assert service.sinks[0].kept == [MCP.record()]
    with pytest.raises(ConfigurationError, match=r"did you mean com\.example\.KeepingEventHandler"):
        service_of(tmp_path, handler("com.example.KeepingEventHandlr"))


def test_what_is_no_event_handler_is_refused_by_package_and_lack(monkeypatch, tmp_path):
    offer(monkeypatch, "strangers:nothing")
    with pytest.raises(ConfigurationError, match="it lacks java_class or Config or build"):
        service_of(tmp_path, handler("com.example.KeepingEventHandler"))
