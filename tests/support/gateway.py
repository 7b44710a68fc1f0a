"""Heaps, exchanges and routes for tests of the gateway, without sockets."""

import json
from pathlib import Path
from types import MappingProxyType

from deputize.gateway.audit import AUDIT_OBJECTS
from deputize.gateway.config.file_settings import DEFAULT_OBJECTS
from deputize.gateway.config.instance import Instance
from deputize.gateway.config.properties import Properties, outermost
from deputize.gateway.decorators import DECORATORS
from deputize.gateway.exchange.recording import commit_decision
from deputize.gateway.filters import FILTERS
from deputize.gateway.handlers import HANDLERS
from deputize.gateway.handlers.chain import Chain
from deputize.gateway.loading.context import Registry
from deputize.gateway.loading.deployment import Deployment
from deputize.gateway.loading.heap import Heap, read_declarations
from deputize.http import plans
from deputize.http.exchange import Exchange, Peer
from deputize.http.messages import Body, Headers, Request, Response
from deputize.http.plans import as_filter, as_handler
from deputize.kernel.errors import Position
from deputize.kernel.uris import parse_origin, parse_target

DIRECTORY = Path("/instance")
TYPES = {kind.__name__: kind for kind in (*HANDLERS, *FILTERS, *AUDIT_OBJECTS, *DECORATORS)}
DEFAULT_DECORATORS = [each for each in DEFAULT_OBJECTS if each["type"].endswith("Decorator")]


class FixedClock:
    def __init__(self, now=1_700_000_000.0):
        self.time = now

    def now(self):
        return self.time


def instance_for(directory=DIRECTORY, *, streaming=True, environment=MappingProxyType({})):
    return Instance(directory, FixedClock(), streaming, dict(environment))


def registry_for(instance=None, types=None):
    return Registry(instance or instance_for(), TYPES if types is None else types)


def heap_of(*objects, registry=None, parent=None, properties=None, decorators=()):
    registry = registry or (parent.registry if parent else registry_for())
    outer = parent.properties if parent else Properties({}, outermost(registry.instance))
    own = Properties(properties or {}, outer.lookup, outer.visible)
    declared = read_declarations(list(objects), Position("test.json", "/heap"))
    if parent is None and not any(each.get("name") == "baseURI" for each in objects):
        parent = heap_of(*DEFAULT_DECORATORS, registry=registry)
    return Heap(declared, registry, Deployment(), own, parent, global_decorators=decorators)


def built(kind, members, heap=None):
    """Build the object that inline configuration stands for."""
    return (heap or heap_of()).resolve(members, kind, Position("test.json", "/handler"))


def exchange_for(
    target="/",
    method="GET",
    headers=(),
    body=b"",
    origin="http://client.example",
    secure=False,
    certificate=None,
):
    request = Request(
        method,
        parse_target(target.encode()),
        Headers((name.encode(), value.encode()) for name, value in headers),
        Body(body),
        parse_origin(origin),
    )
    peer = Peer("192.0.2.7", 50123, "192.0.2.1", 8080, secure, certificate)
    return Exchange(request, peer, "transaction-1", 0.0, FixedClock().now())


class Answering:
    """An upstream that remembers its requests and gives the same answer each time."""

    def __init__(self, status=200, headers=(), body=b""):
        self.asked = []
        self._answer = status, headers, body

    async def handle(self, exchange):
        unrecorded = await commit_decision(exchange)
        if unrecorded is not None:
            return unrecorded
        self.asked.append(exchange)
        status, headers, body = self._answer
        return Response(
            status, Headers((name.encode(), value.encode()) for name, value in headers), Body(body)
        )


def write_json(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


async def ask(handler, exchange):
    """The answer of a handler, of either form, to an exchange."""
    return await plans.ask(as_handler(handler), exchange)


async def through(some_filter, exchange, backend):
    """The answer that comes out of a filter in front of a backend, each of either form."""
    return await ask(Chain([as_filter(some_filter)], as_handler(backend)), exchange)
