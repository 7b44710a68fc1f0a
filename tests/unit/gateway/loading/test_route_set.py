"""Routes of a directory: deployment, replacement, order, duplicates, broken files, exchanges in flight."""

import asyncio
import json
import math
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from deputize.gateway.config.settings import Settings
from deputize.gateway.exchange.contexts import RouterContext
from deputize.gateway.handlers.router import Router
from deputize.gateway.loading import route_set
from deputize.http.exchange import Ending
from deputize.http.plans import Handler
from deputize.kernel.errors import ConfigurationError, Position
from support.examples import examples
from support.gateway import TYPES, Answering, ask, built, exchange_for, heap_of, instance_for, registry_for

NO_AUDIT = {"name": "AuditService", "type": "AuditService"}


class Publishing:
    """A handler that publishes an endpoint and remembers whether it was closed."""

    closed: list = []  # noqa: RUF012

    class Config(Settings):
        path: str

    @classmethod
    def build(cls, config, context):
        context.publish_endpoint(config.path, Answering(299), "path")

        async def close():
            cls.closed.append(config.path)

        context.on_close(close)
        return Answering(200)


@pytest.fixture
def routes(tmp_path):
    (tmp_path / "config" / "routes").mkdir(parents=True)
    Publishing.closed = []
    return tmp_path / "config" / "routes"


def router_over(routes, **config):
    registry = registry_for(instance_for(routes.parent.parent), {**TYPES, "Publishing": Publishing})
    return built(Router, {"type": "Router", "config": config}, heap_of(NO_AUDIT, registry=registry))


def write(routes, file, status=200, path=None, **members):
    condition = {"condition": f"${{request.uri.path == '{path}'}}"} if path else {}
    handler = {"type": "StaticResponseHandler", "config": {"status": status}}
    (routes / file).write_text(json.dumps({**condition, "handler": handler, **members}))


async def status(router, target="/"):
    exchange = exchange_for(target)
    response = await ask(router, exchange)
    end(exchange)
    return response.status


def end(exchange):
    for ending in exchange.endings:
        ending(exchange, Ending(None, 0, True, 1.0))


def reasons(router):
    return [error.reason for error in router.routes.errors()]


async def test_the_first_route_by_name_that_accepts_wins(routes):
    write(routes, "a.json", 201, "/x", name="zz")
    write(routes, "z.json", 202, "/x", name="aa")
    write(routes, "m.json", 203)
    router = router_over(routes)
    assert [await status(router, target) for target in ("/x", "/y")] == [202, 203]
    assert [route.identity.name for route in router.routes.routes] == ["aa", "m", "zz"]


async def test_no_route_is_404(routes):
    write(routes, "a.json", 201, "/x")
    assert await status(router_over(routes), "/y") == 404


async def test_a_default_handler_answers_what_no_route_accepts(routes):
    assert (
        await status(
            router_over(routes, defaultHandler={"type": "StaticResponseHandler", "config": {"status": 418}})
        )
        == 418
    )


async def test_only_lower_case_json_files_are_routes(routes):
    for file in ("a.JSON", "b.json.bak", "c.txt"):
        write(routes, file)
    router = router_over(routes)
    assert (router.routes.routes, router.routes.errors()) == ((), ())


async def test_files_are_followed(routes):
    router = router_over(routes)
    seen = []
    for step in (
        lambda: write(routes, "a.json", 201),
        lambda: write(routes, "a.json", 202),
        lambda: (routes / "a.json").unlink(),
    ):
        step()
        await router.rescan()
        seen.append(await status(router))
    assert seen == [201, 202, 404]


async def test_content_counts_not_time(routes):
    write(routes, "a.json", 201)
    router = router_over(routes)
    before = (routes / "a.json").stat()
    write(routes, "a.json", 202)
    os.utime(routes / "a.json", ns=(before.st_atime_ns, before.st_mtime_ns))
    await router.rescan()
    assert await status(router) == 202


