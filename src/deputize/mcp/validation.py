"""The ladder a client message climbs before it is passed on: small checks, the first refusal wins.

Checks of the head come before the body is read, checks of the frame before those of its era. What passes is
forwarded as the very bytes that were checked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from deputize.kernel import strict_json
from deputize.mcp import shapes, versions
from deputize.mcp.era import speech_of_frame, speech_of_opening
from deputize.mcp.errors import (
    Rejection,
    header_mismatch,
    invalid_params,
    invalid_request,
    too_large,
    unknown_method,
    wrong_verb,
)
from deputize.mcp.frames import Frame, FrameKind, parse_frame
from deputize.mcp.headers import RoutingFields, accepts, decode_name, is_json
from deputize.mcp.targets import mirrored_name, policy_key
from deputize.mcp.versions import Era

EVENT_STREAM: Final = "text/event-stream"
JSON: Final = "application/json"


class ClientMessageType(Enum):
    """What a client does with one HTTP request, in the words of `contexts.mcp`."""

    MESSAGE = "MCP_MESSAGE"
    SSE_OPENING = "MCP_SSE_OPENING_REQUEST"
    SESSION_TERMINATION = "MCP_SESSION_TERMINATION"


@dataclass(frozen=True, slots=True)
class Rules:
    """What an administrator may decide about the ladder."""

    accepted_methods: frozenset[str] = frozenset()
    """Methods of extensions that pass although no version defines them.

    Their `params` only have to be an object.
    """
    preferred_version: str = versions.NEWEST_HANDSHAKE
    """What an `initialize` asks for on behalf of a client that wants a version unknown here."""
    max_body_size: int = strict_json.MAX_SIZE
    """In bytes."""


class Message(NamedTuple):
    """A client message that passed."""

    type: ClientMessageType
    era: Era
    version: str
    session: str | None
    frame: Frame | None
    """`None` for a stream opening or a session's end."""


def check_head(verb: str, fields: RoutingFields) -> Rejection | None:
    """What can be refused before the body is read: verb, `Accept`, `Content-Type`."""
    if verb not in _HEAD_CHECKS:
        return wrong_verb("GET, POST, DELETE")
    return _HEAD_CHECKS[verb](fields)


def check_opening(verb: str, fields: RoutingFields, body: bytes = b"") -> Message | Rejection:
    """A GET that opens an event stream or a DELETE that ends a session; both exist in the legacy era only.

    A body is refused: nothing here would look at it, but a server that can be told to take the request for a
    POST would.
    """
    if body:
        return invalid_request(f"{verb} has no body")
    speech = speech_of_opening(fields)
    if isinstance(speech, Rejection):
        return speech
    kind = ClientMessageType.SSE_OPENING if verb == "GET" else ClientMessageType.SESSION_TERMINATION
    return Message(kind, speech.era, speech.version, fields.session, None)


def check_message(fields: RoutingFields, body: bytes, rules: Rules) -> Message | Rejection:
    """The message POSTed as `body`, or why it is not passed on, with the id of the request it answers."""
    if len(body) > rules.max_body_size:
        return too_large(rules.max_body_size)
    frame = parse_frame(body, rules.max_body_size)
    if isinstance(frame, Rejection):
        return frame
    message = _climb(fields, frame, rules)
    return (
        message.answering(frame.id)
        if isinstance(message, Rejection) and frame.kind is FrameKind.REQUEST
        else message
    )


def _climb(fields: RoutingFields, frame: Frame, rules: Rules) -> Message | Rejection:
    speech = speech_of_frame(fields, frame, rules.preferred_version)
    if isinstance(speech, Rejection):
        return speech
    message = Message(ClientMessageType.MESSAGE, speech.era, speech.version, fields.session, frame)
    return _routing_fault(fields, frame, speech.era) or _shape_fault(frame, message, rules) or message


def _post_fault(fields: RoutingFields) -> Rejection | None:
    if not (fields.accept and accepts(fields.accept, JSON) and accepts(fields.accept, EVENT_STREAM)):
        return invalid_request(f"Accept has to list {JSON} and {EVENT_STREAM}", status=406)
    if not (fields.content_type and is_json(fields.content_type)):
        return invalid_request(f"Content-Type has to be {JSON}", status=415)
    if fields.encoding is not None and fields.encoding.lower() != "identity":
        return invalid_request(
            "Content-Encoding is not accepted: what is decided on has to be what the server reads", status=415
        )
    return None


def _get_fault(fields: RoutingFields) -> Rejection | None:
    if fields.accept and accepts(fields.accept, EVENT_STREAM):
        return None
    return invalid_request(f"Accept has to list {EVENT_STREAM}", status=406)


def _no_fault(_: RoutingFields) -> None:
    return None


_HEAD_CHECKS: Final[dict[str, Callable[[RoutingFields], Rejection | None]]] = {
    "POST": _post_fault,
    "GET": _get_fault,
    "DELETE": _no_fault,
}


def _routing_fault(fields: RoutingFields, frame: Frame, era: Era) -> Rejection | None:
    """Routing headers must agree with the body wherever they stand, and must stand in modern requests."""
    if era is Era.LEGACY and fields.method is None and fields.name is None:
        return None
    required = era is Era.MODERN and frame.kind is FrameKind.REQUEST
    return _method_fault(fields.method, frame.method, required=required) or _name_fault(
        fields.name, mirrored_name(frame.method, frame.params), required=required
    )


def _method_fault(header: str | None, method: str, *, required: bool) -> Rejection | None:
    if header is None:
        return header_mismatch("Mcp-Method is missing") if required else None
    return None if header == method else header_mismatch("Mcp-Method differs from method")


def _name_fault(header: str | None, name: str | None, *, required: bool) -> Rejection | None:
    if header is None:
        return header_mismatch("Mcp-Name is missing") if required and name is not None else None
    decoded = decode_name(header)
    if decoded is None:
        return header_mismatch("Mcp-Name is malformed")
    return None if decoded == name else header_mismatch("Mcp-Name differs from the body")


def _shape_fault(frame: Frame, message: Message, rules: Rules) -> Rejection | None:
    if not frame.method:
        return None
    shape = shapes.shape_of(frame, message.version)
    if shape is None:
        return None if frame.method in rules.accepted_methods else _unknown(message.era)
    complaints = shapes.complaints(shape, frame.document)
    if complaints:
        return invalid_params(f"they do not fit {frame.method}", complaints)
    if any("\0" in name for name in policy_key(frame.method, frame.params).names):
        return invalid_params("a name holds NUL, where some programs end it")
    return None


def _unknown(era: Era) -> Rejection:
    """A legacy client takes 404 for the end of its session, so only modern ones get it."""
    return unknown_method(404 if era is Era.MODERN else 400)
