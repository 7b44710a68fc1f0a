"""Two gateways with the same configuration, of which one remembers plans, driven side by side.

Everything runs in memory: bytes go into the connections of real listeners, and what a gateway sends to its
upstream is answered by a protocol in the same event loop.
"""

import asyncio
import contextlib
import hashlib
import json
import re
import socket
import tempfile
import zlib
from pathlib import Path
from unittest import mock
from urllib.parse import parse_qsl

import structlog

from deputize.audit.publisher import AuditPublisher
from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.gateway.catalogue import HEAP_TYPES
from deputize.gateway.config.settings import Settings
from deputize.gateway.exchange.contexts import read_claims
from deputize.gateway.exchange.recording import unheard_audit
from deputize.gateway.loading.instance import load
from deputize.gateway.resolvers.cache import CacheAccessTokenResolver, TokenCache
from deputize.gateway.resolvers.resolution import RejectedToken
from deputize.http.listener import Records
from deputize.http.messages import Body, Response
from deputize.secrets.secret import GenericSecret
from support.gateway import FixedClock, exchange_for, write_json
from support.in_memory import connect, listener_in_memory

_ELAPSED = re.compile(r'"elapsedTime":\d+')
_AFTER = re.compile(rb"Retry-After: [0-9]+")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_MOST_TURNS = 2000
HEADER_BYTES = 4096
ANSWERS = [
    (
        b"200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n"
        b'{"jsonrpc":"2.0","id":1,"result":{}}'
    ),
    (
        b"200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'2\r\n{"\r\n9\r\nid":1234}\r\n0\r\n\r\n'
    ),
    b"200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata: x\n\n",
    (
        b"200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"9\r\ndata: x\n\n\r\n0\r\n\r\n"
    ),
    b"200 OK\r\nMcp-Session-Id: server-1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    b"200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok",
    b"401 Unauthorized\r\nWWW-Authenticate: Bearer realm=x\r\nContent-Length: 2\r\n\r\nno",
    b"302 Found\r\nLocation: /inner/next\r\nContent-Length: 0\r\n\r\n",
    b"302 Found\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
    b"502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    b"202 Accepted\r\nContent-Length: 0\r\n\r\n",
    b"404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    b"204 No Content\r\n\r\n",
    b"",  # closes instead of answering
    b"nonsense\r\n\r\n",
]


class MemoryLoop(asyncio.SelectorEventLoop):
    """An event loop that connects to the `twin` that is being driven."""

    twin = None

    def __init__(self):
        super().__init__()
        self.quiet = _Quiet()

    def close(self):
        super().close()
        self.quiet.close()

    async def create_connection(self, protocol_factory, *_, **__):
        protocol = protocol_factory()
        transport = _UpstreamTransport(self, protocol, self.twin)
        protocol.connection_made(transport)
        return transport, protocol

    async def settle(self):
        """Run until nothing is left that can run now."""
        for _ in range(_MOST_TURNS):
            await asyncio.sleep(0)
            if not self._ready:
                return
        raise AssertionError("the gateway does not come to rest")


class _Quiet:
    """A socket for which the kernel has no news."""

    def __init__(self):
        self._pair = socket.socketpair()

    def fileno(self):
        return self._pair[0].fileno()

    def setsockopt(self, *_):
        pass

    def close(self):
        for each in self._pair:
            each.close()


class _UpstreamTransport:
    """The way to the upstream server, and that server."""

    def __init__(self, loop, protocol, twin):
        self._loop = loop
        self._protocol = protocol
        self._twin = twin
        self._received = b""
        self._closing = False

    def get_extra_info(self, name):
        return self._loop.quiet if name == "socket" else None

    def set_write_buffer_limits(self, *_):
        pass

    def get_write_buffer_size(self):
        return 0

    def is_closing(self):
        return self._closing

    def pause_reading(self):
        pass

    resume_reading = pause_reading

    def write(self, data):
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or self._closing:
            return
        stated = _LENGTH.search(head + b"\r\n")
        if b"chunked" in head.lower():
            if not body.endswith(b"0\r\n\r\n"):
                return
            # how a body was cut into chunks depends on how it came
            body = re.sub(rb"(?:^|\r\n)[0-9a-f]+\r\n", b"", body)
        elif len(body) < int(stated[1] if stated else 0):
            return
        self._received = b""
        self._twin.sent_up.append(head + end + body)
        answer = ANSWERS[zlib.crc32(body + head.split(b" ")[0]) % len(ANSWERS)]
        if head.startswith(b"HEAD"):
            answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if answer else b""
        self._loop.call_soon(self._answer, answer)

    def _answer(self, answer):
        if self._closing:
            return
        if answer:
            self._protocol.data_received(b"HTTP/1.1 " + answer)
        else:
            self.abort()

    def abort(self):
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    close = abort