@pytest.mark.parametrize(
    ("key", "file", "texts"),
    [
        ("$location", "p.json", ('{"code": 201}', '{"code": 202}')),
        ("$location:id", "p.properties", ("code=201", "code=202")),
    ],
)
async def test_properties_in_other_files_are_followed(routes, key, file, texts):
    elsewhere = routes.parent / file
    elsewhere.write_text(texts[0])
    write(routes, "a.json", {"$int": "&{code}"}, properties={key: f"config/{file}"})
    router = router_over(routes)
    assert await status(router) == 201
    elsewhere.write_text(texts[1])
    await router.rescan()
    assert await status(router) == 202
    elsewhere.unlink()
    await router.rescan()
    assert (await status(router), len(router.routes.errors())) == (202, 1)


async def test_a_file_that_did_not_change_keeps_its_route(routes):
    write(routes, "a.json")
    router = router_over(routes)
    before = router.routes.routes
    (routes / "a.json").touch()
    await router.rescan()
    assert router.routes.routes[0] is before[0]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"handler": "nobody"}',
        '{"handler": {"type": "Nothing"}}',
        "{}",
        '{"name": "&{nobody}", "handler": {"type": "Chain"}}',
    ],
)
async def test_a_broken_change_leaves_the_last_good_route(routes, text):
    write(routes, "a.json", 201)
    router = router_over(routes)
    (routes / "a.json").write_text(text)
    await router.rescan()
    files = {error.position.file for error in router.routes.errors()}
    assert (await status(router), files) == (201, {str(routes / "a.json")})
    write(routes, "a.json", 202)
    await router.rescan()
    assert (await status(router), router.routes.errors()) == (202, ())


async def test_a_broken_route_at_the_start_is_skipped(routes):
    (routes / "a.json").write_text("{")
    write(routes, "b.json", 202, "/b")
    router = router_over(routes)
    assert [await status(router, target) for target in ("/a", "/b")] == [404, 202]
    assert {error.position.file for error in router.routes.errors()} == {str(routes / "a.json")}


async def test_unforeseen_errors_of_one_file_do_not_touch_others(routes):
    class Exploding:
        class Config(Settings):
            pass

        @classmethod
        def build(cls, config, context):
            raise ZeroDivisionError("oops")

    write(routes, "b.json", 202)
    (routes / "a.json").write_text('{"handler": {"type": "Exploding"}}')
    registry = registry_for(instance_for(routes.parent.parent), {**TYPES, "Exploding": Exploding})
    router = built(Router, {"type": "Router"}, heap_of(NO_AUDIT, registry=registry))
    assert await status(router) == 202
    assert reasons(router) == ["could not be built: ZeroDivisionError: oops"]


async def test_unreadable_file_is_a_broken_file(routes):
    (routes / "a.json").mkdir()
    assert ["cannot be read" in reason for reason in reasons(router_over(routes))] == [True]


async def test_directory_must_exist(routes):
    with pytest.raises(ConfigurationError, match="routes directory cannot be read"):
        router_over(routes, directory="nowhere")


@pytest.mark.parametrize("directory", [{}, {"directory": "config/routes"}])
async def test_a_router_does_not_lead_to_itself(routes, directory):
    (routes / "a.json").write_text(json.dumps({"handler": {"type": "Router", "config": directory}}))
    assert reasons(router_over(routes)) == ["a router inside a route cannot read that route's directory"]


async def test_a_directory_that_vanishes_leaves_the_routes(routes):
    write(routes, "a.json", 201)
    router = router_over(routes)
    (routes / "a.json").unlink()
    routes.rmdir()
    with pytest.raises(ConfigurationError):
        await router.rescan()
    assert await status(router) == 201


async def test_names_are_unique(routes):
    write(routes, "a.json", 201, name="same")
    write(routes, "b.json", 202, name="same")
    router = router_over(routes)
    assert (await status(router), reasons(router)) == (
        201,
        [f"a route named 'same' is already loaded from {routes / 'a.json'}"],
    )


async def test_two_files_may_exchange_their_names(routes):
    write(routes, "a.json", 201, name="one")
    write(routes, "b.json", 202, name="two")
    router = router_over(routes)
    write(routes, "a.json", 201, name="two")
    write(routes, "b.json", 202, name="one")
    await router.rescan()
    assert (await status(router), reasons(router)) == (202, [])


