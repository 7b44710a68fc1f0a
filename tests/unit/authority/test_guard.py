import asyncio
import itertools

import pytest
from structlog.testing import capture_logs

from deputize.authority.guard import CORRELATION_ID, MAX_BODY_SIZE, Guard
from deputize.oauth.consents import AgreementMissing


class Wire:
    """Plays the server's side of ASGI."""

    def __init__(
        self, method="POST", messages=(), path="/e/as/token", headers=((b"host", b"a"),), version="1.1"
    ):
        self.scope = {
            "type": "http",
            "http_version": version,
            "method": method,
            "path": path,
            "query_string": b"code=hidden",
        }
        self.scope["headers"] = list(headers)
        self._messages = list(messages)
        self.sent = []

    async def receive(self):
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])


def part(body, *, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


async def echo(scope, receive, send):
    message = await receive()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"x-id", scope[CORRELATION_ID].encode())]}
    )
    await send({"type": "http.response.body", "body": message["body"]})


async def through(wire, app=echo, *, secure=False, body_seconds=1.0):
    ids = map(str, itertools.count())
    await Guard(app, lambda: next(ids), secure=secure, body_seconds=body_seconds)(
        wire.scope, wire.receive, wire.send
    )
    return wire


async def test_the_body_arrives_whole_however_it_was_cut():
    wire = await through(Wire(messages=[part(b"a=", more=True), part(b"1", more=True), part(b"&b=2")]))
    assert wire.sent[1]["body"] == b"a=1&b=2"


async def test_a_body_at_the_limit_passes():
    assert (await through(Wire(messages=[part(b"x" * MAX_BODY_SIZE)]))).status == 200


async def test_a_body_beyond_the_limit_is_refused_before_it_is_all_read():
    wire = await through(Wire(messages=[part(b"x" * MAX_BODY_SIZE, more=True), part(b"y", more=True)]))
    assert wire.status == 413
    assert wire.headers[b"connection"] == b"close"


async def test_a_body_that_does_not_come_is_given_up():
    assert (await through(Wire(messages=[part(b"a", more=True)]), body_seconds=0.01)).status == 408


async def test_a_body_that_breaks_off_never_reaches_the_endpoint():
    async def never(scope, receive, send):
        pytest.fail("was called")

    wire = await through(Wire(messages=[part(b"a", more=True), {"type": "http.disconnect"}]), never)
    assert wire.status == 400


HOST = (b"host", b"a")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [HOST, HOST],
        [HOST, (b"host", b"b")],
        [(b"host", b"")],
        [(b"host", b"a b")],
        [(b"host", b"a/b")],
        [(b"host", b"user@a")],
        [(b"host", b"a:b")],
        [(b"host", b"a,b c")],
        [HOST, (b"authorization", b"Basic x"), (b"authorization", b"Basic y")],
        [HOST, (b"content-type", b"application/x-www-form-urlencoded"), (b"content-type", b"text/plain")],
        [HOST, (b"transfer-encoding", b"gzip, chunked")],
        [HOST, (b"transfer-encoding", b"chunked, chunked")],
        [HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [HOST, (b"transfer-encoding", b"identity")],
        [HOST, (b"transfer-encoding", b"chunked"), (b"content-length", b"1")],
    ],
)
async def test_a_head_that_can_be_read_in_two_ways_never_reaches_the_endpoint(headers):
    async def never(scope, receive, send):
        pytest.fail("was called")

    wire = await through(Wire(messages=[part(b"a=1")], headers=headers), never)
    assert wire.status == 400
    assert wire.headers[b"connection"] == b"close"


@pytest.mark.parametrize(
    "host",
    [b"localhost", b"localhost:9080", b"127.0.0.1:80", b"[::1]:9080", b"auth.example.com", b"a_b.example"],
)
async def test_a_plain_head_does(host):
    headers = [
        (b"host", host),
        (b"authorization", b"Basic x"),
        (b"transfer-encoding", b"Chunked"),
        (b"cookie", b"a"),
        (b"cookie", b"b"),
    ]
    assert (await through(Wire(messages=[part(b"a=1")], headers=headers))).status == 200


async def test_http_1_0_needs_no_host_and_knows_no_chunks():
    assert (await through(Wire("GET", headers=[], version="1.0"))).status == 200
    chunked = Wire(headers=[HOST, (b"transfer-encoding", b"chunked")], version="1.0")
    assert (await through(chunked)).status == 400


async def test_a_get_is_not_waited_for():
    wire = await through(Wire("GET"))
    assert wire.status == 200


async def test_every_response_says_nosniff_and_over_https_to_keep_to_it():
    plain, secure = await through(Wire("GET")), await through(Wire("GET"), secure=True)
    assert plain.headers[b"x-content-type-options"] == b"nosniff"
    assert b"strict-transport-security" not in plain.headers
    assert secure.headers[b"strict-transport-security"] == b"max-age=31536000"


async def test_one_log_line_a_request_without_its_query():
    with capture_logs() as lines:
        await through(Wire("GET", path="/e/as/authorize\n"))
    assert [(line["event"], line["path"], line["status"], line["correlation_id"]) for line in lines] == [
        ("request", "/e/as/authorize\\n", 200, "0")
    ]
    assert "hidden" not in str(lines)


async def test_other_kinds_of_connection_are_left_alone():
    wire = Wire()
    wire.scope["type"] = "websocket"
    assert (await through(wire)).sent == []


@pytest.mark.parametrize(
    ("error", "told"),
    [(AgreementMissing("no agreement 'Terms'"), "reason"), (ValueError("ours"), "exc_info")],
)
async def test_the_log_has_a_traceback_only_of_faults_of_ours(error, told):
    async def fail(scope, receive, send):
        raise error

    with capture_logs() as lines:
        wire = await through(Wire("GET"), fail)
    assert wire.status == 500
    assert {"reason", "exc_info"} & lines[0].keys() == {told}
    assert str(lines[0][told]) == str(error)
