"""Hosts of documents: real TLS servers on loopback, under names that only the test's resolver knows."""

import asyncio
import gzip
import ssl
import sys
from contextlib import contextmanager
from ipaddress import ip_network

from deputize.authority.fetching import Fetcher, Fetching
from deputize.http.tls import server_context
from support.certificates import self_signed

_tried = []
sys.addaudithook(lambda event, args: _tried.append(args[1]) if event == "socket.connect" else None)


@contextmanager
def connection_attempts():
    """What this process tries to connect to meanwhile, as the interpreter itself tells."""
    _tried.clear()
    yield _tried


LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
NAME = "clients.example"


class DocumentHost:
    """Serves bytes over TLS as the host `NAME`, and counts connections and requests.

    `answer` is what comes to every request, or a coroutine function that is given reader and writer.
    """

    def __init__(self, answer=b"", *, name=NAME, tls=True):
        self.answer = answer
        self.name = name
        self.connections = 0
        self.requests = []
        key, self.ca_pem = self_signed(name)
        self._tls = server_context(self.ca_pem, key) if tls else None
        self._tasks = set()
        self._transports = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.origin = f"https://{self.name}:{self.port}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in self._transports:  # browsers do not answer that a connection ends
            transport.abort()
        await asyncio.sleep(0)

    async def _connected(self, reader, writer):
        self.connections += 1
        self._tasks.add(asyncio.current_task())
        self._transports.append(writer.transport)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head.decode("latin-1"))
            if callable(self.answer):
                await self.answer(reader, writer)
            else:
                writer.write(self.answer)
                await writer.drain()
        except (OSError, EOFError, ssl.SSLError):
            pass  # the client has gone, as it should where the answer is too much
        finally:
            writer.close()
            self._tasks.discard(asyncio.current_task())

    def fetcher(self, addresses=("127.0.0.1",), networks=LOOPBACK):
        """A fetcher that trusts this host's authority, and finds every name at `addresses`."""
        return Fetcher(Fetching(networks, self.ca_pem), resolving(addresses))


def resolving(addresses):
    """A resolver with these answers for every name; `asked` holds what it was asked."""

    async def resolve(host):
        resolve.asked.append(host)
        return addresses

    resolve.asked = []
    return resolve


def json_answer(content, status="200 OK", fields=()):
    """The bytes of an answer with that content."""
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        *(f"{name}: {value}" for name, value in fields),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


async def drip(_, writer):
    """Answer a byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.001)


async def send_interim_answers(_, writer):
    """Send interim answers for ever."""
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.001)


async def say_nothing(reader, _):
    """Take everything and say nothing."""
    await reader.read()


CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = (drip, send_interim_answers, say_nothing)
"""What a host may do for as long as it is let."""
UNACCEPTABLE = {
    "redirect": json_answer(b"", "302 Found", [("Location", "https://127.0.0.1/x")]),
    "permanent redirect": json_answer(b"", "308 Permanent Redirect", [("Location", "/x")]),
    "not found": json_answer(b"{}", "404 Not Found"),
    "gone": json_answer(b"{}", "410 Gone"),
    "another success": json_answer(b"{}", "203 Non-Authoritative Information"),
    "a page": json_answer(b"{}").replace(b"application/json", b"text/html"),
    "no type": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "two types": json_answer(b"{}", fields=[("Content-Type", "text/html")]),
    "compressed": json_answer(gzip.compress(bytes(10_000_000)), fields=[("Content-Encoding", "gzip")]),
    "10 MB": json_answer(b"x" * 10_000_000),
    "6 MB in chunks": CHUNKED_HEAD + b"ffff\r\n%b\r\n" % (b"x" * 0xFFFF) * 100,
}
"""What a host may say that is no document, now and later."""
BROKEN = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "NULs": bytes(100),
    "fields without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    "a field without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000,
    "unavailable": json_answer(b"{}", "503 Service Unavailable"),
    "too many requests": json_answer(b"{}", "429 Too Many Requests"),
    "cut off": json_answer(b"{}")[:-1],
    "nothing": b"",
}
"""What a host may say that tells nothing about the document."""