async def test_a_refused_change_of_name_falls_back_to_the_old_version(routes):
    write(routes, "a.json", 201, "/a", name="one")
    write(routes, "b.json", 202, "/b", name="two")
    router = router_over(routes)
    write(routes, "b.json", 203, "/b", name="one")
    await router.rescan()
    assert [await status(router, target) for target in ("/a", "/b")] == [201, 202]


@pytest.mark.parametrize(
    ("file", "members"),
    [("default.json", {}), ("a.json", {"name": "default"}), ("a.json", {"_id": "default"})],
)
async def test_default_names_no_route(routes, file, members):
    write(routes, file, **members)
    assert ["reserved" in reason for reason in reasons(router_over(routes))] == [True]


@pytest.mark.parametrize(
    ("members", "identity"),
    [
        ({}, ("a", "a")),
        ({"_id": "i"}, ("i", "i")),
        ({"_id": "i", "name": "n"}, ("i", "n")),
        ({"name": "n"}, ("a", "n")),
    ],
)
async def test_identity(routes, members, identity):
    write(routes, "a.json", **members)
    [route] = router_over(routes).routes.routes
    assert (route.identity.id, route.identity.name) == identity


async def test_fail_on_route_error_stops_the_start(routes):
    (routes / "a.json").write_text("{")
    with pytest.raises(ConfigurationError):
        router_over(routes, failOnRouteError=True)


async def test_fail_on_route_error_makes_all_changes_or_none(routes):
    write(routes, "a.json", 201, "/a")
    router = router_over(routes, failOnRouteError=True)
    write(routes, "a.json", 202, "/a")
    (routes / "b.json").write_text("{")
    await router.rescan()
    assert await status(router, "/a") == 201
    (routes / "b.json").unlink()
    await router.rescan()
    assert await status(router, "/a") == 202


def publishing(routes, file, path, **members):
    (routes / file).write_text(
        json.dumps({"handler": {"type": "Publishing", "config": {"path": path}}, **members})
    )


async def test_endpoints_come_and_go_with_their_route(routes):
    publishing(routes, "a.json", "/.well-known/a")
    router = router_over(routes)
    published = router.routes._published
    assert published.find("/.well-known/a") is not None
    publishing(routes, "a.json", "/.well-known/b")
    await router.rescan()
    assert (published.find("/.well-known/a"), published.find("/.well-known/b") is not None) == (None, True)


async def test_the_second_route_with_an_endpoint_is_refused(routes):
    publishing(routes, "a.json", "/.well-known/a")
    publishing(routes, "b.json", "/.well-known/a")
    router = router_over(routes)
    [error] = router.routes.errors()
    assert error.reason == f"/.well-known/a is already served for {routes / 'a.json'} at /handler/config/path"
    assert error.position.pointer == "/handler/config/path"


async def test_routers_share_the_endpoints(routes):
    (routes.parent / "inner").mkdir()
    publishing(routes, "a.json", "/.well-known/a")
    publishing(routes.parent / "inner", "b.json", "/.well-known/a")
    (routes / "z.json").write_text(
        json.dumps({"handler": {"type": "Router", "config": {"directory": "config/inner"}}})
    )
    registry = registry_for(instance_for(routes.parent.parent), {**TYPES, "Publishing": Publishing})
    built(Router, {"type": "Router"}, heap_of(NO_AUDIT, registry=registry))
    assert sorted(len(each.errors()) for each in registry.route_sets) == [0, 1]


async def test_a_nested_router_hands_its_endpoints_to_its_successor(routes):
    inner = routes.parent / "inner"
    inner.mkdir()
    publishing(inner, "b.json", "/.well-known/b")
    outer = {"handler": {"type": "Router", "config": {"directory": "config/inner"}}}
    (routes / "a.json").write_text(json.dumps(outer))
    router = router_over(routes)
    published = router.routes._published
    (routes / "a.json").write_text(json.dumps({**outer, "comment": "changed"}))
    await router.rescan()
    await router.routes.sweep()
    assert (reasons(router), Publishing.closed) == ([], ["/.well-known/b"])
    assert published.find("/.well-known/b") is not None
    (routes / "a.json").unlink()
    await router.rescan()
    await router.routes.sweep()
    assert published.find("/.well-known/b") is None


