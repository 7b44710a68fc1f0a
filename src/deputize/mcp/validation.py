"""Check a client message before it is passed on; the first refusal wins.

The head is checked before the body is read, the frame before what its version demands. What passes is
forwarded as the very bytes that were checked.

Upstreams decide by the header, by `_meta` or by the session which version a message speaks. Where these
disagree, gateway and upstream could look at the same bytes as two different messages, so every contradiction
is refused (mcp reference, section 1.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple

from deputize.kernel import strict_json
from deputize.kernel.pointers import ABSENT
from deputize.kernel.strict_json import JsonError
from deputize.kernel.values import JsonValue
from deputize.mcp import shapes, versions
from deputize.mcp.errors import (
    Rejection,
    header_mismatch,
    invalid_params,
    invalid_request,
    too_large,
    unknown_method,
    unsupported_version,
    wrong_verb,
)
from deputize.mcp.frames import (
    FLAT,
    Frame,
    FrameKind,
    PolicyKey,
    mirrored_name,
    name_member,
    policy_key,
    read_frame,
    refuse_json,
)
from deputize.mcp.headers import RoutingFields, accepts, decode_name, is_json
from deputize.mcp.versions import Era

EVENT_STREAM: Final = "text/event-stream"
JSON: Final = "application/json"
VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
"""The member of `params._meta` that names the version of a self-describing request."""


class ClientMessageType(StrEnum):
    """What a client does with one HTTP request, in the words of `contexts.mcp`."""

    MESSAGE = "MCP_MESSAGE"
    SSE_OPENING = "MCP_SSE_OPENING_REQUEST"
    SESSION_TERMINATION = "MCP_SESSION_TERMINATION"


@dataclass(frozen=True, slots=True)
class Speech:
    """The era of a message and the version it speaks."""

    era: Era
    version: str


# Looked up once: on Python 3.11 a member of an Enum is found by a function.
_REQUEST: Final = FrameKind.REQUEST
_MESSAGE: Final = ClientMessageType.MESSAGE
_MODERN_ERA: Final = Era.MODERN
_LEGACY_ERA: Final = Era.LEGACY
_LEGACY: Final = {version: Speech(Era.LEGACY, version) for version in versions.HANDSHAKE}
_MODERN: Final = {version: Speech(Era.MODERN, version) for version in versions.MODERN}


@dataclass(frozen=True, slots=True)
class Rules:
    """What an administrator may decide about the checks."""

    accepted_methods: frozenset[str] = frozenset()
    """Methods of extensions that pass although no version defines them.

    Their `params` only have to be an object.
    """
    preferred_version: str = versions.NEWEST_HANDSHAKE
    """What an `initialize` asks for on behalf of a client that wants a version unknown here."""
    max_body_size: int = strict_json.MAX_SIZE
    """In bytes."""


@dataclass(slots=True)
class Message:
    """A client message that passed."""

    type: ClientMessageType
    era: Era
    version: str
    session: str | None
    frame: Frame | None
    """`None` for a stream opening or a session's end."""
    key: PolicyKey | None
    """Method and names acted on; `None` for stream openings, session ends and a client's answers."""


def check_head(verb: str, fields: RoutingFields) -> Rejection | None:  # noqa: PLR0911 - one line a rule
    """What can be refused before the body is read: verb, `Accept`, `Content-Type`."""
    if verb == "DELETE":
        return None
    if verb == "GET":
        if fields.accept and accepts(fields.accept, EVENT_STREAM):
            return None
        return invalid_request(f"Accept has to list {EVENT_STREAM}", status=406)
    if verb != "POST":
        return wrong_verb("GET, POST, DELETE")
    if not (fields.accept and accepts(fields.accept, JSON) and accepts(fields.accept, EVENT_STREAM)):
        return invalid_request(f"Accept has to list {JSON} and {EVENT_STREAM}", status=406)
    if not (fields.content_type and is_json(fields.content_type)):
        return invalid_request(f"Content-Type has to be {JSON}", status=415)
    if fields.encoding is not None and fields.encoding.lower() != "identity":
        return invalid_request(
            "Content-Encoding is not accepted: what is decided on has to be what the server reads", status=415
        )
    return None


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
    return Message(kind, speech.era, speech.version, fields.session, None, None)


