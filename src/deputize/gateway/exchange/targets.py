"""What filters can assign to: attributes, and parts of the request and of the response."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, TypeAlias, cast
from urllib.parse import quote, urlsplit

from pydantic import PlainValidator

from deputize.expressions import ExpressionError
from deputize.expressions.gateway import compile_path
from deputize.gateway.config.settings import Raw, explain
from deputize.gateway.exchange.bindings import as_text, as_texts
from deputize.gateway.exchange.contexts import AttributesContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import TOKEN, HeaderError, Headers, Response
from deputize.kernel.uris import Origin, Target, UriError, parse_origin, parse_target

_METHOD: Final = re.compile(TOKEN)
_PATH_CHARACTERS: Final = "/!$&'()*+,;=:@~"
_QUERY_CHARACTERS: Final = _PATH_CHARACTERS + "?%"
_URI_PARTS: Final = frozenset({"scheme", "host", "port", "path", "query"})
_KNOWN: Final = (
    "attributes.<name>, request.method, request.uri and its scheme, host, port, path and query, "
    "request.headers['<name>'], response.status and response.headers['<name>']"
)


class AssignmentTarget:
    """A place that a filter assigns values to, written as the expression that reads it."""

    __slots__ = ("_path", "message")

    def __init__(self, source: str) -> None:
        """Raises `ValueError` for what cannot be assigned to."""
        try:
            path = compile_path(source)
        except ExpressionError as error:
            raise ValueError(explain(error)) from error
        if path[0] in {"contexts", "context"} and path[1:2] == ("attributes",):
            path = path[1:]
        if not _is_assignable(path):
            raise ValueError(f"{source[:120]!r} cannot be assigned to; what can is {_KNOWN}")
        self._path = path
        self.message = path[0] if path[0] in {"request", "response"} else None
        """The message it is a part of; `None` for attributes."""

    def put(self, exchange: Exchange, value: object) -> None:
        """Assign to an attribute, in a step."""
        exchange.put(_with_attribute(exchange.find(AttributesContext), self._path[1:], value))

    def assign(self, head: Head, value: object) -> Head:
        """Return the head with the value assigned. Raises `HeaderError` or `UriError`."""
        match self._path:
            case ("request", "method"):
                method = as_text(value) or ""
                if not _METHOD.fullmatch(method):
                    raise HeaderError(f"{method[:20]!r} is no method")
                return head.with_method(method)
            case ("request", "uri"):
                uri = as_text(value) or ""
                parts = urlsplit(uri)
                target = parts._replace(scheme="", netloc="", fragment="", path=parts.path or "/").geturl()
                return head.with_origin(parse_origin(uri)).with_target(parse_target(target.encode()))
            case ("request", "uri", str(part)):
                return _with_uri_part(head, part, as_text(value) or "")
            case ("request", "headers", str(name), *_):
                headers = head.headers.copy()
                _set_header(headers, name, value)
                return head.with_headers(headers)
            case _:
                context = _with_attribute(head.find(AttributesContext), self._path[1:], value)
                if head.exchange is not None and AttributesContext in head.exchange.left:
                    head.exchange.put(context)  # what a step has left would hide it
                return head.with_context(context)

    def assign_answer(self, exchange: Exchange, response: Response, value: object) -> None:
        """Assign in a response, or to an attribute. Raises `HeaderError`."""
        match self._path:
            case ("response", "status", *_):
                text = as_text(value) or ""
                if not re.fullmatch("[2-5][0-9][0-9]", text):
                    raise HeaderError(f"{text[:20]!r} is no status of a response")
                response.status = int(text)
            case ("response", "headers", str(name), *_):
                _set_header(response.headers, name, value)
            case _:
                self.put(exchange, value)


def _is_assignable(path: Sequence[str | int]) -> bool:
    match path:
        case ("attributes", _, *names):
            return all(isinstance(name, str) for name in names)
        case (
            ("request", "method")
            | ("request", "uri")
            | ("response", "status")
            | ("response", "status", "code")
        ):
            return True
        case ("request", "uri", part):
            return part in _URI_PARTS
        case ("request" | "response", "headers", str()) | ("request" | "response", "headers", str(), 0):
            return True
        case _:
            return False


def _with_attribute(
    found: AttributesContext | None, names: Sequence[str | int], value: object
) -> AttributesContext:
    """Return other attributes: those of one call must not become those of the next."""

    def put(members: object, rest: Sequence[str | int]) -> dict[str, object]:
        copy = {**cast("Mapping[str, object]", members)} if isinstance(members, Mapping) else {}
        name = str(rest[0])
        copy[name] = put(copy.get(name), rest[1:]) if len(rest) > 1 else value
        return copy

    return AttributesContext(put(found.attributes if found else {}, names))


def _with_uri_part(head: Head, part: str, text: str) -> Head:
    target, origin = head.target, head.origin or Origin("http", "localhost", 80)
    if part == "path":
        changed = quote(text if text.startswith("/") else f"/{text}", safe=_PATH_CHARACTERS)
        return head.with_target(parse_target(str(Target(changed, target.query)).encode()))
    if part == "query":
        query = quote(text, safe=_QUERY_CHARACTERS) or None
        return head.with_target(parse_target(str(Target(target.path, query)).encode()))
    if part == "port":
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise UriError(f"{text[:20]!r} is no port")
        return head.with_origin(origin._replace(port=int(text)))
    if part == "scheme":
        return head.with_origin(parse_origin(f"{text}://{origin.authority}"))
    host = f"[{text}]" if ":" in text else text
    return head.with_origin(parse_origin(f"{origin.scheme}://{host}:{origin.port}"))


def _set_header(headers: Headers, name: str, value: object) -> None:
    headers.remove(name)
    for text in as_texts(value):
        headers.add(name, text)


def _compile(value: object) -> AssignmentTarget:
    if not isinstance(value, str):
        raise ValueError("a target is a text such as ${attributes.name}")  # noqa: TRY004 - pydantic reports only ValueError
    return AssignmentTarget(value)


TargetText: TypeAlias = Raw[Annotated[AssignmentTarget, PlainValidator(_compile)]]
"""A place to assign to, such as `${attributes.name}`."""