async def test_a_replaced_route_is_closed_after_its_last_exchange(routes):
    publishing(routes, "a.json", "/one")
    router = router_over(routes)
    exchange = exchange_for()
    await ask(router, exchange)
    publishing(routes, "a.json", "/two")
    await router.rescan()
    await router.routes.sweep()
    assert Publishing.closed == []
    end(exchange)
    await router.routes.sweep()
    assert Publishing.closed == ["/one"]


async def test_what_was_built_in_vain_is_closed(routes):
    publishing(routes, "a.json", "/one")
    (routes / "b.json").write_text(
        json.dumps(
            {"heap": [{"name": "x", "type": "Publishing", "config": {"path": "/two"}}], "handler": "nobody"}
        )
    )
    publishing(routes, "c.json", "/one")
    router = router_over(routes)
    await router.routes.sweep()
    assert sorted(Publishing.closed) == ["/one", "/two"]


async def test_closing_undeploys_everything(routes):
    publishing(routes, "a.json", "/one")
    router = router_over(routes)
    await router.routes.close()
    assert (await status(router), Publishing.closed, router.routes._published.find("/one")) == (
        404,
        ["/one"],
        None,
    )


async def test_the_uri_as_received_is_kept(routes):
    write(routes, "a.json", baseURI="http://backend")
    exchange = exchange_for("/a?b=c")
    await ask(router_over(routes), exchange)
    context = exchange.find(RouterContext)
    assert (context.original_uri, context.route.name) == ("http://client.example/a?b=c", "a")
    assert str(exchange.reached.origin) == "http://backend"


async def test_conditions_on_the_path_alone_are_remembered_but_not_without_end(routes, monkeypatch):
    monkeypatch.setattr("deputize.gateway.loading.route_set.REMEMBERED_PATHS", 3)
    write(routes, "a.json", 201, "/a")
    router = router_over(routes)
    for _ in range(2):
        assert [await status(router, target) for target in ("/a", "/b", "/c", "/d", "/a")] == [
            201,
            404,
            404,
            404,
            201,
        ]
    assert len(router.routes._by_path) <= 3


async def test_other_conditions_are_evaluated_each_time(routes):
    write(routes, "a.json", 201, condition="${request.uri.path == '/a' && request.headers['x'][0] == 'y'}")
    router = router_over(routes)
    for headers, expected in (((), 404), ((("X", "y"),), 201), ((), 404)):
        response = await ask(router, exchange_for("/a", headers=headers))
        assert response.status == expected


@pytest.mark.parametrize(
    ("written", "interval"),
    [("5 seconds", 5.0), (7, 7.0), (-1, None), ("disabled", None), ("unlimited", None)],
)
async def test_scan_interval(routes, written, interval):
    heap = heap_of(registry=registry_for(instance_for(routes.parent.parent)))
    built(Handler, {"type": "RouterHandler", "config": {"scanInterval": written}}, heap_with_alias(heap))
    assert [each for each, _ in heap.deployment.jobs][:1] == ([interval] if interval else [])


def heap_with_alias(heap):
    object.__setattr__(heap.registry, "types", {**TYPES, "RouterHandler": Router})
    return heap


@given(st.permutations(range(6)))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(20)
)
async def test_order_of_files_does_not_matter(tmp_path_factory, order):
    routes = tmp_path_factory.mktemp("instance") / "config" / "routes"
    routes.mkdir(parents=True)
    for place, number in enumerate(order):
        write(routes, f"{place}.json", 200 + number, f"/{number}", name=f"route-{number}")
    router = router_over(routes)
    assert [await status(router, f"/{number}") for number in range(6)] == [
        200 + number for number in range(6)
    ]
    assert [route.identity.name for route in router.routes.routes] == [
        f"route-{number}" for number in range(6)
    ]