def check_message(
    fields: RoutingFields, body: bytes, rules: Rules, ordinary: "OrdinaryCalls | None" = None
) -> Message | Rejection:
    """The message POSTed as `body`, or why it is not passed on, with the id of the request it answers.

    `ordinary`, made for these `fields`, only spares time.
    """
    if len(body) > rules.max_body_size:
        return too_large(rules.max_body_size)
    try:
        document = strict_json.loads(body, max_size=rules.max_body_size)
    except JsonError as error:
        return refuse_json(body, error)
    if ordinary is not None:
        message = ordinary.read(document)
        if message is not None:
            return message
    frame = read_frame(document)
    if isinstance(frame, Rejection):
        return frame
    message = _check_frame(fields, frame, rules)
    if isinstance(message, Rejection) and frame.kind is _REQUEST:
        return message.with_id(frame.id)
    return message


def speech_of_frame(  # noqa: PLR0911 - one line a rule
    fields: RoutingFields, frame: Frame, preferred: str = versions.NEWEST_HANDSHAKE
) -> Speech | Rejection:
    """What a POSTed frame speaks, or the contradiction in it.

    `preferred` answers an `initialize` that wants an unknown version.
    """
    params, version = frame.params, fields.version
    meta = params.get("_meta") if params else None
    claimed = meta.get(VERSION_KEY, ABSENT) if isinstance(meta, dict) else ABSENT
    if claimed is ABSENT and (version is None or version in _LEGACY):
        if frame.method != "initialize":
            return _LEGACY[version or versions.ASSUMED]
        wanted = params.get("protocolVersion") if params else None
        return _LEGACY[wanted if isinstance(wanted, str) and wanted in _LEGACY else preferred]
    if not frame.method:
        return invalid_request("a client has nothing to answer in this protocol version")
    if version is None:
        return header_mismatch("MCP-Protocol-Version is missing")
    if fields.session is not None:
        return header_mismatch("Mcp-Session-Id does not exist in this protocol version")
    if claimed is ABSENT and frame.kind is _REQUEST and version in versions.MODERN:
        return invalid_params(f"params._meta lacks {VERSION_KEY}")
    if claimed is not ABSENT and claimed != version:
        return header_mismatch("MCP-Protocol-Version differs from params._meta")
    return _MODERN.get(version) or unsupported_version(version)


def speech_of_opening(fields: RoutingFields) -> Speech | Rejection:
    """What a GET (stream) or DELETE (end of session) speaks; the modern era has neither."""
    if fields.version in versions.MODERN or (fields.session is None and fields.version is None):
        return wrong_verb("POST")
    return _LEGACY.get(fields.version or versions.ASSUMED) or unsupported_version(fields.version or "")


def _check_frame(fields: RoutingFields, frame: Frame, rules: Rules) -> Message | Rejection:
    speech = speech_of_frame(fields, frame, rules.preferred_version)
    if isinstance(speech, Rejection):
        return speech
    key = policy_key(frame.method, frame.params) if frame.method else None
    refusal = _check_routing(fields, frame, speech.era, key)
    if refusal is None and key is not None:
        refusal = _check_shape(frame, speech, key, rules)
    if refusal is not None:
        return refusal
    return Message(_MESSAGE, speech.era, speech.version, fields.session, frame, key)


