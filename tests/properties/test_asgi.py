"""What a client sends, an ASGI application is given unchanged; what it answers, the client gets."""

from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.asgi import HostedApplication
from deputize.http.heads import chunk
from deputize.http.listener import serve
from support.examples import examples
from support.wire import Client

PLAIN = st.characters(codec="utf-8", exclude_characters="/\\.", exclude_categories=("Cc", "Cs"))
SEGMENTS = st.lists(st.text(PLAIN, min_size=1, max_size=8), max_size=3)
NAMES = st.text("abcXYZ-019", max_size=12).map("X-{}".format)
VALUES = st.text('abc XYZ;=,"/\t~é', max_size=20).map(str.strip)
REQUESTS = st.fixed_dictionaries({
    "method": st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    "segments": SEGMENTS,
    "query": st.none() | st.text("abc=&%+01", max_size=12).map(lambda text: text.replace("%", "%25")),
    "fields": st.lists(st.tuples(NAMES, VALUES), max_size=4),
    "pieces": st.lists(st.binary(min_size=1, max_size=2000), max_size=4),
    "chunked": st.booleans(),
})  # fmt: skip
ANSWERS = st.fixed_dictionaries({
    "status": st.integers(200, 599).filter(lambda status: status not in {204, 304}),
    "fields": st.lists(st.tuples(NAMES, VALUES.map(lambda text: text.replace("é", "e"))), max_size=4),
    "pieces": st.lists(st.binary(max_size=2000), max_size=4),
})  # fmt: skip


class Twin:
    """Answers with what is set; what it was given is kept."""

    def __init__(self):
        self.answer, self.scope, self.body = {}, {}, b""

    async def __call__(self, scope, receive, send):
        self.scope, self.body = scope, b""
        while True:
            message = await receive()
            self.body += message["body"]
            if not message["more_body"]:
                break
        fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.answer["fields"]]
        await send({"type": "http.response.start", "status": self.answer["status"], "headers": fields})
        for piece in self.answer["pieces"]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Handler:
    """Hosts the application at once, without an authority around it."""

    def __init__(self, application):
        self._hosted = HostedApplication(lambda: application, "https://authority.test")

    async def handle(self, exchange):
        return await self._hosted.answer(None, exchange, None)


@given(st.lists(st.tuples(REQUESTS, ANSWERS), min_size=1, max_size=4))
@settings(max_examples=examples(150), deadline=None)
async def test_an_application_and_a_client_get_what_the_other_sent(exchanges):
    twin = Twin()
    listener = await serve(Handler(twin), host="127.0.0.1", port=0)
    try:
        async with Client(listener.port) as client:
            for sent, answered in exchanges:
                twin.answer = answered
                await compare(client, twin, sent, answered)
    finally:
        await listener.close(0)


async def compare(client, twin, sent, answered):
    path = "/hosted" + "".join("/" + quote(segment, safe="") for segment in sent["segments"])
    target = path if sent["query"] is None else f"{path}?{sent['query']}"
    body = b"".join(sent["pieces"])
    if sent["chunked"]:
        framing = [("Transfer-Encoding", "chunked")]
        wire = b"".join(map(chunk, sent["pieces"])) + b"0\r\n\r\n"
    else:
        framing, wire = [("Content-Length", len(body))], body
    await send_exactly(client, sent["method"], target, [*sent["fields"], *framing], wire)
    status, headers = await client.head()
    content = await client._reader.readexactly(int(headers.get("content-length") or 0))

    assert twin.scope["method"] == sent["method"]
    assert twin.scope["path"] == "/hosted" + "".join("/" + segment for segment in sent["segments"])
    assert twin.scope["raw_path"] == path.encode()
    assert twin.scope["query_string"] == (sent["query"] or "").encode()
    assert named(twin.scope["headers"]) == named(latin(sent["fields"]))
    assert twin.body == body
    assert (status, content) == (answered["status"], b"".join(answered["pieces"]))
    assert named(headers.raw) == named(latin(answered["fields"]))


async def send_exactly(client, method, target, fields, body):
    head = "".join(f"{name}: {value}\r\n" for name, value in [("Host", "localhost"), *fields])
    client._writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
    await client._writer.drain()


def latin(fields):
    return [(name.encode(), value.encode("latin-1")) for name, value in fields]


def named(fields):
    """The fields of this test, by names in lower case, in order."""
    return [
        (name.lower(), value)
        for name, value in fields
        if name.lower().startswith(b"x-") and name.lower() != b"x-content-type-options"
    ]