@pytest.mark.parametrize(
    ("condition", "taken"),
    [
        ("${request.headers['X-A'][0] != 'b'}", True),
        ("${contexts.mcp.clientPayload.params.name != 'danger'}", False),
        ("${!contexts.oauth2.accessToken.info.blocked}", False),
        ("${contexts.oauth2 == null}", True),
        ("${request.method < 5}", False),
    ],
)
async def test_a_route_takes_only_what_its_condition_can_decide_about(routes, condition, taken):
    """A header that is absent is one answer.

    A context that is never there, or an error, is none, and others may take the request.
    """
    write(routes, "a.json", 201, condition=condition)
    write(routes, "b.json", 202)
    router = router_over(routes)
    with capture_logs() as logs:
        assert [await status(router, "/x"), await status(router, "/y")] == [201 if taken else 202] * 2
    assert len([each for each in logs if each["event"] == "a condition counts as false"]) == (
        0 if taken else 1
    )


async def test_everything_wrong_in_a_file_is_told_at_once_with_its_place(routes):
    (routes / "a.json").write_text("""{
  // one fault a line, from line 3 on
  "condition": "${find(request.uri.path, '^/a'}",
  "baseURI": "&{nowhere}",
  "heap": [
    { "name": "one", "type": "HeaderFiltre" },
    { "type": "HeaderFilter", "config": {} },
    { "name": "two", "type": "StaticResponseHandler", "config": { "status": 99 } },
{"name":"three","type":"HeaderFilter", "config":{"messageType":"REQUEST", "add":{"X":"${contexts.mpc.x}"}}}
  ],
  "handler": { "type": "Chain", "config": { "filters": [
    { "type": "HeaderFilter", "config": { "messageType": "BOTH" } },
    "three", "nobody",
    { "type": "ConditionalFilter", "config": {
      "condition": "${reqest.method == 'GET'}",
      "delegate": { "type": "UriPathRewriteFilter", "config": {
        "mappings": 5 } } } },
    { "type": "StaticResponseHandler", "config": { "status": 200 } }
  ], "handler": "two" } }
}""")
    errors = router_over(routes).routes.errors()
    assert [each.position.line for each in errors] == [3, 4, 6, 7, 8, 9, 12, 15, 17]
    assert all(each.position.column for each in errors)


async def test_building_many_routes_lets_others_be_served(routes, monkeypatch):
    router = router_over(routes)
    for number in range(100):
        write(routes, f"{number:03}.json")
    monkeypatch.setattr(route_set, "SLICE_SECONDS", 0)
    turns, between, most = 0, 0, 0
    build = router.routes._build

    def counting(*given):
        nonlocal between, most
        between += 1
        most = max(most, between)
        return build(*given)

    async def others():
        nonlocal turns, between
        while True:
            turns += 1
            between = 0
            await asyncio.sleep(0)

    router.routes._build = counting
    serving = asyncio.create_task(others())
    await router.rescan()
    serving.cancel()
    assert len(router.routes.routes) == 100
    assert most == 1
    assert turns >= 300  # each file is read, built and told of


async def test_scans_in_slices_follow_each_other(routes):
    router = router_over(routes)
    write(routes, "a.json", 201)
    first = asyncio.create_task(router.rescan())
    await asyncio.sleep(0)
    write(routes, "a.json", 202)
    await asyncio.gather(first, router.rescan())
    assert await status(router) == 202


async def test_many_names_and_ids_are_compared_with_each_other(routes):
    router = router_over(routes)
    write(routes, "a.json", name="one", _id="x")
    write(routes, "b.json", name="two", _id="x")
    write(routes, "c.json", name="one", _id="y")
    await router.rescan()
    assert [error.position.file.rpartition("/")[2] for error in router.routes.errors()] == [
        "b.json",
        "c.json",
    ]


@pytest.mark.parametrize("mended", ["as before", "anew"])
async def test_mending_a_broken_route_is_told(routes, mended):
    write(routes, "a.json", 201)
    good = (routes / "a.json").read_text()
    router = router_over(routes)
    (routes / "a.json").write_text("{")
    await router.rescan()
    with capture_logs() as logs:
        (routes / "a.json").write_text(good if mended == "as before" else good.replace("201", "202"))
        await router.rescan()
        await router.rescan()
    assert [each["route"] for each in logs if "serves again" in each["event"]] == ["a"]


