"""ASGI applications behind the authority's own listener: what they get, and what becomes of what they do."""

import asyncio
import json
import threading
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from deputize.authority import asgi
from deputize.authority.asgi import MAX_REQUEST_SIZE
from deputize.authority.serve import LIMITS
from deputize.http.messages import BodyTooLarge
from support.hosted import hosting
from support.patience import PATIENCE
from support.wire import Client, ask


async def echo(scope, receive, send):
    """Answer with what was received."""
    message = await receive()
    said = {
        **{name: scope[name] for name in ("method", "path", "scheme", "http_version", "client", "server")},
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "query": scope["query_string"].decode(),
        "body": message["body"].decode("latin-1"),
        "correlation_id": scope["state"]["correlation_id"],
    }
    await answer(send, json.dumps(said).encode())


async def answer(send, *chunks, status=200, headers=()):
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})


async def test_an_application_is_given_the_request(tmp_path):
    fields = [("Cookie", "a=1"), ("Cookie", "b=2"), ("Content-Type", "text/plain")]
    async with hosting(tmp_path, echo) as served:
        got = await ask(served.port, "POST", "/hosted/a%20b?x=%31&x=2", fields, b"body")
    said = got.json()
    assert (said["method"], said["path"], said["query"], said["body"]) == (
        "POST", "/hosted/a b", "x=%31&x=2", "body",
    )  # fmt: skip
    assert said["client"][0] == "127.0.0.1"
    for name, value in fields:
        assert [name.lower(), value] in said["headers"]


async def test_host_and_scheme_are_the_base_urls_whatever_the_request_says(tmp_path):
    async with hosting(tmp_path, echo) as served:
        said = (await ask(served.port, "GET", "/hosted", host="evil.example")).json()
    assert [value for name, value in said["headers"] if name == "host"] == ["authority.test"]
    assert (said["scheme"], said["server"]) == ("https", ["authority.test", 443])


async def test_an_answer_has_the_authoritys_fields_and_no_framing_of_the_application(tmp_path):
    async def chatty(_scope, _receive, send):
        await answer(
            send, b"one", b"two", status=418,
            headers=[(b"x-a", b"1"), (b"content-length", b"999"), (b"transfer-encoding", b"chunked"),
                     (b"connection", b"close")],
        )  # fmt: skip

    async with hosting(tmp_path, chatty) as served, Client(served.port) as client:
        for _ in range(2):  # the connection is kept
            got = await client.ask("GET", "/hosted/x")
            assert (got.status, got.body, got.headers.get("x-a")) == (418, b"onetwo", "1")
            assert got.headers.get("x-content-type-options") == "nosniff"
            assert got.headers.get("strict-transport-security")
            assert got.headers.get_all("content-length") == ["6"]
            assert got.headers.get("connection") is None


async def test_head_is_get_without_its_body(tmp_path):
    async with hosting(tmp_path, echo) as served, Client(served.port) as client:
        await client.send("HEAD", "/hosted/x")
        status, headers = await client.head()
        assert status == 200
        assert int(headers.get("content-length")) > 0
        assert (await client.ask("GET", "/hosted/x")).json()["method"] == "GET"


async def test_each_request_has_one_log_line_with_the_correlation_id_that_the_application_knows(tmp_path):
    async with hosting(tmp_path, echo) as served:
        with capture_logs() as logs:
            said = (await ask(served.port, "GET", "/hosted/x?secret=1")).json()
    lines = [line for line in logs if line["event"] == "request"]
    assert [(line["path"], line["status"], line["correlation_id"]) for line in lines] == [
        ("/hosted/x", 200, said["correlation_id"])
    ]


async def test_bodies_are_bounded(tmp_path):
    async with hosting(tmp_path, echo) as served:
        got = await ask(served.port, "POST", "/hosted", body=b"x" * MAX_REQUEST_SIZE)
        assert len(got.json()["body"]) == MAX_REQUEST_SIZE
        for fields in ([], [("Expect", "100-continue")]):
            got = await ask(
                served.port, "PUT", "/hosted", [*fields, ("Content-Length", MAX_REQUEST_SIZE + 1)]
            )
            assert got.status == 413


async def test_an_application_may_say_itself_that_a_body_is_too_large(tmp_path):
    async def polite(_scope, receive, send):
        try:
            await receive()
        except BodyTooLarge:
            await answer(send, b"too much", status=413)

    async with hosting(tmp_path, polite) as served:
        got = await ask(served.port, "PUT", "/hosted", [("Content-Length", MAX_REQUEST_SIZE + 1)])
    assert (got.status, got.body) == (413, b"too much")


async def test_answers_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(asgi, "MAX_ANSWER_SIZE", 10)

    async def endless(_scope, _receive, send):
        await answer(send, b"12345", b"12345", b"1")

    async with hosting(tmp_path, endless) as served:
        assert (await ask(served.port, "GET", "/hosted")).status == 500


