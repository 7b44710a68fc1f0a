"""Filters that keep values: assignments, what is found in entities, records of files."""

import pytest

from deputize.gateway.exchange.contexts import AttributesContext
from deputize.http.messages import Body, Headers, Response
from deputize.http.plans import Filter
from deputize.kernel.errors import ConfigurationError
from support.gateway import Answering, built, exchange_for, heap_of, instance_for, registry_for, through


def assign(target, value=None, **more):
    return {"target": target, **({} if value is None else {"value": value}), **more}


async def assigned(on_request=None, on_response=None, backend=None, **exchange):
    """The request that goes on, the answer, and the attributes in the end."""
    config = {"onRequest": on_request or [], "onResponse": on_response or []}
    made, backend = exchange_for(**exchange), backend or Answering()
    response = await through(built(Filter, {"type": "AssignmentFilter", "config": config}), made, backend)
    context = made.find(AttributesContext)
    request = backend.asked[0].request if backend.asked else None
    return request, response, context.attributes if context else None


async def test_parts_of_the_request():
    request, _, _ = await assigned(
        [
            assign("${request.method}", "PUT"),
            assign("${request.uri.path}", "/a b/${request.method}"),
            assign("${request.uri.query}", "q=1&r=a b"),
            assign("${request.headers['X-A'][0]}", "${request.uri.path}"),
            assign("${request.headers['X-B']}", "${array('1', 2)}"),
            assign("${request.headers['Cookie']}"),
            assign("${request.uri.scheme}", "https"),
            assign("${request.uri.host}", "other.example"),
            assign("${request.uri.port}", 8443),
        ],
        headers=[("Cookie", "a=b"), ("x-a", "old"), ("X-A", "older")],
    )
    assert (request.method, str(request.target)) == ("PUT", "/a%20b/PUT?q=1&r=a%20b")
    assert [*request.headers] == [("X-A", "/a b/PUT"), ("X-B", "1"), ("X-B", "2")]
    assert str(request.origin) == "https://other.example:8443"


@pytest.mark.parametrize(
    ("uri", "origin", "target"),
    [
        ("https://s:1/a?b#c", "https://s:1", "/a?b"),
        ("http://s", "http://s", "/"),
        ("http://s?a", "http://s", "/?a"),
    ],
)
async def test_the_whole_uri(uri, origin, target):
    request, _, _ = await assigned(assign("${request.uri}", uri), target="/old?x")
    assert (str(request.origin), str(request.target)) == (origin, target)


async def test_attributes_keep_their_types_and_one_assignment_sees_those_before():
    _, _, attributes = await assigned(
        [
            assign("${attributes.a}", "${array(1, true)}"),
            assign("${contexts.attributes.b['c d']}", "${attributes.a[1]}"),
            assign("${attributes.b.e}", "${length(attributes.a)}"),
            assign("${attributes.never}", "x", condition="${attributes.a[0] == 2}"),
        ]
    )
    assert attributes == {"a": [1, True], "b": {"c d": True, "e": 2}}


async def test_attributes_of_one_call_are_not_those_of_the_next():
    members = {
        "type": "AssignmentFilter",
        "config": {"onRequest": assign("${attributes.a}", "1"), "onResponse": assign("${attributes.b}", "2")},
    }
    decorated = built(Filter, members)
    for _ in range(2):
        exchange = exchange_for()
        await through(decorated, exchange, Answering())
        assert exchange.find(AttributesContext).attributes == {"a": "1", "b": "2"}
        exchange.find(AttributesContext).attributes.clear()


async def test_parts_of_the_response():
    _, response, attributes = await assigned(
        on_response=[
            assign("${response.status}", 202, condition="${response.status.code == 200}"),
            assign("${response.headers['X-A'][0]}", "${request.method} ${response.status.code}"),
            assign("${attributes.seen}", "${response.headers['X-A'][0]}"),
        ],
    )
    assert (response.status, response.headers.get("x-a")) == (202, "GET 202")
    assert attributes == {"seen": "GET 202"}


@pytest.mark.parametrize(
    "target",
    [
        assign("${request.headers['X']}", "${request.queryParams['a'][0]}"),
        assign("${request.uri.path}", "/a/../b"),
        assign("${request.uri.port}", "0"),
        assign("${request.uri.host}", ""),
        assign("${request.uri.scheme}", "ftp"),
        assign("${request.method}", "A B"),
        assign("${request.uri}", "/relative"),
    ],
)
async def test_what_cannot_be_in_a_request_is_refused(target):
    request, response, _ = await assigned(target, target="/?a=x%0Ay")
    assert (request, response.status) == (None, 400)


@pytest.mark.parametrize(
    "target",
    [
        assign("${response.status}", "99"),
        assign("${response.headers['X']}", "${request.queryParams['a'][0]}"),
    ],
)
async def test_what_cannot_be_in_an_answer_is_refused(target):
    _, response, _ = await assigned(on_response=target, target="/?a=x%0Ay")
    assert response.status == 502


@pytest.mark.parametrize(
    "target",
    [
        "attributes.a",
        "${attributes}",
        "${session.a}",
        "${request.entity}",
        "${1}",
        "${attributes[request.method]}",
        "${request.headers}",
        "${request.headers['a'][1]}",
        "a ${attributes.a}",
        "${trim(attributes.a)}",
        "${",
        5,
    ],
)
def test_what_is_no_place_is_refused_at_load(target):
    with pytest.raises(ConfigurationError) as raised:
        built(Filter, {"type": "AssignmentFilter", "config": {"onRequest": [assign(target, "x")]}})
    assert raised.value.position.pointer == "/handler/config/onRequest/0/target"