class _Sink:
    topics = frozenset({"access", "mcp"})

    def __init__(self, twin):
        self._twin = twin

    def taker(self, topic):
        return self._take

    def _take(self, record):
        self._twin.records.append(_ELAPSED.sub('"elapsedTime":0', record.text))
        self._twin.instance.registry.trail.at_end_of_turn(lambda: None)

    def committer(self, topic):
        async def commit(record):
            await asyncio.sleep(0)
            self._take(record)

        return commit

    async def close(self):
        pass


class Twin:
    """One gateway, and what it has sent, recorded and asked since `take` was called last."""

    def __init__(self, known, authority):
        """`known` are the claims of tokens; it and `authority` are shared with the other twin."""
        self.known = known
        self.authority = authority
        self.caches = []
        self.sent_up, self.records, self.asked, self.logged = [], [], [], []
        self.connections = {}
        self.listeners = {}
        self.nonces = 0
        self.secrets = {"first": b"1" * 32, "second": b"2" * 32}
        """What a `RotatingStore` has, to be changed."""

    async def load(self, directory, clock, plans):
        self.directory = directory
        self.instance = await load(directory, {}, clock, HEAP_TYPES.by_name | self._types())
        for secure in (False, True):
            listener = listener_in_memory(
                self.instance.entry,
                clock=clock,
                secure=secure,
                plans=plans,
                body_bytes=100_000,
                header_bytes=HEADER_BYTES,
                host_names=frozenset({"a", "b"}),
            )
            registry = self.instance.registry
            listener.records = Records(registry.trail.hold, unheard_audit(registry.audit_services))
            listener.transaction_ids._prefix = "clear" if not secure else "tls"
            self.listeners[secure] = listener

    def take(self):
        taken = self.sent_up, self.records, self.asked, self.logged
        self.sent_up, self.records, self.asked, self.logged = [], [], [], []
        return taken

    def connection(self, name):
        """The connection of that name (address, port, secure), a new one unless it is open."""
        found = self.connections.get(name)
        if found is None or found[1].is_closing() or found[1].ended:
            address, port, secure = name
            found = self.connections[name] = connect(self.listeners[secure], (address, port))
        return found

    def leave(self, name):
        found = self.connections.pop(name, None)
        if found is not None:
            found[1].closing = True
            found[0].connection_lost(ConnectionResetError())

    def _types(self):
        twin = self

        class Tokens:
            class Config(Settings):
                pass

            @classmethod
            def build(cls, config, context):
                return cls()

            async def resolve(self, token, exchange):
                twin.asked.append(token)
                await asyncio.sleep(0)
                claims = twin.known.get(token)
                if isinstance(claims, int):
                    raise AuthorityError(claims, "cannot say")
                if claims is None or claims.get("exp", clock_end) <= exchange_clock():
                    return RejectedToken("not active")
                return read_claims(token, claims, claims.get("exp"))

        clock_end = float("inf")

        def exchange_clock():
            return twin.instance.registry.instance.clock.now()

        class NotedCache:
            Config = CacheAccessTokenResolver.Config

            @classmethod
            def build(cls, config, context):
                cache = CacheAccessTokenResolver.build(config, context)
                if isinstance(cache, TokenCache):
                    twin.caches.append(cache)
                return cache

        class MemoryAudit:
            class Config(Settings):
                strict: bool = False

            @classmethod
            def build(cls, config, context):
                return AuditPublisher((_Sink(twin),), config.strict)

        class Extension:
            """Written for each call: reads and changes the request, and the answer."""

            class Config(Settings):
                pass

            @classmethod
            def build(cls, config, context):
                return cls()

            async def filter(self, exchange, next):
                names = exchange.request.headers.get_all("mcp-name")
                exchange.request.headers.set("X-Extended", f"{len(names)} {exchange.request.method}")
                response = await next(exchange)
                response.headers.add("X-Extended", exchange.transaction_id)
                return response

        class RotatingStore:
            Config = Extension.Config

            @classmethod
            def build(cls, config, context):
                return cls()

            def find(self, secret_id):
                return GenericSecret(twin.secrets[secret_id])

            def place(self, secret_id):
                return secret_id

        class Authority:
            """Answers as an authorization server: what it is asked is noted, a question and its form."""

            Config = Extension.Config

            @classmethod
            def build(cls, config, context):
                return cls()

            async def handle(self, exchange):
                path = exchange.request.target.path
                form = (await exchange.body.read(HEADER_BYTES)).decode()
                twin.asked.append(f"{path} {form}")
                await asyncio.sleep(0)
                status, document = twin.authority(path, dict(parse_qsl(form)))
                return Response(status, body=Body(json.dumps(document).encode()))

        kinds = (Tokens, NotedCache, MemoryAudit, Extension, RotatingStore, Authority)
        return {kind.__name__: kind for kind in kinds}


