"""A small HTTP/1.1 client over real sockets that sends exactly what it is given, and recording servers."""

import asyncio
import json
from dataclasses import dataclass

from deputize.http.listener import serve
from deputize.http.messages import Body, Headers, Response
from support.patience import PATIENCE


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes

    def json(self):
        return json.loads(self.body)


class Client:
    """One kept connection to 127.0.0.1.

    `host` is the name it claims to have connected to, also in the TLS handshake.
    """

    def __init__(self, port, host="localhost", tls=None):
        self._port, self._host, self._tls = port, host, tls
        self._reader = self._writer = None

    async def __aenter__(self):
        name = self._host.partition(":")[0] if self._tls else None
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._tls, server_hostname=name
        )
        return self

    async def __aexit__(self, *_):
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

    async def send(self, method, target, headers=(), body=b""):
        fields = [
            ("Host", self._host),
            *headers,
            *([("Content-Length", len(body))] if body or method == "POST" else []),
        ]
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        self._writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await self._writer.drain()

    async def head(self):
        status_line, *lines = (
            (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
        )
        pairs = (line.split(": ", 1) for line in lines)
        return int(status_line.split()[1]), Headers((name.encode(), value.encode()) for name, value in pairs)

    async def chunk(self):
        size = int((await self._reader.readuntil(b"\r\n")).decode(), 16)
        return (await self._reader.readexactly(size + 2))[:size]

    async def ask(self, method, target, headers=(), body=b""):
        await self.send(method, target, headers, body)
        status, fields = await self.head()
        if fields.get("transfer-encoding") == "chunked":
            chunks = []
            while piece := await self.chunk():
                chunks.append(piece)
            return Answer(status, fields, b"".join(chunks))
        return Answer(status, fields, await self._reader.readexactly(int(fields.get("content-length") or 0)))


async def ask(port, method="GET", target="/", headers=(), body=b"", host="localhost", tls=None):
    async with Client(port, host, tls) as client:
        return await asyncio.wait_for(client.ask(method, target, headers, body), PATIENCE)


@dataclass
class Received:
    method: str
    target: str
    headers: Headers
    body: bytes


class Server:
    """Answers on a port of its own with what `answer(request)` returns.

    `received` holds the requests.
    """

    def __init__(self, answer):
        self.received = []
        self._answer = answer

    async def __aenter__(self):
        self._listener = await serve(self, host="127.0.0.1", port=0)
        self.port = self._listener.port
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_):
        await self._listener.close(0)

    async def handle(self, exchange):
        request = exchange.request
        body = await request.body.read(1_000_000)
        self.received.append(Received(request.method, str(request.target), request.headers, body))
        answer = self._answer(self.received[-1])
        return await answer if asyncio.iscoroutine(answer) else answer


def answer_json(document, status=200):
    return Response(
        status, Headers([(b"Content-Type", b"application/json")]), Body(json.dumps(document).encode())
    )


def answer_text(text, status=200):
    return Response(status, Headers([(b"Content-Type", b"text/plain")]), Body(text.encode()))