async def test_a_broken_file_that_is_removed_serves_nothing_again(routes):
    (routes / "a.json").write_text("{")
    router = router_over(routes)
    with capture_logs() as logs:
        (routes / "a.json").unlink()
        await router.rescan()
    assert logs == []


async def test_a_route_without_a_condition_that_hides_others_is_warned_about_once(routes):
    write(routes, "mcp.json", 201, "/mcp")
    write(routes, "acme.json", 202)
    write(routes, "zero.json", 203)
    with capture_logs() as logs:
        router = router_over(routes)
        await router.rescan()
    reason = "without a condition it takes every request from the routes that sort after it: 'mcp', 'zero'"
    [warning] = router.routes.warnings()
    assert (warning.position, warning.reason) == (Position(str(routes / "acme.json")), reason)
    assert await status(router, "/mcp") == 202
    assert [line["reason"] for line in logs if line["event"] == "configuration warning"] == [reason]
    write(routes, "acme.json", 202, name="zzz")
    await router.rescan()
    [other] = router.routes.warnings()
    assert (other.position.file, "'zzz'" in other.reason) == (str(routes / "zero.json"), True)
    (routes / "zero.json").unlink()
    await router.rescan()
    assert list(router.routes.warnings()) == []
    assert await status(router, "/mcp") == 201


async def test_a_scan_that_changes_nothing_lets_plans_go_on(routes):
    write(routes, "a.json", 201, "/a", name="a")
    write(routes, "clashing.json", 202, "/b", name="a")
    (routes / "broken.json").write_text("{")
    router = router_over(routes)
    published = router.routes._published.lease
    plan = router.plan(exchange_for("/a").received)
    await router.rescan()
    await router.rescan()
    assert all(lease.ends == math.inf for lease in plan.leases)
    assert published.ends == math.inf
    assert router.plan(exchange_for("/a").received).leases == plan.leases
    write(routes, "clashing.json", 202, "/b", name="b")
    await router.rescan()
    assert any(lease.ends == -math.inf for lease in plan.leases)
    assert await status(router, "/b") == 202


async def test_what_was_built_in_vain_is_closed_and_what_serves_is_not(routes):
    publishing = {"type": "Publishing", "config": {"path": "/published"}}
    write(routes, "a.json", name="a", handler=publishing)
    write(routes, "b.json", name="b", handler=publishing)
    router = router_over(routes)
    await router.rescan()
    await router.rescan()
    await router.routes.sweep()
    assert Publishing.closed == ["/published"] * 3
    assert len(router.routes.routes) == 1


async def test_removing_the_only_route_ends_its_plans(routes):
    write(routes, "a.json", 201, "/a")
    router = router_over(routes)
    plan = router.plan(exchange_for("/a").received)
    (routes / "a.json").unlink()
    await router.rescan()
    assert any(lease.ends == -math.inf for lease in plan.leases)
    assert await status(router, "/a") == 404


async def test_a_path_is_asked_about_once_whatever_the_number_of_routes(routes):
    for number in range(20):
        write(routes, f"{number:02}.json", 201, f"/{number}")
    router = router_over(routes)
    asked = []
    for route in router.routes.routes:
        condition = route._condition
        route._condition = CountingCondition(condition, asked)
    assert [await status(router, "/19") for _ in range(3)] == [201] * 3
    assert len(asked) == 20


async def test_routes_that_read_more_than_the_path_are_asked_each_time_and_keep_their_place(routes):
    write(routes, "a.json", 201, condition="${request.method == 'POST'}", name="a")
    write(routes, "b.json", 202, "/x", name="b")
    write(routes, "c.json", 203, name="c")
    router = router_over(routes)
    seen = []
    for method, target in (("GET", "/x"), ("POST", "/x"), ("GET", "/x"), ("GET", "/y"), ("POST", "/y")):
        exchange = exchange_for(target, method=method)
        seen.append((await ask(router, exchange)).status)
        end(exchange)
    assert seen == [202, 201, 202, 203, 201]


class CountingCondition:
    """Counts how often a route's condition is asked."""

    def __init__(self, condition, asked):
        self._condition, self._asked = condition, asked

    def accepts(self, head):
        self._asked.append(head)
        return self._condition.accepts(head)