def _check_routing(fields: RoutingFields, frame: Frame, era: Era, key: PolicyKey | None) -> Rejection | None:
    """Routing headers must agree with the body wherever they stand, and must stand in modern requests."""
    required = era is _MODERN_ERA and frame.kind is _REQUEST
    if fields.method is None:
        if required:
            return header_mismatch("Mcp-Method is missing")
        if fields.name is None:
            return None
    elif fields.method != frame.method:
        return header_mismatch("Mcp-Method differs from method")
    name = mirrored_name(key) if key is not None else None
    if fields.name is None:
        return header_mismatch("Mcp-Name is missing") if required and name is not None else None
    decoded = decode_name(fields.name)
    if decoded is None:
        return header_mismatch("Mcp-Name is malformed")
    return None if decoded == name else header_mismatch("Mcp-Name differs from the body")


def _check_shape(frame: Frame, speech: Speech, key: PolicyKey, rules: Rules) -> Rejection | None:
    """A message must fit its method in the version it speaks; an accepted extension has no shape to fit."""
    shape = shapes.shape_of(frame, speech.version)
    if shape is None:
        if frame.method in rules.accepted_methods:
            return None
        # A legacy client takes 404 for the end of its session, so only modern ones get it.
        return unknown_method(404 if speech.era is _MODERN_ERA else 400)
    complaints = shape.complaints(frame.document)
    if complaints:
        return invalid_params(f"they do not fit {frame.method}", complaints)
    for name in key.names:
        if "\0" in name:
            return invalid_params("a name holds NUL, where some programs end it")
    return None


class _PlainForm(NamedTuple):
    """What the `params` of a method look like where each member stands for itself."""

    name: str
    """The member that has to be there: it names what is acted on."""
    types: Mapping[str, type]


class OrdinaryCalls:
    """Reads messages such as nearly all are, in one look, for heads with the same fields.

    These are calls of the legacy era that name a tool, a prompt or a resource, whose `params` have no member
    but those of which only the type matters, and about which the head says nothing. They pass every rule of
    this module; all others are left to these rules.
    """

    __slots__ = ("_forms", "_session", "_version")

    def __init__(self, version: str, session: str | None) -> None:
        """Prepare for calls that speak `version`, within `session`."""
        self._version = version
        self._session = session
        self._forms = _find_plain_forms(version)

    @classmethod
    def of(cls, fields: RoutingFields) -> "OrdinaryCalls | None":
        """Prepare for `fields`; `None` where they have to be compared with each message."""
        version = fields.version or versions.ASSUMED
        if fields.method is not None or fields.name is not None or version not in versions.HANDSHAKE:
            return None
        return cls(version, fields.session)

    def read(self, document: JsonValue) -> Message | None:  # noqa: PLR0911 - one line a rule
        """Return the message, or `None` where it is not of this kind, so that every rule has to be asked."""
        if not isinstance(document, dict) or len(document) != 4 or document.get("jsonrpc") != "2.0":
            return None
        identity, method, params = document.get("id"), document.get("method"), document.get("params")
        if not isinstance(params, dict) or not isinstance(method, str):
            return None
        if not (type(identity) is int or type(identity) is str):  # `True` is an `int` for Python
            return None
        form = self._forms.get(method)
        if form is None:
            return None
        types = form.types
        for member, value in params.items():
            if type(value) is not types.get(member):
                return None
        name = params.get(form.name)
        if not isinstance(name, str) or "\0" in name:
            return None
        frame = Frame(_REQUEST, identity, method, params, document)
        key = PolicyKey(method, (name,))
        return Message(_MESSAGE, _LEGACY_ERA, self._version, self._session, frame, key)


@cache
def _find_plain_forms(version: str) -> Mapping[str, _PlainForm]:
    """The forms of `version` by method."""
    forms: dict[str, _PlainForm] = {}
    for method, shape in shapes.request_shapes(version).items():
        types, required = shape.plain_members()
        name = name_member(method)
        if name is not None and required == frozenset({name}) and types.get(name) is str:
            plain = {member: kind for member, kind in types.items() if member in FLAT}
            forms[method] = _PlainForm(name, plain)
    return forms
