"""Hosts of documents: real TLS servers on loopback, under names that only the test's resolver knows."""

import asyncio
import ssl
from ipaddress import ip_network

from deputize.authority.fetching import Fetcher, Fetching
from deputize.http.tls import server_context
from support.certificates import self_signed

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

    async def _connected(self, reader, writer):
        self.connections += 1
        self._tasks.add(asyncio.current_task())
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
