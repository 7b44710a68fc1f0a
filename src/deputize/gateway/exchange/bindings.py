"""What expressions see of an exchange: mappings that compute a member only when it is read.

Nothing here is reachable by attribute: an expression walks mappings and lists, so it can see exactly the
names listed below.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from http.cookies import CookieError, SimpleCookie
from typing import Generic, TypeVar, cast
from urllib.parse import parse_qs, unquote

from deputize.gateway.config.instance import Instance
from deputize.gateway.exchange.contexts import AttributesContext, BoundContext, Shape
from deputize.http.exchange import Exchange, Peer
from deputize.http.messages import Body, Headers, Request, Response
from deputize.kernel import strict_json
from deputize.kernel.clock import Clock
from deputize.kernel.uris import Origin, Target

Subject = TypeVar("Subject")
Readers = Mapping[str, Callable[[Subject], object]]


class View(Mapping[str, object], Generic[Subject]):
    """A mapping whose members are computed from a subject, each when it is read."""

    __slots__ = ("_readers", "_subject")

    def __init__(self, subject: Subject, readers: Readers[Subject]) -> None:
        self._subject = subject
        self._readers = readers

    def __getitem__(self, name: str) -> object:
        return self._readers[name](self._subject)

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


class HeadersView(Mapping[str, object]):
    """Header name, in any case, to the list of its values."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> list[str]:
        values = self._headers.get_all(name) if name.isascii() else []
        if not values:
            raise KeyError(name)
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._headers))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Bindings(Mapping[str, object]):
    """The root names of runtime expressions for one exchange."""

    __slots__ = ("exchange", "instance", "properties", "response")

    def __init__(
        self,
        exchange: Exchange,
        response: Response | None,
        instance: Instance,
        properties: Mapping[str, object],
    ) -> None:
        """`properties` are those in force where the expression stands.

        They are also names of their own, hidden by the built-in ones.
        """
        self.exchange = exchange
        self.response = response
        self.instance = instance
        self.properties = properties

    def __getitem__(self, name: str) -> object:
        reader = _ROOTS.get(name)
        return self.properties[name] if reader is None else reader(self)

    def __iter__(self) -> Iterator[str]:
        return iter({**_ROOTS, **self.properties})

    def __len__(self) -> int:
        return len({**_ROOTS, **self.properties})


def load_bindings(instance: Instance, properties: Mapping[str, object]) -> Mapping[str, object]:
    """What configuration expressions see when they are evaluated at load: no request."""
    system: Mapping[str, object] = {}
    return {
        **properties,
        "env": instance.environment,
        "system": system,
        "heap": properties,
        "openig": _openig(instance),
    }


