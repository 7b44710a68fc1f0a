"""A started gateway in front of a server: what arrives, what comes back, what is refused."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from deputize.gateway.app import Gateway
from deputize.http.messages import Body, Headers, Response
from deputize.kernel.errors import ConfigurationError
from support.gateway import write_json
from support.patience import PATIENCE
from support.wire import Client, Server, answer_text, ask

PROXY = {"type": "ReverseProxyHandler", "config": {"soTimeout": "5 seconds"}}


def route(directory, name, **members):
    return write_json(directory / "config" / "routes" / f"{name}.json", members)


async def test_a_request_is_sent_on_and_its_answer_comes_back(instance, started):
    async with Server(lambda request: answer_text(f"hello {request.body.decode()}", 201)) as backend:
        route(instance, "r", baseURI=backend.url, handler=PROXY)
        gateway = await started(instance)
        answer = await ask(
            gateway.ports[0],
            "POST",
            "/a%20b?x=%2f",
            [("X-A", "b"), ("Connection", "x-hop"), ("X-Hop", "gone")],
            b"you",
        )
    [request] = backend.received
    assert (answer.status, answer.body) == (201, b"hello you")
    assert (request.method, request.target, request.headers.get("host")) == (
        "POST",
        "/a%20b?x=%2f",
        f"127.0.0.1:{backend.port}",
    )
    assert (request.headers.get("x-a"), request.headers.get("x-hop")) == ("b", None)


async def test_no_route_is_404_and_no_server_502(instance, started):
    route(
        instance,
        "down",
        condition="${request.uri.path == '/down'}",
        baseURI="http://127.0.0.1:1",
        handler=PROXY,
    )
    route(
        instance,
        "own",
        condition="${request.uri.path == '/own'}",
        baseURI="http://127.0.0.1:1",
        handler="ClientHandler",
    )
    port = (await started(instance)).ports[0]
    assert [(await ask(port, target=target)).status for target in ("/", "/down", "/own")] == [404, 502, 500]


async def test_a_silent_server_is_504_after_so_timeout(instance, started):
    async def never(request):
        await asyncio.sleep(60)

    async with Server(never) as backend:
        route(
            instance,
            "r",
            baseURI=backend.url,
            handler={"type": "ReverseProxyHandler", "config": {"soTimeout": "50 ms"}},
        )
        assert (await ask((await started(instance)).ports[0])).status == 504


async def test_health(instance, started):
    gateway = await started(instance)
    for path, method, expected in (
        ("/health/live", "GET", 200),
        ("/health/ready", "GET", 200),
        ("/health/startup", "HEAD", 200),
        ("/ping", "GET", 200),
        ("/ping", "POST", 405),
        ("/other", "GET", 404),
    ):
        assert (await ask(gateway.admin_port, method, path)).status == expected


async def test_stopping_lets_exchanges_end_and_is_not_ready_meanwhile(instance, started):
    admin = {
        "adminConnector": {"host": "127.0.0.1", "port": 0},
        "connectors": [{"host": "127.0.0.1", "port": 0, "gracePeriod": "5 s"}],
        "streamingEnabled": True,
    }
    write_json(instance / "config" / "admin.json", admin)
    reached, release = asyncio.Event(), asyncio.Event()

    async def slow(request):
        reached.set()
        await release.wait()
        return answer_text("done")

    async with Server(slow) as backend:
        route(instance, "r", baseURI=backend.url, handler=PROXY)
        gateway = await started(instance)
        asking = asyncio.create_task(ask(gateway.ports[0]))
        await reached.wait()
        stopping = asyncio.create_task(gateway.stop())
        await asyncio.sleep(0)
        assert (await ask(gateway.admin_port, target="/health/ready")).status == 503
        assert (await ask(gateway.admin_port, target="/health/live")).status == 200
        release.set()
        assert (await asking).body == b"done"
        await stopping


async def test_events_arrive_one_by_one(instance, started):
    released = asyncio.Semaphore(0)

    async def events():
        for number in range(20):
            await released.acquire()
            yield f"data: {number}\n\n".encode()

    def answer(request):
        return Response(200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events()))

    async with Server(answer) as backend:
        route(instance, "r", baseURI=backend.url, handler=PROXY)
        gateway = await started(instance)
        async with Client(gateway.ports[0]) as client:
            released.release()
            await client.send("GET", "/")
            await client.head()
            for number in range(20):
                assert await asyncio.wait_for(client.chunk(), PATIENCE) == f"data: {number}\n\n".encode()
                released.release()


@pytest.mark.parametrize(("size", "expected"), [(10, 200), (11, 413)])
async def test_without_streaming_bodies_are_limited(instance, started, size, expected):
    document = {
        "connectors": [{"host": "127.0.0.1", "port": 0}],
        "adminConnector": {"host": "127.0.0.1", "port": 0},
        "maxBodyLength": 10,
    }
    write_json(instance / "config" / "admin.json", document)
    async with Server(lambda request: answer_text("short")) as backend:
        route(instance, "r", baseURI=backend.url, handler=PROXY)
        assert (await ask((await started(instance)).ports[0], "POST", body=b"x" * size)).status == expected


async def test_without_streaming_a_long_answer_is_502(instance, started):
    document = {
        "connectors": [{"host": "127.0.0.1", "port": 0}],
        "adminConnector": {"host": "127.0.0.1", "port": 0},
        "maxBodyLength": 10,
    }
    write_json(instance / "config" / "admin.json", document)
    async with Server(lambda request: answer_text("longer than ten")) as backend:
        route(instance, "r", baseURI=backend.url, handler=PROXY)
        assert (await ask((await started(instance)).ports[0])).status == 502


async def test_without_streaming_an_answer_that_breaks_off_has_not_begun(instance, started):
    async def broken():
        yield b"half"
        await asyncio.sleep(60)

    document = {
        "connectors": [{"host": "127.0.0.1", "port": 0}],
        "adminConnector": {"host": "127.0.0.1", "port": 0},
    }
    write_json(instance / "config" / "admin.json", document)
    async with Server(lambda request: Response(200, Headers(), Body(None, broken(), 9))) as backend:
        route(
            instance,
            "r",
            baseURI=backend.url,
            handler={"type": "ReverseProxyHandler", "config": {"soTimeout": "50 ms"}},
        )
        assert (await ask((await started(instance)).ports[0])).status == 504


async def test_several_ports_of_one_connector(instance, started):
    document = {
        "connectors": [{"host": "127.0.0.1", "port": [0, 0]}],
        "adminConnector": {"host": "127.0.0.1", "port": 0},
        "streamingEnabled": True,
    }
    write_json(instance / "config" / "admin.json", document)
    gateway = await started(instance)
    assert [(await ask(port)).status for port in gateway.ports] == [404, 404]


async def test_a_port_in_use_stops_the_start_and_leaves_nothing_open(instance, started):
    first = await started(instance)
    document = {
        "connectors": [{"host": "127.0.0.1", "port": port} for port in (0, first.ports[0])],
        "streamingEnabled": True,
    }
    write_json(instance / "config" / "admin.json", document)
    second = await Gateway.load(instance, {})
    with pytest.raises(ConfigurationError, match="cannot listen on 127") as raised:
        await second.start()
    assert raised.value.position.pointer == "/connectors/1/port"
    assert '"port" or "host" in "connectors" of admin.json' in raised.value.fix
    with pytest.raises(OSError):
        await ask(second.ports[0])


async def test_the_administration_port_in_use_is_told_by_the_member_that_sets_it(instance, started):
    """By default it has no place in the file: the fix has to name it."""
    first = await started(instance)
    document = {
        "connectors": [{"host": "127.0.0.1", "port": 0}],
        "adminConnector": {"host": "127.0.0.1", "port": first.admin_port},
        "streamingEnabled": True,
    }
    write_json(instance / "config" / "admin.json", document)
    second = await Gateway.load(instance, {})
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{first.admin_port}") as raised:
        await second.start()
    assert '"port" or "host" in "adminConnector" of admin.json' in raised.value.fix


@pytest.mark.parametrize(
    ("file", "text", "pointer"),
    [
        ("admin.json", '{"connectors": []}', "/connectors"),
        ("admin.json", '{"connectors": [{"port": 70000}]}', "/connectors/0/port"),
        ("admin.json", "{", ""),
        ("config.json", '{"handler": "nobody"}', "/handler"),
        (
            "config.json",
            '{"handler": {"type": "Router", "config": {"directory": "nowhere"}}}',
            "/handler/config/directory",
        ),
        (
            "config.json",
            '{"heap": [{"name": "unused", "type": "Nothing"}], "handler": "ReverseProxyHandler"}',
            "/heap/0/type",
        ),
    ],
)
async def test_bad_global_files_stop_the_start(instance, file, text, pointer):
    (instance / "config" / file).write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        await Gateway.load(instance, {})
    assert raised.value.position.pointer == pointer


async def test_all_that_is_wrong_in_the_global_files_is_told_at_once(instance):
    (instance / "config" / "admin.json").write_text(
        '{\n "connectors": [{ "port": 70000 },\n { "port": "x" }],\n "streamingEnabled": 5\n}'
    )
    (instance / "config" / "config.json").write_text('{ "heap": 5 }')
    with pytest.raises(ConfigurationError) as raised:
        await Gateway.load(instance, {})
    told = [
        (Path(each.position.file).name, each.position.pointer, each.position.line)
        for each in raised.value.errors
    ]
    assert told == [
        ("admin.json", "/connectors/0/port", 2),
        ("admin.json", "/connectors/1/port", 3),
        ("admin.json", "/streamingEnabled", 4),
        ("config.json", "", 1),
    ]
    assert str(raised.value).count("\n") == 3


@pytest.mark.parametrize("admin", [None, "{}", '{ "streamingEnabled": true } // nothing else'])
async def test_without_files_the_defaults_serve(tmp_path, admin):
    (tmp_path / "config" / "routes").mkdir(parents=True)
    if admin:
        (tmp_path / "config" / "admin.json").write_text(admin)
    gateway = await Gateway.load(tmp_path, {})
    settings = gateway.instance.admin.settings
    assert ([each.port for each in settings.connectors], settings.admin_connector.port) == ([(8080,)], 8085)
    errors, (warning,) = gateway.problems()
    assert errors == ()
    assert "port 8080 on 0.0.0.0 speaks clear text" in warning.reason
    with contextlib.suppress(ConfigurationError):
        await gateway.stop()


async def test_what_no_route_takes_leaves_one_access_record_too(instance, started):
    handlers = [
        {
            "class": "org.forgerock.audit.handlers.json.JsonAuditEventHandler",
            "config": {"name": "json", "logDirectory": "audit", "topics": ["access"]},
        }
    ]
    audit = {"name": "AuditService", "type": "AuditService", "config": {"eventHandlers": handlers}}
    write_json(
        instance / "config" / "config.json",
        {"handler": "router", "heap": [audit, {"name": "router", "type": "Router"}]},
    )
    route(
        instance,
        "taken",
        condition="${request.uri.path == '/taken'}",
        handler={"type": "StaticResponseHandler", "config": {"status": 204}},
    )
    gateway = await started(instance)
    for target in ("/taken", "/nowhere?token=s3cret"):
        await ask(gateway.ports[0], target=target)
    await gateway.stop()
    text = (instance / "audit" / "access.audit.json").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    assert [(each["ig"]["routeName"], each["response"]["statusCode"]) for each in records] == [
        ("taken", "204"),
        (None, "404"),
    ]
    assert "s3cret" not in text


def with_connector(instance, admin=(), **members):
    path = instance / "config" / "admin.json"
    document = json.loads(path.read_text())
    document["connectors"] = [{**document["connectors"][0], **members}]
    write_json(path, {**document, **dict(admin)})


async def test_names_without_twins_and_the_gateways_own_description_arrive(instance, started):
    sent = [
        ("X_Agent", "evil"),
        ("X-Agent", "evil"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("Cookie", "a=b"),
    ]
    strip = {"type": "HeaderFilter", "config": {"messageType": "REQUEST", "remove": "X-Agent"}}
    async with Server(lambda request: answer_text("ok")) as backend:
        route(
            instance,
            "r",
            baseURI=backend.url,
            handler={"type": "Chain", "config": {"filters": strip, "handler": PROXY}},
        )
        await ask((await started(instance)).ports[0], "POST", "/", sent)
        with_connector(instance, {"trustedProxies": "127.0.0.0/8"}, underscoresInHeaders=True)
        await ask((await started(instance)).ports[0], "POST", "/", sent)
    names = [{name.lower() for name, _ in request.headers} for request in backend.received]
    assert not any({"x_agent", "x-agent", "x-http-method-override"} & each for each in names)
    assert [request.headers.get("x-forwarded-for") for request in backend.received] == [
        "127.0.0.1",
        "10.0.0.1, 127.0.0.1",
    ]
    assert [request.headers.get("cookie") for request in backend.received] == ["a=b", "a=b"]


async def test_a_foreign_host_is_misdirected(instance, started):
    """A page whose name was rebound to this address asks for its own name."""
    with_connector(instance, hostNames=["gateway.example", "LOCALHOST"])
    route(instance, "r", handler={"type": "StaticResponseHandler", "config": {"status": 204}})
    port = (await started(instance)).ports[0]
    statuses = [
        (await ask(port, host=host)).status
        for host in ("localhost", f"Gateway.example:{port}", "evil.example", "127.0.0.1")
    ]
    assert statuses == [204, 204, 421, 421]


@pytest.mark.parametrize(
    ("admin", "connector", "pointer"),
    [
        ({"trustedProxies": ["10.0.0.1/8"]}, {}, "/trustedProxies/0"),
        ({"trustedProxies": "proxy"}, {}, "/trustedProxies"),
        ({}, {"hostNames": "https://a"}, "/connectors/0/hostNames"),
    ],
)
async def test_networks_and_hosts_are_checked(instance, admin, connector, pointer):
    with_connector(instance, admin, **connector)
    with pytest.raises(ConfigurationError) as raised:
        await Gateway.load(instance, {})
    assert raised.value.position.pointer == pointer
