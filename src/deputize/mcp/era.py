"""Which version a message speaks, and how it says so (mcp reference, section 1.2).

Upstreams decide by the header, by `_meta` or by the session. Where these disagree, gateway and upstream could
look at the same bytes as two different messages, so every contradiction is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deputize.kernel.pointers import ABSENT, Absent
from deputize.kernel.values import JsonValue
from deputize.mcp import versions
from deputize.mcp.errors import (
    Rejection,
    header_mismatch,
    invalid_params,
    invalid_request,
    unsupported_version,
    wrong_verb,
)
from deputize.mcp.frames import Frame, FrameKind
from deputize.mcp.headers import RoutingFields
from deputize.mcp.versions import Era

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
"""The member of `params._meta` that names the version of a self-describing request."""


@dataclass(frozen=True, slots=True)
class Speech:
    """The era of a message and the version it speaks."""

    era: Era
    version: str


_LEGACY: Final = {version: Speech(Era.LEGACY, version) for version in versions.HANDSHAKE}
_MODERN: Final = {version: Speech(Era.MODERN, version) for version in versions.MODERN}


def speech_of_frame(
    fields: RoutingFields, frame: Frame, preferred: str = versions.NEWEST_HANDSHAKE
) -> Speech | Rejection:
    """What a POSTed frame speaks, or the contradiction in it.

    `preferred` answers an `initialize` that wants an unknown version.
    """
    claimed = _claimed_version(frame)
    if claimed is ABSENT and (fields.version is None or fields.version in versions.HANDSHAKE):
        return _LEGACY[
            _initialize_version(frame, preferred)
            if frame.method == "initialize"
            else fields.version or versions.ASSUMED
        ]
    return _modern_speech(fields, frame, claimed)


def speech_of_opening(fields: RoutingFields) -> Speech | Rejection:
    """What a GET (stream) or DELETE (end of session) speaks; the modern era has neither."""
    if fields.version in versions.MODERN or (fields.session is None and fields.version is None):
        return wrong_verb("POST")
    return _LEGACY.get(fields.version or versions.ASSUMED) or unsupported_version(fields.version or "")


def _claimed_version(frame: Frame) -> JsonValue | Absent:
    meta = frame.params.get("_meta") if frame.params else None
    return meta.get(VERSION_KEY, ABSENT) if meta is not None and isinstance(meta, Mapping) else ABSENT


def _initialize_version(frame: Frame, preferred: str) -> str:
    wanted = frame.params.get("protocolVersion") if frame.params else None
    return wanted if isinstance(wanted, str) and wanted in versions.HANDSHAKE else preferred


def _modern_speech(fields: RoutingFields, frame: Frame, claimed: JsonValue | Absent) -> Speech | Rejection:
    if frame.kind in {FrameKind.RESULT, FrameKind.ERROR}:
        return invalid_request("a client has nothing to answer in this protocol version")
    return (
        _contradiction(fields, frame, claimed)
        or _MODERN.get(fields.version or "")
        or unsupported_version(fields.version or "")
    )


def _contradiction(fields: RoutingFields, frame: Frame, claimed: JsonValue | Absent) -> Rejection | None:
    if fields.version is None:
        return header_mismatch("MCP-Protocol-Version is missing")
    if fields.session is not None:
        return header_mismatch("Mcp-Session-Id does not exist in this protocol version")
    if claimed is ABSENT and frame.kind is FrameKind.REQUEST and fields.version in versions.MODERN:
        return invalid_params(f"params._meta lacks {VERSION_KEY}")
    if claimed is not ABSENT and claimed != fields.version:
        return header_mismatch("MCP-Protocol-Version differs from params._meta")
    return None
