"""What expressions see of an exchange: mappings that compute a member only when it is read.

Nothing is reachable by attribute: an expression walks mappings and lists, so it sees exactly the names listed
in the tables below.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.utils import formatdate
from typing import Final, Generic, TypeVar, cast
from urllib.parse import parse_qs, unquote

from deputize.expressions.functions.gateway.certificates import CERTIFICATE_THUMBPRINT
from deputize.gateway.config.instance import Instance
from deputize.gateway.exchange.contexts import AttributesContext, BoundContext, Shape
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Body, Headers, Request, Response
from deputize.kernel import strict_json
from deputize.kernel.clock import Clock
from deputize.kernel.uris import Origin, Target
from deputize.mcp.context import McpContext

_UNKNOWN: Final = Body(None)
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
    """The root names of runtime expressions for one exchange, or for all with one head."""

    __slots__ = ("exchange", "instance", "properties", "request", "response", "subject")

    def __init__(
        self,
        subject: Exchange | Head,
        response: Response | None,
        instance: Instance,
        properties: Mapping[str, object],
    ) -> None:
        """`properties`, those in force for the expression, are root names too, behind the built-in ones."""
        self.subject = subject
        self.request: Request | Head = subject if isinstance(subject, Head) else subject.request
        self.exchange = subject.exchange if isinstance(subject, Head) else subject
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


def as_text(value: object) -> str | None:
    """An expression's value as text of an entity or URI: lists and maps as JSON in ASCII, null as `None`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    return None if value is None else json.dumps(value, separators=(",", ":"))


def as_texts(value: object) -> list[str]:
    """The header values an expression's value stands for: one for each element of a list, none for null."""
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return [text for each in values if (text := as_text(each)) is not None]


def _parse_form(text: str | None) -> Mapping[str, object]:
    return {**parse_qs(text or "", keep_blank_values=True, max_num_fields=1000)}


def _cookies(headers: Headers) -> Mapping[str, object]:
    from http.cookies import CookieError, SimpleCookie  # noqa: PLC0415 - few configurations read cookies

    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load("; ".join(headers.get_all("cookie")))
    except CookieError:
        return {}
    return {name: [{"name": name, "value": morsel.value}] for name, morsel in jar.items()}


def _request_body(bound: Bindings) -> Body:
    """The body, which a head alone has not."""
    if isinstance(bound.request, Request):
        return bound.request.body
    return bound.exchange.body if bound.exchange is not None else _UNKNOWN


def _buffered_text(body: Body) -> str | None:
    return None if body.buffered is None else body.buffered.decode("utf-8", "replace")


def _buffered_json(body: Body) -> object:
    try:
        return None if body.buffered is None else strict_json.loads(body.buffered)
    except strict_json.JsonError:
        return None


def _contexts(bound: Bindings) -> Mapping[str, object]:
    mcp = bound.subject.find(McpContext)
    if mcp is not None and bound.response is not None:
        mcp.answer = bound.response
    left = {
        each.binding_name: each.as_binding()
        for each in bound.subject.contexts.values()
        if isinstance(each, BoundContext)
    }
    exchange = bound.exchange
    return {
        "attributes": {},
        **left,
        "client": View(bound, _CLIENT),
        "transactionId": {"transactionId": {"value": exchange.transaction_id if exchange else None}},
    }


def _remote_port(bound: Bindings) -> int:
    """The client's port, which is another one on each of its connections."""
    if isinstance(bound.subject, Head):
        bound.subject.readings.of_call = True
    return (bound.exchange or bound.subject).peer.remote_port


def _certificates(thumbprint: str | None) -> list[Mapping[str, str]]:
    """The certificate that the client showed, as `pemCertificate` gives it; empty without one."""
    return [] if thumbprint is None else [{CERTIFICATE_THUMBPRINT: thumbprint}]


_URI: Readers[tuple[Origin | None, Target]] = {
    "scheme": lambda uri: uri[0].scheme if uri[0] else None,
    "host": lambda uri: uri[0].host if uri[0] else None,
    "port": lambda uri: uri[0].port if uri[0] else None,
    "authority": lambda uri: uri[0].authority if uri[0] else None,
    "path": lambda uri: unquote(uri[1].path),
    "rawPath": lambda uri: uri[1].path,
    "query": lambda uri: None if uri[1].query is None else unquote(uri[1].query),
    "rawQuery": lambda uri: uri[1].query,
}

_ENTITY: Readers[Body] = {
    "string": _buffered_text,
    "json": _buffered_json,
    "form": lambda body: _parse_form(_buffered_text(body)),
}

_REQUEST: Readers[Bindings] = {
    "method": lambda bound: bound.request.method,
    "uri": lambda bound: View((bound.request.origin, bound.request.target), _URI),
    "version": lambda bound: f"HTTP/{bound.request.version}",
    "headers": lambda bound: HeadersView(bound.request.headers),
    "cookies": lambda bound: _cookies(bound.request.headers),
    "queryParams": lambda bound: _parse_form(bound.request.target.query),
    "entity": lambda bound: View(_request_body(bound), _ENTITY),
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

_CLIENT: Readers[Bindings] = {
    "remoteAddress": lambda bound: bound.subject.peer.remote_address,
    "remotePort": _remote_port,
    "localAddress": lambda bound: bound.subject.peer.local_address,
    "localPort": lambda bound: bound.subject.peer.local_port,
    "isSecure": lambda bound: bound.subject.peer.secure,
    "userAgent": lambda bound: bound.request.headers.get("user-agent"),
    "certificates": lambda bound: _certificates(bound.subject.peer.certificate),
}

_NOW: Readers[Clock] = {
    "epochSeconds": lambda clock: int(clock.now()),
    "rfc1123": lambda clock: formatdate(clock.now(), usegmt=True),
}

_ROOTS: Readers[Bindings] = {
    "request": lambda bound: View(bound, _REQUEST),
    "response": lambda bound: None if bound.response is None else View(bound.response, _RESPONSE),
    "contexts": _contexts,
    "context": _contexts,
    "attributes": lambda bound: (bound.subject.find(AttributesContext) or AttributesContext()).attributes,
    "env": lambda bound: bound.instance.environment,
    "system": lambda _: {},
    "heap": lambda bound: bound.properties,
    "openig": lambda bound: bound.instance.openig,
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
_CONTEXTS_OF_HEAD: Final = ("client", "oauth2", "oauth2TokenExchange", "router")
_OF_HEAD: Final = frozenset(
    {
        ("request", "method"),
        ("request", "uri"),
        ("request", "version"),
        ("request", "headers"),
        ("request", "cookies"),
        ("request", "queryParams"),
        *((root, name) for root in ("contexts", "context") for name in _CONTEXTS_OF_HEAD),
        ("env",),
        ("system",),
        ("heap",),
        ("openig",),
    }
)
"""What is the same for all calls with one head; the few values that are not say so when they are read."""


def depends_on_head_alone(reads: Iterable[tuple[str, ...]]) -> bool:
    """Whether an expression that reads these paths has one value for all calls with one head."""
    return all(names[:2] in _OF_HEAD or names[:1] in _OF_HEAD or names[0] not in _ROOTS for names in reads)