async def raising(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise LookupError("a secret thing")


async def silent(_scope, _receive, _send):
    """Return without an answer."""


async def starting_twice(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def informing(_scope, _receive, send):
    await answer(send, status=103)


async def splitting(_scope, _receive, send):
    await answer(send, headers=[(b"x-a", b"1\r\nSet-Cookie: a=b")])


@pytest.mark.parametrize("broken", [raising, silent, starting_twice, informing, splitting])
async def test_what_fails_before_it_has_answered_is_a_500_that_tells_nothing(tmp_path, broken):
    async with hosting(tmp_path, broken) as served, Client(served.port) as client:
        got = await client.ask("GET", "/hosted")
        assert got.status == 500
        assert b"secret" not in got.body
        assert b"half" not in got.body
        assert got.headers.get("set-cookie") is None


async def test_what_fails_after_it_has_answered_has_answered_and_is_logged(tmp_path):
    async def late(_scope, _receive, send):
        await answer(send, b"sorry", status=500)
        raise LookupError

    async with hosting(tmp_path, late) as served:
        with capture_logs() as logs:
            got = await ask(served.port, "GET", "/hosted")
    assert (got.status, got.body) == (500, b"sorry")
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["request failed"]


async def test_an_application_that_is_too_slow_is_given_up(tmp_path, monkeypatch):
    ended, calls = asyncio.Event(), []

    async def slow(_scope, _receive, send):
        calls.append(1)
        if len(calls) == 1:
            return await answer(send, b"here")
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with hosting(tmp_path, slow) as served:
        await ask(served.port, "GET", "/hosted")  # loads it, which takes its time in a thread
        monkeypatch.setattr(asgi, "ANSWER_SECONDS", 0.02)
        got = await ask(served.port, "GET", "/hosted")
        assert got.status == 503
        assert got.headers.get("retry-after")
    assert ended.is_set()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_only_reads_is_given_up_when_its_client_leaves_and_a_change_goes_on(tmp_path, method):
    begun, released, ended = asyncio.Event(), asyncio.Event(), []

    async def waiting(_scope, receive, send):
        await receive()
        begun.set()
        try:
            await released.wait()
            ended.append("done")
        except asyncio.CancelledError:
            ended.append("given up")
            raise
        finally:
            finished.set()
        await answer(send)

    finished = asyncio.Event()
    async with hosting(tmp_path, waiting) as served, asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(f"{method} /hosted HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
        await begun.wait()
        writer.transport.abort()
        if method == "GET":
            await finished.wait()
        released.set()
        await finished.wait()
    assert ended == ["given up" if method == "GET" else "done"]


async def test_a_body_that_falls_silent_is_408(tmp_path):
    limits = replace(LIMITS, body_idle_seconds=0.05, linger_seconds=0.05, tick_seconds=0.01)
    async with hosting(tmp_path, echo, limits) as served:
        got = await ask(served.port, "PUT", "/hosted", [("Content-Length", 5)])
    assert got.status == 408


async def test_after_its_body_a_client_is_told_to_have_left_once_it_is_answered(tmp_path):
    received = []

    async def curious(_scope, receive, send):
        received.append((await receive())["type"])
        await answer(send)
        received.append((await receive())["type"])

    async with hosting(tmp_path, curious) as served:
        await ask(served.port, "GET", "/hosted")
    assert received == ["http.request", "http.disconnect"]


async def test_it_is_loaded_once_when_it_is_first_asked_for_and_not_in_the_event_loops_thread(tmp_path):
    threads = []

    class Loading:
        def __init__(self):
            threads.append(threading.current_thread())

        def __call__(self, *call):
            return echo(*call)

    async with hosting(tmp_path, Loading) as served:
        assert (await ask(served.port, "GET", "/health/live")).status == 200
        assert served.loads == 0
        await asyncio.gather(*(ask(served.port, "GET", "/hosted") for _ in range(5)))
        assert served.loads == 1
    assert threads != [threading.current_thread()]


async def test_what_could_not_be_loaded_is_tried_again(tmp_path):
    class Second:
        attempts = 0

        def __init__(self):
            Second.attempts += 1
            if Second.attempts == 1:
                raise ImportError

        def __call__(self, *call):
            return echo(*call)

    async with hosting(tmp_path, Second) as served:
        assert (await ask(served.port, "GET", "/hosted")).status == 500
        assert (await ask(served.port, "GET", "/hosted")).status == 200
        assert served.loads == 2


@pytest.mark.parametrize("target", ["/hostedx", "/x/hosted", "/Hosted", "/%68osted"])
async def test_only_the_first_segment_as_it_is_written_leads_there(tmp_path, target):
    async with hosting(tmp_path, echo) as served:
        assert (await ask(served.port, "GET", target)).status == 404
        assert served.loads == 0