class Twins:
    """Both gateways: `forgetful` prepares each request anew, `mindful` remembers plans."""

    def __init__(self, loop, clock, known, forgetful, mindful):
        self.loop, self.clock, self.known = loop, clock, known
        self.both = self.forgetful, self.mindful = forgetful, mindful

    async def each(self, drive):
        """Have `drive` do the same to both; return what came of it with each: bytes, records, logs."""
        outcomes = []
        for twin in self.both:
            self.loop.twin = twin
            drive(twin)
            await self.loop.settle()
            answers = {}
            for name, (_, transport) in twin.connections.items():
                if transport.written or transport.closing:
                    written = _AFTER.sub(b"Retry-After: ?", transport.written)  # depends on the time
                    answers[name] = written, transport.closing or transport.ended
                    transport.written = b""
            outcomes.append((answers, *twin.take()))
        return outcomes

    def write_routes(self, routes):
        """Put `routes`, by name, in place of those that are there."""
        for twin in self.both:
            folder = twin.directory / "config" / "routes"
            for old in folder.iterdir():
                old.unlink()
            for name, route in routes.items():
                write_json(folder / f"{name}.json", {"name": name, **route})

    async def revoke(self, token):
        """Have every cache ask about `token` again, as an open event stream does."""
        for twin in self.both:
            self.loop.twin = twin
            for cache in twin.caches:
                with contextlib.suppress(AuthorityError):
                    await cache.resolve_anew(token, exchange_for())
            twin.take()

    def pass_time(self, seconds):
        self.clock.time += seconds
        for twin in self.both:
            for listener in twin.listeners.values():
                listener.update_date()


@contextlib.asynccontextmanager
async def twin_gateways(routes, known, *, heap=(), streaming=True, plans=64, authority=None):
    """Load both gateways with `routes` by name, and `known` claims by token. In a `MemoryLoop`.

    `authority` says how the heap type `Authority` answers: (path, form) to status and document.
    """
    loop, clock = asyncio.get_running_loop(), FixedClock()
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("deputize.secrets.sealing.random_bytes", lambda count: _draw(loop.twin, count)),
    ):
        twins = Twins(loop, clock, known, Twin(known, authority), Twin(known, authority))
        for twin, name in ((twins.forgetful, "forgetful"), (twins.mindful, "mindful")):
            twin.directory = Path(folder) / name
            config = twin.directory / "config"
            write_json(config / "admin.json", {"streamingEnabled": streaming})
            handler = {"type": "Router", "config": {"scanInterval": "disabled"}}
            write_json(config / "config.json", {"heap": list(heap), "handler": handler})
            (config / "routes").mkdir()
        twins.write_routes(routes)
        with structlog.testing.capture_logs() as logged:
            for twin, most in ((twins.forgetful, 0), (twins.mindful, plans)):
                loop.twin = twin
                await twin.load(twin.directory, clock, most)
                assert not twin.instance.errors(), twin.instance.errors()
            structlog.configure(processors=[_Noting(loop)])
            try:
                yield twins
            finally:
                for twin in twins.both:
                    for name in list(twin.connections):
                        twin.leave(name)
                    await loop.settle()
                    await twin.instance.deployment.close()
                    await loop.settle()
                logged.clear()


class _Noting:
    """Keeps log lines of the twin that is being driven."""

    def __init__(self, loop):
        self._loop = loop

    def __call__(self, logger, level, event):
        twin = self._loop.twin
        pairs = [(key, str(value).replace(str(twin.directory), "")) for key, value in event.items()]
        twin.logged.append((level, sorted(pairs)))
        raise structlog.DropEvent


def _draw(twin, count):
    """Random bytes that are the same for both twins, in the order in which they are drawn."""
    twin.nonces += 1
    return hashlib.sha256(b"%d" % twin.nonces).digest()[:count]