def extracting(message="REQUEST", **more):
    bindings = [
        {"key": "name", "pattern": 'name="([^"]*)"', "template": "<$1> \\$1 $7"},
        {"key": "whole", "pattern": "n[a-z]+", "template": "$0"},
        {"key": "has", "pattern": "name"},
        {"key": "none", "pattern": "absent", "template": "$0"},
        {"key": "no", "pattern": "absent"},
    ]
    config = {"messageType": message, "target": "${attributes.found}", "bindings": bindings, **more}
    return built(Filter, {"type": "EntityExtractFilter", "config": config})


FOUND = {"name": "<Ännchen> $1 ", "whole": "name", "has": True, "none": None, "no": False}
NONE = {"name": None, "whole": None, "has": False, "none": None, "no": False}
ENTITY = 'name="Ännchen"'


@pytest.mark.parametrize(
    ("content_type", "more", "body", "found"),
    [
        ("text/plain", {}, ENTITY.encode(), FOUND),
        ("text/plain; charset=ISO-8859-1", {}, ENTITY.encode("latin-1"), FOUND),
        ("text/plain; charset=no-such", {}, ENTITY.encode(), FOUND),
        ("text/plain", {"charset": "latin1"}, ENTITY.encode("latin-1"), FOUND),
        ("text/plain", {}, b"", NONE),
    ],
)
async def test_what_is_found_in_a_request(content_type, more, body, found):
    exchange = exchange_for(method="POST", headers=[("Content-Type", content_type)], body=body)
    await through(extracting(**more), exchange, Answering())
    assert exchange.find(AttributesContext).attributes == {"found": found}
    assert exchange.request.body.buffered == body


async def test_what_is_found_in_an_answer():
    exchange = exchange_for()
    response = await through(extracting("response"), exchange, Answering(200, [], ENTITY.encode()))
    assert exchange.find(AttributesContext).attributes == {"found": FOUND}
    assert response.body.buffered == ENTITY.encode()


async def test_what_is_too_long_is_refused():
    backend = Answering()
    long = b"x" * (1024 * 1024 + 1)
    assert (await through(extracting(), exchange_for(method="POST", body=long), backend)).status == 413
    assert backend.asked == []

    class Long:
        closed = False

        async def handle(self, exchange):
            async def close():
                self.closed = True

            return Response(200, Headers(), Body(None, None, len(long), close))

    backend = Long()
    assert (await through(extracting("RESPONSE"), exchange_for(), backend)).status == 502
    assert backend.closed


async def looked_up(tmp_path, text, value, **more):
    (tmp_path / "people.csv").write_text(text)
    config = {
        "file": "people.csv",
        "key": "name",
        "value": "${request.headers['X-Name'][0]}",
        "target": "${attributes.record}",
        **more,
    }
    heap = heap_of(registry=registry_for(instance_for(tmp_path)))
    decorated = built(Filter, {"type": "FileAttributesFilter", "config": config}, heap)

    async def ask(value):
        exchange = exchange_for(headers=[] if value is None else [("X-Name", value)])
        await through(decorated, exchange, Answering())
        return exchange.find(AttributesContext).attributes["record"]

    return await ask(value), ask


CSV = 'name,role\nann,admin\n"bob, jr",user\nann,second\nshort\n\n'


@pytest.mark.parametrize(
    ("value", "record"),
    [
        ("ann", {"name": "ann", "role": "admin"}),
        ("bob, jr", {"name": "bob, jr", "role": "user"}),
        ("short", {"name": "short"}),
        ("eve", None),
        (None, None),
    ],
)
async def test_records_of_a_file(tmp_path, value, record):
    found, _ = await looked_up(tmp_path, CSV, value)
    assert found == record


async def test_fields_may_be_named_in_the_configuration(tmp_path):
    found, _ = await looked_up(
        tmp_path, "1:ann\n", "ann", header=False, fields=["id", "name"], separator="colon"
    )
    assert found == {"id": "1", "name": "ann"}


async def test_a_file_that_changes_is_read_again_and_a_broken_one_is_not(tmp_path):
    _, ask = await looked_up(tmp_path, CSV, "ann")
    (tmp_path / "people.csv").write_text("name,role\neve,user\n")
    assert (await ask("ann"), await ask("eve")) == (None, {"name": "eve", "role": "user"})
    (tmp_path / "people.csv").write_text("role\nuser\n")
    assert await ask("eve") == {"name": "eve", "role": "user"}


@pytest.mark.parametrize(
    ("text", "more", "key"),
    [
        (CSV, {"file": "absent.csv"}, "file"),
        (CSV, {"key": "absent"}, "file"),
        ("", {}, "file"),
        ('name\n"open', {}, "file"),
        (CSV, {"header": False}, "fields"),
        (CSV, {"separator": "::"}, "separator"),
        (CSV, {"charset": "no-such"}, "charset"),
        (CSV, {"target": "${request.method}"}, "target"),
    ],
)
async def test_what_cannot_be_looked_up_is_refused_at_load(tmp_path, text, more, key):
    with pytest.raises(ConfigurationError) as raised:
        await looked_up(tmp_path, text, "ann", **more)
    assert raised.value.position.pointer == f"/handler/config/{key}"