def as_text(value: object) -> str | None:
    """An expression's value as text for an entity or URI; `None` for null.

    Lists and maps become JSON in ASCII.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    return None if value is None else json.dumps(value, separators=(",", ":"))


def as_texts(value: object) -> list[str]:
    """An expression's value as header values.

    Those of a list each for itself, nothing for null, JSON for maps.
    """
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return [text for each in values if (text := as_text(each)) is not None]


def _uri(origin: Origin | None, target: Target) -> View[tuple[Origin | None, Target]]:
    return View((origin, target), _URI)


def _path(target: Target) -> str:
    return unquote(target.path) if "%" in target.path else target.path


def _query_parameters(target: Target) -> Mapping[str, object]:
    return {**parse_qs(target.query or "", keep_blank_values=True, max_num_fields=1000)}


def _cookies(headers: Headers) -> Mapping[str, object]:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load("; ".join(headers.get_all("cookie")))
    except CookieError:
        return {}
    return {name: [{"name": name, "value": morsel.value}] for name, morsel in jar.items()}


def _buffered_text(body: Body) -> str | None:
    return None if body.buffered is None else body.buffered.decode("utf-8", "replace")


def _buffered_json(body: Body) -> object:
    try:
        return None if body.buffered is None else strict_json.loads(body.buffered)
    except strict_json.JsonError:
        return None


def _buffered_form(body: Body) -> Mapping[str, object]:
    return {**parse_qs(_buffered_text(body) or "", keep_blank_values=True, max_num_fields=1000)}


def _contexts(bound: Bindings) -> Mapping[str, object]:
    exchange = bound.exchange
    left = {
        each.binding_name: each.as_binding()
        for each in exchange.contexts.values()
        if isinstance(each, BoundContext)
    }
    transaction = {"transactionId": {"value": exchange.transaction_id}}
    return {
        "attributes": {},
        **left,
        "client": View((exchange.peer, exchange.request), _CLIENT),
        "transactionId": transaction,
    }


def _attributes(bound: Bindings) -> Mapping[str, object]:
    context = bound.exchange.find(AttributesContext)
    return {} if context is None else context.attributes


def _openig(instance: Instance) -> Mapping[str, object]:
    directory = instance.directory
    parts = {
        "configDirectory": directory / "config",
        "instanceDirectory": directory,
        "temporaryDirectory": directory / "tmp",
    }
    return {name: str(path) for name, path in parts.items()}


_URI: Readers[tuple[Origin | None, Target]] = {
    "scheme": lambda uri: uri[0].scheme if uri[0] else None,
    "host": lambda uri: uri[0].host if uri[0] else None,
    "port": lambda uri: uri[0].port if uri[0] else None,
    "authority": lambda uri: uri[0].authority if uri[0] else None,
    "path": lambda uri: _path(uri[1]),
    "rawPath": lambda uri: uri[1].path,
    "query": lambda uri: None if uri[1].query is None else unquote(uri[1].query),
    "rawQuery": lambda uri: uri[1].query,
}

_ENTITY: Readers[Body] = {"string": _buffered_text, "json": _buffered_json, "form": _buffered_form}

_REQUEST: Readers[Request] = {
    "method": lambda request: request.method,
    "uri": lambda request: _uri(request.origin, request.target),
    "version": lambda request: f"HTTP/{request.version}",
    "headers": lambda request: HeadersView(request.headers),
    "cookies": lambda request: _cookies(request.headers),
    "queryParams": lambda request: _query_parameters(request.target),
    "entity": lambda request: View(request.body, _ENTITY),
}

_STATUS: Readers[Response] = {
    "code": lambda response: response.status,
    "reasonPhrase": lambda response: response.reason,
}

_RESPONSE: Readers[Response] = {
    "status": lambda response: View(response, _STATUS),
    "headers": lambda response: HeadersView(response.headers),
    "entity": lambda response: View(response.body, _ENTITY),
}

_CLIENT: Readers[tuple[Peer, Request]] = {
    "remoteAddress": lambda client: client[0].remote_address,
    "remotePort": lambda client: client[0].remote_port,
    "localAddress": lambda client: client[0].local_address,
    "localPort": lambda client: client[0].local_port,
    "isSecure": lambda client: client[0].secure,
    "userAgent": lambda client: client[1].headers.get("user-agent"),
    "certificates": lambda _: [],
}

_NOW: Readers[Clock] = {
    "epochSeconds": lambda clock: int(clock.now()),
    "rfc1123": lambda clock: formatdate(clock.now(), usegmt=True),
}

_ROOTS: Readers[Bindings] = {
    "request": lambda bound: View(bound.exchange.request, _REQUEST),
    "response": lambda bound: None if bound.response is None else View(bound.response, _RESPONSE),
    "contexts": _contexts,
    "context": _contexts,
    "attributes": _attributes,
    "env": lambda bound: bound.instance.environment,
    "system": lambda _: {},
    "heap": lambda bound: bound.properties,
    "openig": lambda bound: _openig(bound.instance),
    "now": lambda bound: View(bound.instance.clock, _NOW),
}

SHAPE: Shape = {
    **dict.fromkeys(_ROOTS),
    "request": {**dict.fromkeys(_REQUEST), "uri": dict.fromkeys(_URI), "entity": dict.fromkeys(_ENTITY)},
    "response": {
        **dict.fromkeys(_RESPONSE),
        "status": dict.fromkeys(_STATUS),
        "entity": dict.fromkeys(_ENTITY),
    },
    "now": dict.fromkeys(_NOW),
}
"""What runtime expressions can read; the contexts are added by who leaves them."""
CORE_CONTEXTS: Shape = {"client": dict.fromkeys(_CLIENT), "transactionId": None, "attributes": None}
"""The contexts that every exchange has."""
